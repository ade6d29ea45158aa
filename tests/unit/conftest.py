"""A small study and run directories as training would leave them, for the tests of the analysis."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablation.config.matrix import Run
from ablation.config.settings import spec
from ablation.config.study import Study
from ablation.runs.provenance import training_digest
from ablation.runs.records import Cost, Origin, RunRecord, Score, digests_of_files, write_history, write_record
from ablation.runs.step_trace import write_steps

STUDY = {
    "study": "small",
    "title": "A small study",
    "seeds": [0, 1, 2],
    "base": {"epochs": 4},
    "variants": {
        "adam": {},
        "sgd": {"optimizer": {"name": "sgd", "weight_decay": 0.0}, "grad_clip": None},
        "swa": {"averaging": {"name": "swa", "start": 4}, "epochs": 6, "model": {"filters": [128, 256, 512]}},
    },
    "tables": {
        "optimizers": {
            "title": "Optimizers",
            "note": "Only the optimizer differs.",
            "rows": [
                {"variant": "adam", "label": "Adam", "reported": 88.42},
                {"variant": "sgd", "label": "SGD | plain_1", "reported": 78.58},
            ],
        },
        "averages": {
            "title": "Averages",
            "rows": [
                {"variant": "adam", "label": "CrossEntropy (A)", "reported": 88.42},
                {"variant": "swa", "label": "Averaged", "accuracy": "averaged"},
                {"variant": "swa", "label": "Not averaged"},
            ],
        },
    },
    "notes": ["Focal: gamma 1 as configured is the row."],
}


def make_study(**changes: Any) -> Study:
    return Study.model_validate(STUDY | changes)


def make_history(losses: list[float], accuracies: list[float]) -> list[dict[str, float]]:
    """Held-out losses and accuracies as given; those of the training images differ by 0.1 and 1."""
    return [
        {
            "epoch": epoch,
            "learning_rate": 1e-3,
            "train_loss": loss - 0.1,
            "train_accuracy": accuracy + 1,
            "held_out_loss": loss,
            "held_out_accuracy": accuracy,
            "test_accuracy": accuracy,
        }
        for epoch, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), start=1)
    ]


def score(epoch: int, accuracy: float | None) -> Score | None:
    if accuracy is None:
        return None
    # Only the accuracy on the test images may be reported: that of the held-out images is another.
    return Score(epoch=epoch, held_out_loss=0.5, held_out_accuracy=accuracy - 3, test_accuracy=accuracy)


def make_record(run: Run, study: Study, best: float | None, last: float | None, averaged: float | None) -> RunRecord:
    settings = study.matrix.settings[run.variant]
    return RunRecord(
        study=study.study,
        variant=run.variant,
        seed=run.seed,
        status="diverged" if None in (best, last) else "completed",
        spec=spec(settings),
        parameters=2_603_274,
        epochs=4,
        best=score(3, best),
        last=score(4, last),
        averaged=score(4, averaged),
        best_model="best_model.pth",
        held_out_part="test",
        cost=Cost(
            wall_seconds=3600,
            device_seconds=1800,
            train_seconds=1500,
            images_per_second=1000 + 100 * run.seed,
            peak_memory_bytes=2**30 * (1 + run.seed),
            interruptions=run.seed,
        ),
        origin=Origin(
            device="processor A",
            threads=1,
            versions={"torch": "2", "python": "3"},
            git_commit="c1",
            code_digest=training_digest(settings),
            data_digest="e1",
        ),
        files={},
    )


def write_files(run: Run, study: Study, history: list[dict[str, float]], losses: tuple[float, ...]) -> dict[str, str]:
    """The epochs and, where the run records them, the losses of its steps, two an epoch; their checksums."""
    directory, names, steps = Path(run.directory), ["history.csv"], np.arange(len(losses))
    write_history(directory / "history.csv", history)
    if study.matrix.settings[run.variant].record_steps:
        write_steps(directory / "steps.npz", steps // 2 + 1, np.array(losses), np.ones(len(losses)))
        names.append("steps.npz")
    return digests_of_files(directory, names)


@pytest.fixture
def study() -> Study:
    return make_study()


@pytest.fixture
def study_with() -> Callable[..., Study]:
    return make_study


@pytest.fixture
def history_rows() -> Callable[[list[float], list[float]], list[dict[str, float]]]:
    return make_history


@pytest.fixture
def finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: Study) -> Callable[..., RunRecord]:
    """Write the directory of a run below a new working directory; `changes` are those of its record.

    `history` are the rows of its epochs, `losses` those of its steps.
    """
    monkeypatch.chdir(tmp_path)
    rows = make_history([2.0, 1.5, 1.2, 1.0], [40.0, 60.0, 70.0, 75.0])

    def write(
        variant: str, seed: int, best: float | None = 80.0, last: float | None = 79.0, **changes: Any
    ) -> RunRecord:
        run = Run(variant, seed)
        record = make_record(run, study, best, last, changes.pop("averaged", None))
        origin = record.origin.model_copy(update=changes.pop("origin", {}))
        files = write_files(run, study, changes.pop("history", rows), changes.pop("losses", (2.0, 1.0)))
        record = record.model_copy(update={"origin": origin, "files": files} | changes)
        write_record(run.metrics, record)
        return record

    return write


@contextmanager
def nothing_can_be_written() -> Iterator[None]:
    """Every file stays empty, as on a full disk; the system calls the reason "File too large"."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    return nothing_can_be_written
