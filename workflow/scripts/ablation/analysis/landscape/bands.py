"""Loss landscape of two models, without and with an ingredient (batch normalisation) -> frames. No torch.

In: a study with a landscape section, the frame of `runs.load_runs`, and the files of the runs (`steps.npz`,
`history.csv`, `probe.json`) below the working directory. Out: the band of losses over the learning rates, what the
probes along the negative gradient saw, which learning rates train, and the figures behind the claims. Without any
finished run the frames are empty. Fails with `RecordError` where a finished run has lost its history or its steps.

Losses are means over a batch, accuracies top-1 in percent, steps and epochs are counted from 1. The probes' measures
are those of Santurkar, Tsipras, Ilyas and Madry, "How Does Batch Normalization Help Optimization?" (NeurIPS 2018),
section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.analysis.runs import FINISHED, load_history
from ablation.config.landscape_models import LandscapeModel
from ablation.config.matrix import Run
from ablation.config.study import Landscape, Study
from ablation.runs.step_trace import read_steps

BAND_KINDS = {
    "model": "object",
    "seed": "int64",
    "step": "int64",
    "epoch": "int64",
    "learning_rates": "int64",
    "min": "float64",
    "max": "float64",
    "width": "float64",
    "smoothed_min": "float64",
    "smoothed_max": "float64",
    "smoothed_width": "float64",
}
LEFT_OUT_KINDS = {"model": "object", "learning_rate": "float64"}
RATE_KINDS = {
    "model": "object",
    "variant": "object",
    "learning_rate": "float64",
    "in_band": "bool",
    "seed": "int64",
    "status": "object",
    "last_accuracy": "float64",
    "trains": "boolean",
    "epochs_to_mark": "Int64",
}
ACCURACY_KINDS = {
    "model": "object",
    "learning_rate": "float64",
    "seed": "int64",
    "epoch": "int64",
    "heldout_accuracy": "float64",
}


def left_out(study: Study, runs: pd.DataFrame) -> dict[str, list[float]]:
    """By model, the learning rates that are not in its band because a run diverged there, ascending."""
    rates = _rate_of_variants(study)
    models = study.landscape_models
    return {model.label: sorted(rates[variant] for variant in _diverged(model, runs)) for model in models}


def left_out_frame(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """The same, one line a model and learning rate."""
    lines = [
        {"model": model, "learning_rate": rate} for model, rates in left_out(study, runs).items() for rate in rates
    ]
    return frame(lines, LEFT_OUT_KINDS)


def bands(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a model, seed and step: minimum and maximum of the training loss over the band's learning rates.

    A learning rate at which any seed diverged is left out in all of them: bands of different learning rates do not
    compare. A seed that lacks one of the others, or has fewer than two, has no band: it would be too narrow.

    Raises:
        RecordError: a completed run of a band has lost its steps.
    """
    landscape = landscape_of(study)
    parts = []
    for model in study.landscape_models:
        of_band = runs[runs["variant"].isin(set(model.band) - _diverged(model, runs))]
        for seed, kept in of_band.groupby("seed", sort=False):
            if len(kept) >= 2 and (kept["status"] == "completed").all():
                band = _band(kept["directory"], landscape.smoothing_steps)
                parts.append(band.assign(model=model.label, seed=seed, learning_rates=len(kept)))
    return _joined(parts, BAND_KINDS)


def _diverged(model: LandscapeModel, runs: pd.DataFrame) -> set[str]:
    """Variants of the band of which any seed diverged."""
    return set(model.band) & set(runs["variant"][runs["status"] == "diverged"])


def _band(directories: Iterable[str], smoothing_steps: int) -> pd.DataFrame:
    """The band of the runs in these directories, at the steps that all of them have."""
    traces = [read_steps(Path(directory, "steps.npz")).set_index(["step", "epoch"]) for directory in directories]
    losses = pd.concat([trace["loss"] for trace in traces], axis=1, join="inner", keys=range(len(traces)))
    # float32 on disk: the running mean and the widths are taken in double precision.
    losses = losses.astype("float64")
    smoothed = losses.rolling(smoothing_steps, center=True, min_periods=1).mean()
    band = pd.DataFrame({"min": losses.min(axis=1), "max": losses.max(axis=1)})
    band["smoothed_min"], band["smoothed_max"] = smoothed.min(axis=1), smoothed.max(axis=1)
    band["width"] = band["max"] - band["min"]
    band["smoothed_width"] = band["smoothed_max"] - band["smoothed_min"]
    return band.reset_index()


def bands_by_epoch(bands: pd.DataFrame) -> pd.DataFrame:
    """One line a model, seed and epoch: the mean widths over its steps."""
    widths = bands.groupby(["model", "seed", "epoch"], sort=False)[["width", "smoothed_width"]]
    return widths.mean().reset_index()


def learning_rates(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a model, learning rate and seed: does it train, and in which epoch does it reach the accuracy mark?

    `in_band` says whether the study lists it for the band, also where a diverged run leaves it out. `trains` is empty
    of a run that is not finished; `epochs_to_mark` also where the mark is never reached.

    Raises:
        RecordError: a finished run has lost its history.
    """
    landscape, rates = landscape_of(study), _rate_of_variants(study)
    lines = [
        {
            "model": model.label,
            "learning_rate": rates[variant],
            "in_band": variant in model.band,
            **run[["variant", "seed", "status", "last_accuracy"]],
            "trains": _trains(run, landscape),
            "epochs_to_mark": _epochs_to_mark(run, landscape),
        }
        for model in study.landscape_models
        for variant in dict.fromkeys((*model.band, *model.larger))
        for _, run in runs[runs["variant"] == variant].iterrows()
    ]
    return frame(lines, RATE_KINDS)


def _trains(run: pd.Series, landscape: Landscape) -> Any:
    if run["status"] not in FINISHED:
        return pd.NA
    return run["status"] == "completed" and bool(run["last_accuracy"] >= landscape.trained_accuracy)


def _epochs_to_mark(run: pd.Series, landscape: Landscape) -> Any:
    if run["status"] not in FINISHED:
        return pd.NA
    history = load_history(Run(run["variant"], run["seed"]))
    reached = history["epoch"][history["heldout_accuracy"] >= landscape.accuracy_mark]
    return pd.NA if reached.empty else reached.iloc[0]


def accuracies(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """The held-out accuracy by epoch of every completed run of the bands.

    Raises:
        RecordError: a completed run has lost its history.
    """
    rates, completed = _rate_of_variants(study), runs[runs["status"] == "completed"]
    parts = []
    for model in study.landscape_models:
        for variant, seed in product(model.band, study.seeds):
            if ((completed["variant"] == variant) & (completed["seed"] == seed)).any():
                history = load_history(Run(variant, seed))[["epoch", "heldout_accuracy"]]
                parts.append(history.assign(model=model.label, learning_rate=rates[variant], seed=seed))
    return _joined(parts, ACCURACY_KINDS)


def landscape_of(study: Study) -> Landscape:
    """The landscape section, which the study must have."""
    assert study.landscape is not None, "the study has no landscape section"
    return study.landscape


def _rate_of_variants(study: Study) -> dict[str, float]:
    return {variant: settings.optimizer.learning_rate for variant, settings in study.matrix.settings.items()}


def frame(lines: list[dict[str, Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Lines with the columns and types `kinds`, also where there is no line."""
    return pd.DataFrame(lines, columns=list(kinds)).astype(dict(kinds))


def _joined(parts: list[pd.DataFrame], kinds: Mapping[str, str]) -> pd.DataFrame:
    """The parts below each other; of no parts, an empty frame with the same columns."""
    return pd.concat([frame([], kinds), *parts], ignore_index=True)[list(kinds)].astype(dict(kinds))
