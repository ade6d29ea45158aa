"""The JSON of a run, `metrics.json`, and the CSV of its epochs, `history.csv`: one definition, no torch.

A record holds a checksum of itself and of every other file that the run leaves. What is read is checked against them.
Accuracies are top-1 in percent, losses means over the images, times seconds, memory bytes.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, ValidationError, model_validator

from ablation.config.grid import Identifier
from ablation.config.texts import snakemake_command
from ablation.files import atomic_write, digest_of_file, read_file, write_text
from ablation.training.outcome import FiniteModel, ProbedStep, Score, TestScores, Walk

RECORD_VERSION: Literal[6] = 6
# The statuses of a record.
FINISHED: tuple[Literal["completed", "diverged"], ...] = ("completed", "diverged")
HISTORY = "history.csv"
CHECKPOINT = "checkpoint.pt"
CONFUSION = "confusion.csv"
FILTERS = "filters.npy"
HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "held_out_loss",
    "held_out_accuracy",
    "test_accuracy",
)


class RecordError(ValueError):
    """A run's file is damaged, or of another run or version."""


def _percentages(score: Score) -> Score:
    if not all(0 <= accuracy <= 100 for accuracy in (score.held_out_accuracy, score.test_accuracy)):
        raise ValueError("an accuracy is a percentage, from 0 to 100")
    return score


# What a column of 64 bits holds.
Count = Annotated[int, Field(ge=0, lt=2**63)]
PercentScore = Annotated[Score, AfterValidator(_percentages)]


class Cost(FiniteModel):
    """What the run took, once Python had imported torch.

    `train_seconds` is the training loop alone, `device_seconds` evaluation too, and `wall_seconds` everything. What was
    trained between a checkpoint and a kill is trained again, and counts once. `interruptions`: how often it resumed.
    `energy_joules` is what the GPU took, in equal parts for the processes that shared it; None where it does not say.
    """

    wall_seconds: NonNegativeFloat
    device_seconds: NonNegativeFloat
    train_seconds: NonNegativeFloat
    images_per_second: NonNegativeFloat
    peak_memory_bytes: Count
    interruptions: Count
    energy_joules: NonNegativeFloat | None = None


class Origin(FiniteModel):
    """How the run was made. `threads` are those of the processor that computed it; None on a GPU.

    `code_files` has the digest of what the run uses of each file, which tells where `code_digest` differs; older
    records have none.
    """

    device: str
    threads: int | None
    versions: dict[str, str]
    git_commit: str | None
    code_digest: str
    data_digest: str
    code_files: dict[str, str] = Field(default_factory=dict)


class RunRecord(FiniteModel):
    """One finished run. `status` is `diverged` where the loss became infinite or NaN: a result, not a failure.

    `epochs` are those begun: a diverged run diverged in the last of them. `test` is about the best epoch's weights, and
    is missing from a diverged run. `files` has the SHA-256 of each file beside
    the record, by name; `checksum` is that of the record, without itself.
    """

    record_version: Literal[6] = RECORD_VERSION
    study: Identifier
    variant: Identifier
    seed: Count
    status: Literal["completed", "diverged"]
    spec: dict[str, Any]
    parameters: Count
    epochs: Count
    best: PercentScore | None
    last: PercentScore | None
    averaged: PercentScore | None
    test: TestScores | None = None
    best_model: str | None
    held_out_part: Literal["test", "validation"]
    cost: Cost
    origin: Origin
    files: dict[str, str]
    checksum: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RunRecord:
        if self.status == "completed" and (self.best is None or self.last is None):
            raise ValueError("it says completed, but names no accuracy")
        scores = [score for score in (self.best, self.last, self.averaged) if score is not None]
        if not all(1 <= score.epoch <= self.epochs for score in scores):
            raise ValueError("it names an epoch that the run does not have")
        return self


class ProbeRecord(FiniteModel):
    """A run that was trained a second time, with probes.

    `step_sizes` are multiples of the learning rate and of the optimizer's step. `train_losses` by epoch show that it is
    the same run. `checksum` is the SHA-256 of the record, without itself.
    """

    record_version: Literal[6] = RECORD_VERSION
    study: Identifier
    variant: Identifier
    seed: Count
    spec: dict[str, Any]
    every: Count
    step_sizes: tuple[float, ...]
    steps: tuple[ProbedStep, ...]
    train_losses: tuple[float | None, ...]
    seconds_per_step: PositiveFloat
    seconds_per_probe: NonNegativeFloat | None
    origin: Origin
    checksum: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ProbeRecord:
        walks = [walk for step in self.steps for walk in step.walks.values()]
        if any(len(path) != len(self.step_sizes) for walk in walks for path in paths_of(walk)):
            raise ValueError("it has paths of another length than its step sizes")
        if not all(1 <= number < 2**63 for step in self.steps for number in (step.step, step.epoch)):
            raise ValueError("it names a step that the run does not have")
        return self


def paths_of(walk: Walk) -> tuple[tuple[float, ...], ...]:
    """What a walk has of each step size."""
    return walk.losses, walk.gradient_distances, walk.cosines


Record = TypeVar("Record", RunRecord, ProbeRecord)


def write_record(path: str | Path, record: RunRecord | ProbeRecord) -> None:
    """Write `metrics.json` or `probe.json` whole, with its checksum."""
    checked = record.model_copy(update={"checksum": checksum(record.model_dump_json())})
    write_text(path, checked.model_dump_json(indent=2) + "\n")


def checksum(record: str | bytes) -> str:
    """The SHA-256 of all that the JSON of a record says but its own checksum, however it is laid out."""
    content = json.loads(record)
    content.pop("checksum", None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_record(path: str | Path) -> RunRecord:
    """Read and check `metrics.json`, in the run's folder.

    Raises:
        FileNotFoundError: there is none.
        RecordError: the file is no whole record of this version, or is that of another run.
    """
    return _read(path, RunRecord)


def read_probe(path: str | Path) -> ProbeRecord:
    """Read and check `probe.json`, in the run's folder.

    Raises:
        FileNotFoundError: there is none.
        RecordError: the file is no whole record of this version, or is that of another run.
    """
    return _read(path, ProbeRecord)


def _read(path: str | Path, kind: type[Record]) -> Record:
    seed_folder = Path(path).absolute().parent
    record, content = _parse(path, kind)
    if record.checksum != checksum(content):
        raise RecordError(f"{path}: the file is damaged, its checksum is another: {_delete(path)}")
    if (seed_folder.parent.name, seed_folder.name) != (record.variant, f"seed{record.seed}"):
        raise RecordError(f"{path} is the record of variant {record.variant}, seed {record.seed}: {_delete(path)}")
    return record


def _delete(path: str | Path) -> str:
    return f"delete it and run `{snakemake_command(path)}`"


def _parse(path: str | Path, kind: type[Record]) -> tuple[Record, bytes]:
    try:
        content = read_file(path)
        return kind.model_validate_json(content), content
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}: {_delete(path)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        if (where, first["type"]) == ("record_version", "literal_error"):
            reason = f"is a record of version {first['input']}, and this code reads version {RECORD_VERSION}"
        else:
            reason = f"{where}: {first['msg']}. The file is damaged or of another version"
        raise RecordError(f"{path}: {reason}: {_delete(path)}") from error


def read_file_of(directory: str | PurePath, record: RunRecord, name: str) -> bytes:
    """The content of a file that the run left beside its record.

    Raises:
        RecordError: the file is missing, or is not what the run wrote.
    """
    path = Path(directory, name)
    try:
        content = read_file(path)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}. {_rerun(directory)}") from error
    if hashlib.sha256(content).hexdigest() != record.files.get(name):
        raise RecordError(f"{path} is damaged: its checksum is not that of the record. {_rerun(directory)}")
    return content


def check_files(directory: str | PurePath, record: RunRecord) -> None:
    """Check every file that the run left beside its record, the weights too.

    Raises:
        RecordError: a file is missing, or is not what the run wrote.
    """
    for name in record.files:
        read_file_of(directory, record, name)


def digests_of_files(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """What the record says of these files of the run."""
    return {name: digest_of_file(directory / name) for name in names}


def _rerun(directory: str | PurePath) -> str:
    return f"`{snakemake_command(PurePath(directory, 'metrics.json'), '--force')}` reruns it"


def write_confusion(path: str | Path, classes: Iterable[str], confusion: Iterable[Iterable[int]]) -> None:
    """Write `confusion.csv` whole: a line a true class, with the number of its images by predicted class."""
    names = list(classes)
    with atomic_write(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["true class", *names])
        writer.writerows([name, *counts] for name, counts in zip(names, confusion, strict=True))


def write_history(path: str | Path, history: Iterable[Mapping[str, float]]) -> None:
    """Write `history.csv` whole, one line an epoch, with the columns `HISTORY_COLUMNS`."""
    with atomic_write(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
