"""Probes of the landscape -> frames. No torch.

In: a study with a landscape section and the `probe.json` of its probed runs below the working directory. Out: what the
probes saw, one line a probed step, and the status of each probe. Without any probe the frames are empty.

The measures are those of Santurkar, Tsipras, Ilyas and Madry, "How Does Batch Normalization Help Optimization?"
(NeurIPS 2018), sections 2.2 and 3. Steps and epochs are counted from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ablation.analysis.frames import frame
from ablation.analysis.landscape.bands import landscape_of, trains
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.runs import Histories, code_of
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.runs.records import ProbedStep, ProbeRecord, RecordError, read_probe
from ablation.runs.results import digest_of_data, other_run


class LoadedProbe(NamedTuple):
    """The status of a probe; `record` is set where it is completed."""

    status: str
    problem: str = ""
    record: ProbeRecord | None = None


Probes = Mapping[Run, LoadedProbe]
Path = Literal["gradient", "optimizer"]


def load_probes(study: Study) -> dict[Run, LoadedProbe]:
    """The probe of each run that the study probes, completed or not."""
    return {run: _load_probe(study, run) for run in matrix.probed_runs(study)}


def probe_states(study: Study, loaded: Probes, histories: Histories) -> pd.DataFrame:
    """One line a run to probe: is there a probe, is it of the same training as the run, and what did it cost?

    `status` is completed, missing, damaged (not readable) or outdated (of other settings or other data than now);
    `problem` says why. `code` tells whether its code is that of today. `same_as_run` compares the training losses, and
    is empty where the run has no history.
    `relative_cost` is the time of a probe over that of a training step.
    """
    lines = []
    for run, (status, problem, record) in loaded.items():
        line = {"variant": run.variant, "seed": run.seed, "path": run.probe, "status": status, "problem": problem}
        if record is not None:
            line["code"] = code_of(record, study.matrix.settings[run.variant], probed=True)
            line["same_as_run"] = _same_as_run(record, histories.get((run.variant, run.seed)))
            if record.seconds_per_probe is not None:
                line["relative_cost"] = record.seconds_per_probe / record.seconds_per_step
        lines.append(line)
    return frame(lines, TABLES["probe_states"])


def _load_probe(study: Study, run: Run) -> LoadedProbe:
    try:
        record = read_probe(run.probe)
    except FileNotFoundError:
        return LoadedProbe("missing")
    except RecordError as error:
        return LoadedProbe("damaged", str(error))
    if problem := other_run(record, study, digest_of_data(study)):
        return LoadedProbe("outdated", problem)
    return LoadedProbe("completed", record=record)


def _same_as_run(record: ProbeRecord, history: pd.DataFrame | None) -> Any:
    if history is None:
        return pd.NA
    # The record has nothing where a loss was infinite or NaN.
    return list(record.train_losses) == [loss if math.isfinite(loss) else None for loss in history["train_loss"]]


def probes(study: Study, runs: pd.DataFrame, loaded: Probes) -> pd.DataFrame:
    """One line a walk of a probed step: how loss and gradient change along its path.

    `path` is gradient (along the negative gradient) or optimizer (along the optimizer's own displacement). Minima and
    maxima are over the step sizes, the start not among them. `gradient_distance` is the l2 norm of the gradient there
    minus that at the start, `relative_gradient_distance` that over the norm at the start, `gradient_cosine_distance`
    one minus the smallest cosine between the two, and `smoothness` the largest distance over distance moved (effective
    beta-smoothness). `dimensionless_smoothness` is that times the length of the step over the norm of the gradient:
    along the negative gradient, times the learning rate. Values may be NaN or infinite. `trains` is that of the run,
    and empty where the run is not finished.
    """
    lines = [
        names | _walked(step, path, record.step_sizes)
        for names, record in _probed_runs(study, runs, loaded)
        for step in record.steps
        for path in step.walks
    ]
    return frame(lines, TABLES["probes"])


def shifts(study: Study, runs: pd.DataFrame, loaded: Probes) -> pd.DataFrame:
    """One line a probed step and layer: the internal covariate shift, as the change of the layer's gradient.

    `place` counts the layers from the second one, which is 2: the first has none below. `covariate_shift` is the l2
    norm of the change over that of the gradient, `covariate_shift_cosine_distance` one minus the cosine of before and
    after.
    """
    lines = [
        names
        | step.model_dump(include={"step", "epoch", "loss"})
        | {
            "layer": shift.layer,
            "place": place,
            "covariate_shift": shift.distance,
            "covariate_shift_cosine_distance": 1 - shift.cosine,
        }
        for names, record in _probed_runs(study, runs, loaded)
        for step in record.steps
        for place, shift in enumerate(step.shifts, start=2)
    ]
    return frame([{key: line.get(key) for key in TABLES["shifts"]} for line in lines], TABLES["shifts"])


def _probed_runs(study: Study, runs: pd.DataFrame, loaded: Probes) -> Iterator[tuple[dict[str, Any], ProbeRecord]]:
    """The completed probes, with what names their run."""
    landscape = landscape_of(study)
    trained = {(run["variant"], run["seed"]): trains(run, landscape) for _, run in runs.iterrows()}
    for model in study.landscape_models:
        for (pair, variant), seed in product(model.probed.items(), study.seeds):
            record = loaded[Run(variant, seed)].record
            if record is not None:
                names = {"pair": pair, "model": model.label, "variant": variant, "seed": seed}
                names["optimizer"] = study.matrix.settings[variant].optimizer.display_name
                yield names | {"trains": trained[variant, seed]}, record


def _walked(step: ProbedStep, path: Path, step_sizes: tuple[float, ...]) -> dict[str, Any]:
    walk = step.walks[path]
    losses, distances = np.array(walk.losses), np.array(walk.gradient_distances)
    # A loss may overflow and a gradient may vanish: the results are then infinite or NaN.
    with np.errstate(all="ignore"):
        smoothness = (distances / (np.array(step_sizes) * walk.length)).max()
        return {
            **step.model_dump(include={"step", "epoch", "learning_rate", "loss", "gradient_norm"}),
            "path": path,
            "min_loss": losses.min(),
            "max_loss": losses.max(),
            "loss_range": losses.max() - losses.min(),
            "min_gradient_distance": distances.min(),
            "max_gradient_distance": distances.max(),
            "relative_gradient_distance": distances.max() / step.gradient_norm,
            "gradient_cosine_distance": 1 - np.min(walk.cosines),
            "smoothness": smoothness,
            "dimensionless_smoothness": smoothness * walk.length / step.gradient_norm,
        }
