"""Loss landscape of two models, without and with an ingredient (batch normalisation) -> frames. No torch.

In: a study with a landscape section, and what `runs.load_results` has of its runs. Out: the band of losses over the
learning rates, and which learning rates train. Without any finished run the frames are empty.

Losses are means over a batch, accuracies top-1 in percent, steps and epochs are counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pandas as pd

from ablation.analysis.frames import frame, joined
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.runs import FINISHED, Histories, Traces
from ablation.config.landscape_models import LandscapeModel
from ablation.config.study import Landscape, Study


def left_out(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a model and learning rate, ascending, that is not in its band because a run diverged there."""
    rates = _rate_of_variants(study)
    models = study.landscape_models
    left = {model.label: sorted(rates[variant] for variant in _diverged(model, runs)) for model in models}
    lines = [{"model": model, "learning_rate": rate} for model, of_model in left.items() for rate in of_model]
    return frame(lines, TABLES["left_out"])


def bands(study: Study, runs: pd.DataFrame, traces: Traces) -> pd.DataFrame:
    """One line a model, seed and step: minimum and maximum of the training loss over the band's learning rates.

    A learning rate at which any seed diverged is left out in all of them: bands of different learning rates do not
    compare. A seed that lacks one of the others, or has fewer than two, has no band: it would be too narrow.
    """
    landscape = landscape_of(study)
    parts = []
    for model in study.landscape_models:
        of_band = runs[runs["variant"].isin(set(model.band) - _diverged(model, runs))]
        for seed, kept in of_band.groupby("seed", sort=False):
            if len(kept) >= 2 and (kept["status"] == "completed").all():
                band = _band([traces[variant, seed] for variant in kept["variant"]], landscape.smoothing_steps)
                parts.append(band.assign(model=model.label, seed=seed, learning_rates=len(kept)))
    return joined(parts, TABLES["bands"])


def _diverged(model: LandscapeModel, runs: pd.DataFrame) -> set[str]:
    """Variants of the band of which any seed diverged."""
    return set(model.band) & set(runs["variant"][runs["status"] == "diverged"])


def _band(traces: Iterable[pd.DataFrame], smoothing_steps: int) -> pd.DataFrame:
    """The band of the runs with these steps, at those that all of them have."""
    of_runs = [trace.set_index(["step", "epoch"])["loss"] for trace in traces]
    losses = pd.concat(of_runs, axis=1, join="inner", keys=range(len(of_runs)))
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


def learning_rates(study: Study, runs: pd.DataFrame, histories: Histories) -> pd.DataFrame:
    """One line a model, learning rate and seed: does it train, and in which epoch does it reach the accuracy mark?

    `in_band` says whether the study lists it for the band, also where a diverged run leaves it out. `trains` is empty
    of a run that is not finished; `epochs_to_mark` also where the mark is never reached.
    """
    landscape, rates = landscape_of(study), _rate_of_variants(study)
    lines = [
        {
            "model": model.label,
            "learning_rate": rates[variant],
            "in_band": variant in model.band,
            **run[["variant", "seed", "status", "last_accuracy"]],
            "trains": _trains(run, landscape),
            "epochs_to_mark": _epochs_to_mark(run, landscape, histories),
        }
        for model in study.landscape_models
        for variant in dict.fromkeys((*model.band, *model.larger))
        for _, run in runs[runs["variant"] == variant].iterrows()
    ]
    return frame(lines, TABLES["learning_rates"])


def _trains(run: pd.Series, landscape: Landscape) -> Any:
    if run["status"] not in FINISHED:
        return pd.NA
    return run["status"] == "completed" and bool(run["last_accuracy"] >= landscape.trained_accuracy)


def _epochs_to_mark(run: pd.Series, landscape: Landscape, histories: Histories) -> Any:
    if run["status"] not in FINISHED:
        return pd.NA
    history = histories[run["variant"], run["seed"]]
    reached = history["epoch"][history["held_out_accuracy"] >= landscape.accuracy_mark]
    return pd.NA if reached.empty else reached.iloc[0]


def accuracies(study: Study, runs: pd.DataFrame, histories: Histories) -> pd.DataFrame:
    """The held-out accuracy by epoch of every completed run of the bands."""
    rates = _rate_of_variants(study)
    completed = set(runs.loc[runs["status"] == "completed", ["variant", "seed"]].itertuples(index=False, name=None))
    parts = []
    for model in study.landscape_models:
        for variant, seed in product(model.band, study.seeds):
            if (variant, seed) in completed:
                history = histories[variant, seed][["epoch", "held_out_accuracy"]]
                parts.append(history.assign(model=model.label, learning_rate=rates[variant], seed=seed))
    return joined(parts, TABLES["accuracies"])


def landscape_of(study: Study) -> Landscape:
    """The landscape section, which the study must have."""
    assert study.landscape is not None, "the study has no landscape section"
    return study.landscape


def _rate_of_variants(study: Study) -> dict[str, float]:
    return {variant: settings.optimizer.learning_rate for variant, settings in study.matrix.settings.items()}
