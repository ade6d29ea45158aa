"""The numbers behind the claims on the landscape, by seed and over the seeds -> frames. No torch.

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
from ablation.config.study import Quantity, Study

UNITS: dict[Quantity, str] = {
    "epochs_to_mark": "epochs",
    "band_width": "loss",
    "smoothed_band_width": "loss",
    "epoch_band_width": "loss",
    "loss_range": "loss",
    "gradient_distance": "gradient",
    "relative_gradient_distance": "1",
    "smoothness": "gradient per distance",
    "largest_learning_rate": "learning rate",
}
# The table of bands that a quantity averages, with the column, and the column of the probes.
WIDTHS: dict[Quantity, tuple[str, str]] = {
    "band_width": ("bands", "width"),
    "smoothed_band_width": ("bands", "smoothed_width"),
    "epoch_band_width": ("bands_by_epoch", "width"),
}
COLUMN_OF_PROBES: dict[Quantity, str] = {
    "loss_range": "loss_range",
    "gradient_distance": "max_gradient_distance",
    "relative_gradient_distance": "relative_gradient_distance",
    "smoothness": "smoothness",
}
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
    matched: bool = False
    at_limit: bool = False


def by_seed(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One line a quantity, pair of probed variants and seed: the value without the ingredient, with it, and the ratio.

    `pair` is empty where no probes are behind it; what they measure has a line for all steps and one, `matched`, at
    losses that both models reach. `at_limit_...`: no learning rate of the band reached the mark, or the largest one
    that was tried still trains.
    """
    measurements = pd.DataFrame(_measurements(tables), columns=list(Measurement._fields))
    index = pd.MultiIndex.from_tuples(_keys(study), names=["quantity", "pair", "matched", "seed"])
    without, with_it = (
        measurements[measurements["model"] == model.label].set_index(list(index.names)).reindex(index)
        for model in study.landscape_models
    )
    table = pd.DataFrame({"without": without["value"], "with": with_it["value"]}, dtype="float64")
    table["ratio"] = table["with"] / table["without"]
    table["at_limit_without"] = without["at_limit"].eq(True)
    table["at_limit_with"] = with_it["at_limit"].eq(True)
    return table.reset_index()


def _keys(study: Study) -> list[tuple[Quantity, str, bool, int]]:
    """Quantity, pair, whether matched, and seed of every line, in the order of the report; a quantity without pairs has
    its lines too."""
    of_probes = list(product(landscape_of(study).probed or [""], (False, True)))
    return [
        (quantity, pair, matched, seed)
        for quantity in get_args(Quantity)
        for pair, matched in (of_probes if quantity in COLUMN_OF_PROBES else [("", False)])
        for seed in study.seeds
    ]


def _measurements(tables: Mapping[str, pd.DataFrame]) -> Iterator[Measurement]:
    rates = tables["learning_rates"]
    yield from _first_epochs(rates[rates["in_band"]])
    for quantity, (table, column) in WIDTHS.items():
        yield from _mean_widths(quantity, tables[table], column)
    yield from _probe_medians(tables["probes"])
    yield from _largest_rates(rates)


def _first_epochs(rates: pd.DataFrame) -> Iterator[Measurement]:
    """The fewest epochs to the mark over the learning rates; unknown while one of the runs is not finished."""
    for (model, seed), group in rates.groupby(["model", "seed"], sort=False):
        if group["trains"].notna().all():
            fewest = group["epochs_to_mark"].astype("float64").min()
            yield Measurement("epochs_to_mark", model, seed, fewest, at_limit=math.isnan(fewest))


def _mean_widths(quantity: Quantity, bands: pd.DataFrame, column: str) -> Iterator[Measurement]:
    """Mean widths over all steps, or epochs."""
    for (model, seed), width in bands.groupby(["model", "seed"], sort=False)[column].mean().items():
        yield Measurement(quantity, model, seed, width)


def _probe_medians(probes: pd.DataFrame) -> Iterator[Measurement]:
    """Medians over the probed steps of the runs that train.

    Medians, since at single steps the loss explodes. A run that stays where it began has small gradients, which is not
    a smooth landscape.
    """
    columns = list(COLUMN_OF_PROBES.values())
    # A step whose path overflowed is larger than any other; skipped, it would make the landscape look smooth.
    trained = probes[probes["trains"].fillna(False)].fillna(dict.fromkeys(columns, np.inf))
    of_all = trained.groupby(["pair", "model", "seed"], sort=False)[columns].median()
    for matched, medians in ((False, of_all), (True, _medians_at_matched_loss(trained, columns))):
        for (pair, model, seed), values in medians.iterrows():
            for quantity, column in COLUMN_OF_PROBES.items():
                yield Measurement(quantity, model, seed, values[column], pair, matched)


def _medians_at_matched_loss(probes: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Probes in bins of the loss where they start: medians in each bin, and of these over the bins of both models."""
    probes = probes[probes["loss"].between(0, np.inf, inclusive="neither")]
    bins = np.floor(np.log(probes["loss"]) / np.log(LOSS_BIN)).rename("bin")
    medians = probes.groupby(["pair", "seed", bins, "model"], sort=False)[columns].median()
    of_both = medians.groupby(["pair", "seed", "bin"])[columns[0]].transform("size") == 2
    return medians[of_both].groupby(["pair", "model", "seed"], sort=False).median()


def _largest_rates(rates: pd.DataFrame) -> Iterator[Measurement]:
    """The largest learning rate that trains; unknown while a larger one is not finished."""
    for (model, seed), group in rates.groupby(["model", "seed"], sort=False):
        descending = group.sort_values("learning_rate", ascending=False)
        candidates = descending[descending["trains"].fillna(True)]
        if not candidates.empty and pd.notna(candidates["trains"].iloc[0]):
            largest = candidates["learning_rate"].iloc[0]
            at_limit = largest == group["learning_rate"].max()
            yield Measurement("largest_learning_rate", model, seed, largest, at_limit=at_limit)


def claims(study: Study, by_seed: pd.DataFrame) -> pd.DataFrame:
    """One line a quantity and pair, matched or not: mean, sample standard deviation and number of the seeds' values and
    ratios."""
    reported = landscape_of(study).reported
    lines = []
    for (quantity, pair, matched), seeds in by_seed.groupby(["quantity", "pair", "matched"], sort=False):
        line = {"quantity": quantity, "pair": pair, "matched": matched, "unit": UNITS[quantity]}
        for name in ("without", "with", "ratio"):
            line |= _summary(name, seeds[name].dropna())
        line |= {name: bool(seeds[name].any()) for name in ("at_limit_without", "at_limit_with")}
        lines.append(line | {"reported": "" if matched else reported.get(quantity, "")})
    return pd.DataFrame(lines)


def _summary(name: str, values: pd.Series) -> dict[str, float]:
    # Infinite values have an infinite mean and no standard deviation.
    with np.errstate(invalid="ignore"):
        return {f"{name}_mean": values.mean(), f"{name}_std": values.std(ddof=1), f"{name}_n": len(values)}
