"""Finished runs -> data frames. No torch.

In: a `Study` and the files of its runs, below the working directory. Out: one row a run, finished or not, and the
epochs and steps of the finished ones. Each file is read once, and checked: a run with a damaged one has no results.
Accuracies are top-1 in percent, losses means over the images, times seconds, memory bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ablation.analysis.frames import frame
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.settings import RunSettings, batch_problem
from ablation.config.study import Study
from ablation.config.texts import snakemake_command
from ablation.data.arrays import Description
from ablation.runs.records import (
    HISTORY,
    HISTORY_COLUMNS,
    ProbeRecord,
    RecordError,
    RunRecord,
    read_file_of,
    read_record,
)
from ablation.runs.results import is_of_other_code, other_run, prepared_data
from ablation.runs.step_trace import read_steps

# Whether a run's code is that of today.
CURRENT, EARLIER = "current", "earlier"
LOST = ("missing", "outdated", "damaged")
# By variant and seed.
Histories = Mapping[tuple[str, int], pd.DataFrame]
Traces = Mapping[tuple[str, int], pd.DataFrame]
COLUMNS = {
    "variant": "object",
    "seed": "int64",
    "status": "object",
    "best_accuracy": "float64",
    "best_epoch": "Int64",
    "last_accuracy": "float64",
    "averaged_accuracy": "float64",
    "accuracy_fluctuation": "float64",
    "calibration_error": "float64",
    "epochs": "Int64",
    "parameters": "Int64",
    "wall_seconds": "float64",
    "device_seconds": "float64",
    "train_seconds": "float64",
    "images_per_second": "float64",
    "peak_memory_bytes": "Int64",
    "energy_joules": "float64",
    "interruptions": "Int64",
    "device": "object",
    "threads": "Int64",
    "git_commit": "object",
    "code": "object",
    "data_digest": "object",
    "versions": "object",
    "directory": "object",
    "problem": "object",
}


def read_study(path: str | Path) -> Study:
    """Read a study written as JSON by `Study.model_dump_json(exclude_unset=True)`.

    Raises:
        ValueError: there is no such file, or it holds no study.
    """
    try:
        return Study.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; `{snakemake_command(path)}` makes it") from error
    except ValidationError as error:
        raise ValueError(f"{path} holds no valid study; delete it and run `{snakemake_command(path)}`") from error


@dataclass(frozen=True)
class Results:
    """One row a run, with the columns `COLUMNS`; the epochs of the finished ones, and their steps if they have some."""

    runs: pd.DataFrame
    histories: Histories
    traces: Traces


class LoadedRun(NamedTuple):
    """The status of a run; the rest is set where it is finished, but for the steps of one that records none."""

    status: str
    problem: str = ""
    record: RunRecord | None = None
    history: pd.DataFrame | None = None
    trace: pd.DataFrame | None = None


def load_runs(study: Study, chosen: Iterable[Run] | None = None) -> pd.DataFrame:
    """The rows of `load_results`."""
    return load_results(study, chosen).runs


def load_results(study: Study, chosen: Iterable[Run] | None = None) -> Results:
    """The runs of the whole matrix or the chosen ones, in their order.

    `status` is that of the record, or `missing` (no record), `damaged` (the record, the history or the steps are not
    what the run wrote, or not readable) or `outdated` (of other settings or other data than now). A run of these three
    has no results here, so none can slip into a table; `problem` says why. It also tells what is odd about a finished
    run.
    """
    data, settings = prepared_data(study), study.matrix.settings
    runs = matrix.runs(study) if chosen is None else chosen
    loaded = {run: load_run(run, study, data) for run in runs}
    return Results(
        runs=frame([_row(run, each, settings[run.variant]) for run, each in loaded.items()], COLUMNS),
        histories={(run.variant, run.seed): each.history for run, each in loaded.items() if each.history is not None},
        traces={(run.variant, run.seed): each.trace for run, each in loaded.items() if each.trace is not None},
    )


def load_run(run: Run, study: Study, data: Description | None) -> LoadedRun:
    """One run of the study, on the data so described; None where that is not known."""
    settings = study.matrix.settings[run.variant]
    try:
        record = read_record(run.metrics)
        if problem := other_run(record, study, data.digest if data else None):
            return LoadedRun("outdated", problem)
        history = read_history(run.directory, record)
        trace = read_steps(run.directory, record) if settings.record_steps else None
        problem = batch_problem(settings, data.counts["train"]) if data else ""
        return LoadedRun(record.status, problem, record, history, trace)
    except FileNotFoundError:
        return LoadedRun("missing")
    except RecordError as error:
        return LoadedRun("damaged", str(error))


def read_history(directory: str | PurePath, record: RunRecord) -> pd.DataFrame:
    """The epochs of a run, with the columns `HISTORY_COLUMNS`; losses of a diverged run may be NaN or infinite.

    Raises:
        RecordError: `history.csv` is missing or damaged.
    """
    header, _, rows = read_file_of(directory, record, HISTORY).partition(b"\n")
    try:
        names = header.decode().split(",")
        if tuple(names) != HISTORY_COLUMNS:
            raise ValueError(f"its columns are {', '.join(names)}; expected {', '.join(HISTORY_COLUMNS)}")
        # Of small files pandas reads one in the time in which numpy reads fifteen, and a study may have 10,000.
        columns = np.loadtxt(BytesIO(rows), delimiter=",", ndmin=2, usecols=range(len(names))).T
        history = dict(zip(names, columns, strict=True))
        return pd.DataFrame(history | {"epoch": history["epoch"].astype("int64")})
    except ValueError as error:
        raise RecordError(f"{Path(directory, HISTORY)} holds no epochs of a run: {error}") from error


def _row(run: Run, loaded: LoadedRun, settings: RunSettings) -> dict[str, Any]:
    row = {"variant": run.variant, "seed": run.seed, "directory": str(run.directory)}
    row |= {"status": loaded.status, "problem": loaded.problem}
    if loaded.record is None:
        return row
    row |= final_figures(loaded.record) | {"code": code_of(loaded.record, settings)}
    return row | {"accuracy_fluctuation": accuracy_fluctuation(loaded.history)}


def accuracy_fluctuation(history: pd.DataFrame | None) -> float:
    """How far the held-out accuracy moves from one epoch to the next, in points: the mean over the second half of the
    epochs, in which it no longer rises steeply."""
    if history is None:
        return float("nan")
    return history["held_out_accuracy"].diff().abs()[len(history) // 2 :].mean()


def code_of(record: RunRecord | ProbeRecord, settings: RunSettings, *, probed: bool = False) -> str:
    """Whether the code that made a record is that of today."""
    return EARLIER if is_of_other_code(record, settings, probed=probed) else CURRENT


def final_figures(record: RunRecord) -> dict[str, Any]:
    """What a record says of its run as a whole, by the names of `COLUMNS`."""
    scores = {"best": record.best, "last": record.last, "averaged": record.averaged}
    versions = " ".join(f"{name} {version}" for name, version in sorted(record.origin.versions.items()))
    return {
        **{f"{name}_accuracy": score.test_accuracy for name, score in scores.items() if score is not None},
        "best_epoch": None if record.best is None else record.best.epoch,
        "calibration_error": None if record.test is None else record.test.calibration_error,
        "epochs": record.epochs,
        "parameters": record.parameters,
        **record.cost.model_dump(),
        **record.origin.model_dump(exclude={"code_digest"}),
        "versions": versions,
    }
