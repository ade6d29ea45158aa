"""Finished runs -> data frames. No torch.

In: a `Study` and the files of its runs, below the working directory. Out: one row a run, finished or not, and the
epochs of a run. Accuracies are top-1 in percent, losses means over the images, times seconds, memory bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from ablation.analysis.frames import frame
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.settings import RunSettings, changes, spec
from ablation.config.study import Study
from ablation.runs.provenance import training_digest
from ablation.runs.records import HISTORY_COLUMNS, ProbeRecord, RecordError, RunRecord, read_record
from ablation.runs.results import digest_of_data

FINISHED = ("completed", "diverged")
# Whether a run's code is that of today.
CURRENT, EARLIER = "current", "earlier"
LOST = ("missing", "outdated", "damaged")
Histories = Mapping[tuple[str, int], pd.DataFrame]
COLUMNS = {
    "variant": "object",
    "seed": "int64",
    "status": "object",
    "best_accuracy": "float64",
    "best_epoch": "Int64",
    "last_accuracy": "float64",
    "averaged_accuracy": "float64",
    "epochs": "Int64",
    "parameters": "Int64",
    "wall_seconds": "float64",
    "device_seconds": "float64",
    "train_seconds": "float64",
    "images_per_second": "float64",
    "peak_memory_bytes": "Int64",
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
        raise ValueError(f"{path} cannot be read: {error.strerror}; `snakemake {path}` makes it") from error
    except ValidationError as error:
        raise ValueError(f"{path} holds no valid study; delete it and run `snakemake {path}`") from error


def load_runs(study: Study, chosen: Iterable[Run] | None = None) -> pd.DataFrame:
    """One row a run, of the whole matrix or the chosen ones, in their order, with the columns `COLUMNS`.

    `status` is that of the record, or `missing` (no record), `damaged` (not readable) or `outdated` (of other settings
    or other data than now). A run of these three has no results here, so none can slip into a table; `problem` says
    why.
    """
    runs = matrix.runs(study) if chosen is None else chosen
    data_digest = digest_of_data(study)
    rows = [_row(run, study.matrix.settings[run.variant], data_digest) for run in runs]
    return frame(rows, COLUMNS)


def load_history(run: Run) -> pd.DataFrame:
    """The epochs of a run, with the columns `HISTORY_COLUMNS`; losses of a diverged run may be NaN or infinite.

    Raises:
        RecordError: `history.csv` is missing or damaged.
    """
    path = Path(run.directory, "history.csv")
    try:
        history = pd.read_csv(path, dtype="float64")
        if tuple(history.columns) != HISTORY_COLUMNS:
            raise ValueError(f"its columns are {', '.join(history.columns)}; expected {', '.join(HISTORY_COLUMNS)}")
        return history.astype({"epoch": "int64"})
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path} is missing or damaged: {error}. `snakemake {run.metrics} --force` reruns it"
        ) from error


def load_histories(runs: pd.DataFrame) -> dict[tuple[str, int], pd.DataFrame]:
    """The epochs of each finished run, by variant and seed.

    Raises:
        RecordError: a finished run has lost its history.
    """
    finished = runs.loc[runs["status"].isin(FINISHED), ["variant", "seed"]]
    return {key: load_history(Run(*key)) for key in finished.itertuples(index=False, name=None)}


def _row(run: Run, settings: RunSettings, data_digest: str | None) -> dict[str, Any]:
    row = {"variant": run.variant, "seed": run.seed, "directory": str(run.directory), "problem": ""}
    if not Path(run.metrics).exists():
        return row | {"status": "missing"}
    try:
        record = read_record(run.metrics)
        _check(record, run)
    except RecordError as error:
        return row | {"status": "damaged", "problem": str(error)}
    changed = changes_text(record.spec, spec(settings))
    if changed:
        return row | {"status": "outdated", "problem": f"made with other settings: {changed}"}
    if data_digest not in (None, record.origin.data_digest):
        return row | {"status": "outdated", "problem": f"made with other data than those of digest {data_digest}"}
    return row | _figures(record) | {"code": code_of(record, settings)}


def code_of(record: RunRecord | ProbeRecord, settings: RunSettings, *, probed: bool = False) -> str:
    """Whether the code that made a record is that of today."""
    return CURRENT if record.origin.code_digest == training_digest(settings, probed=probed) else EARLIER


def _check(record: RunRecord, run: Run) -> None:
    """A record must be that of its folder and, of a completed run, have the results that tables need."""
    if (record.variant, record.seed) != (run.variant, run.seed):
        raise RecordError(f"{run.metrics} is the record of variant {record.variant}, seed {record.seed}")
    if record.status == "completed" and (record.best is None or record.last is None):
        raise RecordError(f"{run.metrics} says completed, but names no accuracy")


def changes_text(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Settings that differ between two specs, as `key then → now`; empty where they are the same."""
    return ", ".join(f"{key} {old} → {new}" for key, (old, new) in changes(then, now).items())


def _figures(record: RunRecord) -> dict[str, Any]:
    scores = {"best": record.best, "last": record.last, "averaged": record.averaged}
    versions = " ".join(f"{name} {version}" for name, version in sorted(record.origin.versions.items()))
    return {
        "status": record.status,
        **{f"{name}_accuracy": score.test_accuracy for name, score in scores.items() if score is not None},
        "best_epoch": None if record.best is None else record.best.epoch,
        "epochs": record.epochs,
        "parameters": record.parameters,
        **record.cost.model_dump(),
        **record.origin.model_dump(exclude={"code_digest"}),
        "versions": versions,
    }
