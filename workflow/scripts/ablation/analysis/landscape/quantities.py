"""The quantities of the landscape, by seed and over the seeds -> frames. No torch.

In: a study with a landscape section, and the tables of its learning rates, bands and probes, by name. Out: each
quantity without the ingredient, with it, and the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from ablation.analysis.landscape.bands import landscape_of
from ablation.analysis.statistics import paired_ratio
from ablation.config.study import Quantity, Study

UNITS: dict[Quantity, str] = {
    "epochs_to_mark": "epochs",
    "band_width": "loss",
    "smoothed_band_width": "loss",
    "epoch_band_width": "loss",
    "loss_range": "loss",
    "gradient_distance": "gradient",
    "relative_gradient_distance": "1",
    "gradient_cosine_distance": "1",
    "smoothness": "gradient per distance",
    "dimensionless_smoothness": "1",
    "covariate_shift": "1",
    "covariate_shift_cosine_distance": "1",
    "loss_fluctuation": "loss",
    "largest_learning_rate": "learning rate",
}
# The table and its column whose mean a quantity is, and the column of the probes.
MEANS: dict[Quantity, tuple[str, str]] = {
    "band_width": ("bands", "width"),
    "smoothed_band_width": ("bands", "smoothed_width"),
    "epoch_band_width": ("bands_by_epoch", "width"),
    "loss_fluctuation": ("fluctuations", "loss_fluctuation"),
}
COLUMN_OF_PROBES: dict[Quantity, str] = {
    "loss_range": "loss_range",
    "gradient_distance": "max_gradient_distance",
    "relative_gradient_distance": "relative_gradient_distance",
    "gradient_cosine_distance": "gradient_cosine_distance",
    "smoothness": "smoothness",
    "dimensionless_smoothness": "dimensionless_smoothness",
}
SHIFTS: tuple[Quantity, ...] = ("covariate_shift", "covariate_shift_cosine_distance")
PATHS = ("gradient", "optimizer")
# Losses match that are within a bin, whose upper end is this multiple of its lower one.
LOSS_BIN = 1.1


class Measurement(NamedTuple):
    """A quantity of one model and seed. `matched`: at losses that both models reach. `at_limit`: the true value may be
    beyond what was tried."""

    quantity: Quantity
    model: str
    seed: int
    value: float
    pair: str = ""
    path: str = ""
    matched: bool = False
    at_limit: bool = False


def by_seed(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One line a quantity, pair of probed variants, path and seed: without the ingredient, with it, and the ratio.

    `pair` is empty where no probes are behind it, and `path` where no walk is. What walks measure has a line for all
    steps and one, `matched`, at losses that both models reach. `at_limit_...`: no learning rate of the band reached the
    mark, or the largest one that was tried still trains.
    """
    measurements = pd.DataFrame(_measurements(tables), columns=list(Measurement._fields))
    index = pd.MultiIndex.from_tuples(_keys(study), names=["quantity", "pair", "path", "matched", "seed"])
    without, with_it = (
        measurements[measurements["model"] == model.label].set_index(list(index.names)).reindex(index)
        for model in study.landscape_models
    )
    table = pd.DataFrame({"without": without["value"], "with": with_it["value"]}, dtype="float64")
    table["ratio"] = table["with"] / table["without"]
    table["at_limit_without"] = without["at_limit"].eq(True)
    table["at_limit_with"] = with_it["at_limit"].eq(True)
    return table.reset_index()


def _keys(study: Study) -> list[tuple[Quantity, str, str, bool, int]]:
    """Quantity, pair, path, whether matched, and seed of every line, in the order of the report; a quantity without
    pairs has its lines too."""
    pairs = list(landscape_of(study).probed or [""])
    of_walks, of_shifts = list(product(pairs, PATHS, (False, True))), [(pair, "", False) for pair in pairs]
    lines = dict.fromkeys(COLUMN_OF_PROBES, of_walks) | dict.fromkeys(SHIFTS, of_shifts)
    return [
        (quantity, *line, seed)
        for quantity in get_args(Quantity)
        for line in lines.get(quantity, [("", "", False)])
        for seed in study.seeds
    ]


def _measurements(tables: Mapping[str, pd.DataFrame]) -> Iterator[Measurement]:
    rates = tables["learning_rates"]
    yield from _first_epochs(rates[rates["in_band"]])
    for quantity, (table, column) in MEANS.items():
        yield from _means(quantity, tables[table], column)
    yield from _probe_medians(tables["probes"])
    yield from _mean_shifts(tables["shifts"])
    yield from _largest_rates(rates)


def _first_epochs(rates: pd.DataFrame) -> Iterator[Measurement]:
    """The fewest epochs to the mark over the learning rates; unknown while one of the runs is not finished."""
    for (model, seed), group in rates.groupby(["model", "seed"], sort=False):
        if group["trains"].notna().all():
            fewest = group["epochs_to_mark"].astype("float64").min()
            yield Measurement("epochs_to_mark", model, seed, fewest, at_limit=math.isnan(fewest))


def _means(quantity: Quantity, table: pd.DataFrame, column: str) -> Iterator[Measurement]:
    """Means over all steps, epochs, or learning rates."""
    for (model, seed), mean in table.groupby(["model", "seed"], sort=False)[column].mean().items():
        yield Measurement(quantity, model, seed, mean)


def _probe_medians(probes: pd.DataFrame) -> Iterator[Measurement]:
    """Medians over the probed steps of the runs that train.

    Medians, since at single steps the loss explodes. A run that stays where it began has small gradients, which is not
    a smooth landscape.
    """
    columns = list(COLUMN_OF_PROBES.values())
    # A step whose path overflowed is larger than any other; skipped, it would make the landscape look smooth.
    trained = probes[probes["trains"].fillna(False)].fillna(dict.fromkeys(columns, np.inf))
    of_all = trained.groupby(["pair", "path", "model", "seed"], sort=False)[columns].median()
    for matched, medians in ((False, of_all), (True, _medians_at_matched_loss(trained, columns))):
        for (pair, path, model, seed), values in medians.iterrows():
            for quantity, column in COLUMN_OF_PROBES.items():
                yield Measurement(quantity, model, seed, values[column], pair, path, matched)


def _medians_at_matched_loss(probes: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Probes in bins of the loss where they start: medians in each bin, and of these over the bins of both models."""
    probes = probes[probes["loss"].between(0, np.inf, inclusive="neither")]
    bins = np.floor(np.log(probes["loss"]) / np.log(LOSS_BIN)).rename("bin")
    medians = probes.groupby(["pair", "path", "seed", bins, "model"], sort=False)[columns].median()
    of_both = medians.groupby(["pair", "path", "seed", "bin"])[columns[0]].transform("size") == 2
    return medians[of_both].groupby(["pair", "path", "model", "seed"], sort=False).median()


def _mean_shifts(shifts: pd.DataFrame) -> Iterator[Measurement]:
    """Means over the layers of the medians over the probed steps of the runs that train."""
    trained = shifts[shifts["trains"].fillna(False)].fillna(dict.fromkeys(SHIFTS, np.inf))
    of_layers = trained.groupby(["pair", "model", "seed", "layer"], sort=False)[list(SHIFTS)].median()
    for (pair, model, seed), values in of_layers.groupby(["pair", "model", "seed"], sort=False).mean().iterrows():
        for quantity in SHIFTS:
            yield Measurement(quantity, model, seed, values[quantity], pair)


def _largest_rates(rates: pd.DataFrame) -> Iterator[Measurement]:
    """The largest learning rate that trains; unknown while a larger one is not finished."""
    for (model, seed), group in rates.groupby(["model", "seed"], sort=False):
        descending = group.sort_values("learning_rate", ascending=False)
        candidates = descending[descending["trains"].fillna(True)]
        if not candidates.empty and pd.notna(candidates["trains"].iloc[0]):
            largest = candidates["learning_rate"].iloc[0]
            at_limit = largest == group["learning_rate"].max()
            yield Measurement("largest_learning_rate", model, seed, largest, at_limit=at_limit)


def quantities(study: Study, by_seed: pd.DataFrame) -> pd.DataFrame:
    """One line a quantity, pair and path, matched or not: mean, sample standard deviation, median and number of the
    seeds' values, and the geometric mean of their ratios with its 95 % interval.

    The two runs of a seed share initial weights and data order, so their ratios are taken seed by seed.
    """
    reported = landscape_of(study).reported
    lines = []
    for (quantity, pair, path, matched), seeds in by_seed.groupby(["quantity", "pair", "path", "matched"], sort=False):
        line = {"quantity": quantity, "pair": pair, "path": path, "matched": matched, "unit": UNITS[quantity]}
        for name in ("without", "with"):
            line |= _summary(name, seeds[name].dropna())
        ratio = paired_ratio(seeds["without"], seeds["with"])
        line |= {"ratio": ratio.estimate, "ratio_low": ratio.low, "ratio_high": ratio.high, "ratio_n": ratio.n}
        line |= {name: bool(seeds[name].any()) for name in ("at_limit_without", "at_limit_with")}
        told = not matched and path != "optimizer" and not study.not_comparable
        lines.append(line | {"reported": reported.get(quantity, "") if told else ""})
    return pd.DataFrame(lines)


def _summary(name: str, values: pd.Series) -> dict[str, float]:
    # Infinite values have an infinite mean and no standard deviation.
    with np.errstate(invalid="ignore"):
        return {
            f"{name}_mean": values.mean(),
            f"{name}_std": values.std(ddof=1),
            f"{name}_median": values.median(),
            f"{name}_n": len(values),
        }
