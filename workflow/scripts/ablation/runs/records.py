"""The JSON of a run, `metrics.json`, and the CSV of its epochs, `history.csv`: one definition, no torch.

Accuracies are top-1 in percent, losses means over the images, times seconds, memory bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from ablation.files import atomic_write, write_text
from ablation.training.outcome import FiniteModel, ProbedStep, Score

RECORD_VERSION: Literal[4] = 4
HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "held_out_loss",
    "held_out_accuracy",
    "test_accuracy",
)


Record = TypeVar("Record", bound=BaseModel)


class RecordError(ValueError):
    """A run's file is damaged or of another version."""


class Cost(FiniteModel):
    """What the run took, once Python had imported torch.

    `train_seconds` is the training loop alone, `device_seconds` evaluation too, and `wall_seconds` everything. What was
    trained between a checkpoint and a kill is trained again, and counts once. `interruptions`: how often it resumed.
    """

    wall_seconds: float
    device_seconds: float
    train_seconds: float
    images_per_second: float
    peak_memory_bytes: int
    interruptions: int


class Origin(FiniteModel):
    """How the run was made. `threads` are those of the processor that computed it; None on a GPU."""

    device: str
    threads: int | None
    versions: dict[str, str]
    git_commit: str | None
    code_digest: str
    data_digest: str


class RunRecord(FiniteModel):
    """One finished run. `status` is `diverged` where the loss became infinite or NaN: a result, not a failure.

    `epochs` are those begun: a diverged run diverged in the last of them.
    """

    record_version: Literal[4] = RECORD_VERSION
    study: str
    variant: str
    seed: int
    status: Literal["completed", "diverged"]
    spec: dict[str, Any]
    parameters: int
    epochs: int
    best: Score | None
    last: Score | None
    averaged: Score | None
    best_model: str | None
    held_out_part: Literal["test", "validation"]
    cost: Cost
    origin: Origin


class ProbeRecord(FiniteModel):
    """A run that was trained a second time, with probes.

    `step_sizes` are multiples of the learning rate. `train_losses` by epoch show that it is the same run.
    """

    record_version: Literal[4] = RECORD_VERSION
    study: str
    variant: str
    seed: int
    spec: dict[str, Any]
    every: int
    step_sizes: tuple[float, ...]
    steps: tuple[ProbedStep, ...]
    train_losses: tuple[float | None, ...]
    seconds_per_step: float
    seconds_per_probe: float | None
    origin: Origin


def write_record(path: str | Path, record: RunRecord | ProbeRecord) -> None:
    """Write `metrics.json` or `probe.json` whole."""
    write_text(path, record.model_dump_json(indent=2) + "\n")


def read_record(path: str | Path) -> RunRecord:
    """Read and check `metrics.json`.

    Raises:
        RecordError: the file is no whole record of this version.
    """
    return _read(path, RunRecord)


def read_probe(path: str | Path) -> ProbeRecord:
    """Read and check `probe.json`.

    Raises:
        RecordError: the file is no whole record of this version.
    """
    return _read(path, ProbeRecord)


def _read(path: str | Path, kind: type[Record]) -> Record:
    try:
        return kind.model_validate_json(Path(path).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        if (where, first["type"]) == ("record_version", "literal_error"):
            reason = f"is a record of version {first['input']}, and this code reads version {RECORD_VERSION}"
        else:
            reason = f"{where}: {first['msg']}. The file is damaged or of another version"
        raise RecordError(f"{path}: {reason}: delete it and run `snakemake {path}`") from error


def write_history(path: str | Path, history: Iterable[Mapping[str, float]]) -> None:
    """Write `history.csv` whole, one line an epoch, with the columns `HISTORY_COLUMNS`."""
    with atomic_write(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
