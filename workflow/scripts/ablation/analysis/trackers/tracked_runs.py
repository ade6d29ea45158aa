"""Finished runs -> what every tracker shows of them, by the same names in each. No torch.

In: a `Study` and the files of its runs, below the working directory. Out: the settings of a run, its curves by epoch
and by step, and its final figures. A run that is not finished, or has a damaged file, comes with the reason instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple, Protocol

import pandas as pd

from ablation.analysis.runs import final_figures, load_run
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.settings import flat
from ablation.config.study import Study
from ablation.config.texts import shown, suggestion
from ablation.runs.records import RunRecord
from ablation.runs.results import prepared_data

# What a curve is drawn over: the first part of its name.
AXES = ("epoch", "step")


class Point(NamedTuple):
    """The values of all curves over an axis at one epoch or step, counted from 1; NaN or infinite where a run diverged.

    `seconds` is the training time until then, as if each epoch or step had taken the same.
    """

    axis: str
    number: int
    seconds: float
    values: Mapping[str, float]


class TrackedRun(NamedTuple):
    """A finished run. `end` has the figures of the run as a whole, at its last epoch."""

    run: Run
    settings: Mapping[str, bool | float | str]
    points: Sequence[Point]
    end: Point

    @property
    def name(self) -> str:
        return run_name(self.run)


class Skipped(NamedTuple):
    """A run without results, and why."""

    name: str
    reason: str


class Tracker(Protocol):
    """Where runs are shown. `command` shows them."""

    command: str

    def write(self, run: TrackedRun) -> None:
        """Write a run, in place of what an earlier export wrote of it."""


def run_name(run: Run) -> str:
    """The name of a run in every tracker."""
    return f"{run.variant}/seed{run.seed}"


def choose_runs(study: Study, names: Sequence[str]) -> list[Run]:
    """The runs of these names; all of the study where there are none.

    Raises:
        ValueError: the study has no run of that name.
    """
    runs = {run_name(run): run for run in matrix.runs(study)}
    for name in names:
        if name not in runs:
            hint = suggestion(name, runs) or f"the first of {len(runs)} is '{next(iter(runs))}'"
            raise ValueError(f"no run {shown(name)} in this study; {hint.strip()}")
    return [runs[name] for name in dict.fromkeys(names or runs)]


def tracked_runs(study: Study, runs: Iterable[Run]) -> Iterator[TrackedRun | Skipped]:
    """These runs, each read when its turn comes: the steps of all of them may not fit into memory."""
    data = prepared_data(study)
    for run in runs:
        loaded = load_run(run, study, data)
        if loaded.record is None or loaded.history is None:
            yield Skipped(run_name(run), f"{loaded.status}: {loaded.problem}".removesuffix(": "))
        else:
            yield _tracked(run, loaded.record, loaded.history, loaded.trace)


def _tracked(run: Run, record: RunRecord, history: pd.DataFrame, trace: pd.DataFrame | None) -> TrackedRun:
    seconds = record.cost.train_seconds
    steps = [] if trace is None else _points("step", trace, seconds)
    settings = {"variant": run.variant, "seed": run.seed, "status": record.status} | flat(record.spec)
    return TrackedRun(
        run=run,
        settings={name: _simple(value) for name, value in settings.items()},
        points=list(chain(_points("epoch", history, seconds), steps)),
        end=Point("epoch", record.epochs, seconds, _figures(record)),
    )


def _simple(value: Any) -> bool | float | str:
    """A setting that is a list or null as JSON, since not every tracker takes it otherwise."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _points(axis: str, table: pd.DataFrame, seconds: float) -> Iterator[Point]:
    """The rows of a table with a column of this name."""
    curves = {name: f"{axis}/{name}" for name in table.columns if name not in AXES}
    for row in table.to_dict("records"):
        values = {curve: row[name] for name, curve in curves.items()}
        yield Point(axis, row[axis], seconds * row[axis] / len(table), values)


def _figures(record: RunRecord) -> dict[str, float]:
    """The numbers of a record; accuracies of classes by their place in the order of the classes, from 0."""
    accuracies = record.test.class_accuracy if record.test else ()
    figures: dict[str, Any] = final_figures(record)
    figures |= {f"class_accuracy/{number}": accuracy for number, accuracy in enumerate(accuracies)}
    return {f"final/{name}": value for name, value in figures.items() if isinstance(value, int | float)}


def package(name: str) -> Any:
    """A package that only one tracker needs, imported when that one is asked for.

    Raises:
        ValueError: it cannot be imported.
    """
    try:
        return import_module(name)
    except ImportError as error:
        root = name.partition(".")[0]
        raise ValueError(f"{root} cannot be imported ({error}); `pip install {root}` installs it") from error
