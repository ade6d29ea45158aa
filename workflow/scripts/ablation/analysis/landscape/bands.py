"""Loss landscape of two models, without and with an ingredient (batch normalisation) -> frames. No torch.

In: a study with a landscape section, and what `runs.load_results` has of its runs. Out: the band of losses over the
learning rates, and which learning rates train. Without any finished run the frames are empty.

Losses are means over a batch, accuracies top-1 in percent, steps and epochs are counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import pandas as pd

from ablation.analysis.frames import frame, joined
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.runs import Histories, Traces
from ablation.config.study import Landscape, Study
from ablation.runs.records import FINISHED


def left_out(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a model and learning rate of its band, ascending, at which a run diverged; it leaves both bands."""
    rates, diverged = _rate_of_variants(study), set(runs["variant"][runs["status"] == "diverged"])
    models = study.landscape_models
    left = {model.label: sorted(rates[variant] for variant in diverged & set(model.band)) for model in models}
    lines = [{"model": model, "learning_rate": rate} for model, of_model in left.items() for rate in of_model]
    return frame(lines, TABLES["left_out"])


def bands(study: Study, runs: pd.DataFrame, traces: Traces) -> pd.DataFrame:
    """One line a model, seed and step: minimum and maximum of the training loss over the band's learning rates."""
    smoothing_steps = landscape_of(study).smoothing_steps
    parts = []
    for label, seed, of_band in _runs_of_bands(study, runs):
        band = _band([traces[variant, seed] for variant in of_band["variant"]], smoothing_steps)
        parts.append(band.assign(model=label, seed=seed, learning_rates=len(of_band)))
    return joined(parts, TABLES["bands"])


def _runs_of_bands(study: Study, runs: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Model, seed and runs of each band.

    A learning rate at which any run diverged is left out for both models and all seeds: bands of different learning
    rates do not compare. A seed that lacks one of the others, or has fewer than two, has no band: it would be too
    narrow.
    """
    rates, gone = _rate_of_variants(study), set(left_out(study, runs)["learning_rate"])
    for model in study.landscape_models:
        kept = [variant for variant in model.band if rates[variant] not in gone]
        for seed, of_band in runs[runs["variant"].isin(kept)].groupby("seed", sort=False):
            if len(of_band) >= 2 and (of_band["status"] == "completed").all():
                yield model.label, int(seed), of_band


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


def fluctuations(study: Study, runs: pd.DataFrame, traces: Traces) -> pd.DataFrame:
    """One line a model, learning rate of the band and seed: the standard deviation of the change of the training loss
    from one step to the next. Runs that are not completed have none."""
    rates = _rate_of_variants(study)
    completed = runs[runs["status"] == "completed"]
    lines = [
        {
            "model": model.label,
            "learning_rate": rates[run["variant"]],
            "seed": run["seed"],
            "loss_fluctuation": traces[run["variant"], run["seed"]]["loss"].astype("float64").diff().std(),
        }
        for model in study.landscape_models
        for _, run in completed[completed["variant"].isin(model.band)].iterrows()
    ]
    return frame(lines, TABLES["fluctuations"])


def bands_by_epoch(study: Study, runs: pd.DataFrame, histories: Histories) -> pd.DataFrame:
    """One line a model, seed and epoch: minimum and maximum over the learning rates of the epoch's mean training loss.

    It is what the reference's authors have published.
    """
    parts = []
    for label, seed, of_band in _runs_of_bands(study, runs):
        of_runs = [histories[variant, seed].set_index("epoch")["train_loss"] for variant in of_band["variant"]]
        losses = pd.concat(of_runs, axis=1, join="inner")
        band = pd.DataFrame({"min": losses.min(axis=1), "max": losses.max(axis=1)})
        parts.append(band.assign(width=band["max"] - band["min"], model=label, seed=seed).reset_index())
    return joined(parts, TABLES["bands_by_epoch"])


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
            "trains": trains(run, landscape),
            "epochs_to_mark": _epochs_to_mark(run, landscape, histories),
        }
        for model in study.landscape_models
        for variant in dict.fromkeys((*model.band, *model.larger))
        for _, run in runs[runs["variant"] == variant].iterrows()
    ]
    return frame(lines, TABLES["learning_rates"])


def trains(run: pd.Series, landscape: Landscape) -> Any:
    """Whether the run of this line has trained; NA where it is not finished."""
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
