"""The numbers behind the claims on the landscape, by seed and over the seeds -> frames. No torch.

In: a study with a landscape section, and the tables of its learning rates, bands and probes. Out: each quantity without
the ingredient, with it, and the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from ablation.analysis.landscape.bands import landscape_of
from ablation.config.study import Quantity, Study

UNITS: dict[Quantity, str] = {
    "epochs_to_mark": "epochs",
    "band_width": "loss",
    "smoothed_band_width": "loss",
    "loss_range": "loss",
    "gradient_distance": "gradient",
    "relative_gradient_distance": "1",
    "smoothness": "gradient per distance",
    "largest_learning_rate": "learning rate",
}
# The column of the bands, or of the probes, that a quantity averages.
COLUMN_OF_BANDS: dict[Quantity, str] = {"band_width": "width", "smoothed_band_width": "smoothed_width"}
COLUMN_OF_PROBES: dict[Quantity, str] = {
    "loss_range": "loss_range",
    "gradient_distance": "max_gradient_distance",
    "relative_gradient_distance": "relative_gradient_distance",
    "smoothness": "smoothness",
}


class Measurement(NamedTuple):
    """A quantity of one model and seed. `at_limit`: the true value may be beyond what was tried."""

    quantity: Quantity
    pair: str
    model: str
    seed: int
    value: float
    at_limit: bool = False


def by_seed(study: Study, rates: pd.DataFrame, bands: pd.DataFrame, probes: pd.DataFrame) -> pd.DataFrame:
    """One line a quantity, pair of probed variants and seed: the value without the ingredient, with it, and the ratio.

    `pair` is empty where no probes are behind it. `at_limit_...`: no learning rate of the band reached the mark, or
    the largest one that was tried still trains.
    """
    measurements = pd.DataFrame(_measurements(rates, bands, probes), columns=list(Measurement._fields))
    index = pd.MultiIndex.from_tuples(_keys(study), names=["quantity", "pair", "seed"])
    without, with_it = (
        measurements[measurements["model"] == model.label].set_index(list(index.names)).reindex(index)
        for model in study.landscape_models
    )
    table = pd.DataFrame({"without": without["value"], "with": with_it["value"]}, dtype="float64")
    table["ratio"] = table["with"] / table["without"]
    table["at_limit_without"] = without["at_limit"].eq(True)
    table["at_limit_with"] = with_it["at_limit"].eq(True)
    return table.reset_index()


def _keys(study: Study) -> list[tuple[Quantity, str, int]]:
    """Quantity, pair and seed of every line, in the order of the report; a quantity without pairs has its lines too."""
    pairs = list(landscape_of(study).probed) or [""]
    return [
        (quantity, pair, seed)
        for quantity in get_args(Quantity)
        for pair in (pairs if quantity in COLUMN_OF_PROBES else [""])
        for seed in study.seeds
    ]


def _measurements(rates: pd.DataFrame, bands: pd.DataFrame, probes: pd.DataFrame) -> Iterator[Measurement]:
    yield from _first_epochs(rates[rates["in_band"]])
    yield from _widths(bands)
    yield from _probe_medians(probes)
    yield from _largest_rates(rates)


def _first_epochs(rates: pd.DataFrame) -> Iterator[Measurement]:
    """The fewest epochs to the mark over the learning rates; unknown while one of the runs is not finished."""
    for (model, seed), group in rates.groupby(["model", "seed"], sort=False):
        if group["trains"].notna().all():
            fewest = group["epochs_to_mark"].astype("float64").min()
            yield Measurement("epochs_to_mark", "", model, seed, fewest, at_limit=math.isnan(fewest))


def _widths(bands: pd.DataFrame) -> Iterator[Measurement]:
    """Mean widths over all steps."""
    means = bands.groupby(["model", "seed"], sort=False)[list(COLUMN_OF_BANDS.values())].mean()
    for (model, seed), widths in means.iterrows():
        for quantity, column in COLUMN_OF_BANDS.items():
            yield Measurement(quantity, "", model, seed, widths[column])


def _probe_medians(probes: pd.DataFrame) -> Iterator[Measurement]:
    """Medians over the probed steps, since at single ones the loss explodes."""
    columns = list(COLUMN_OF_PROBES.values())
    # A step whose path overflowed is larger than any other; skipped, it would make the landscape look smooth.
    filled = probes.fillna(dict.fromkeys(columns, np.inf))
    medians = filled.groupby(["pair", "model", "seed"], sort=False)[columns].median()
    for (pair, model, seed), values in medians.iterrows():
        for quantity, column in COLUMN_OF_PROBES.items():
            yield Measurement(quantity, pair, model, seed, values[column])


def _largest_rates(rates: pd.DataFrame) -> Iterator[Measurement]:
    """The largest learning rate that trains; unknown while a larger one is not finished."""
    for (model, seed), group in rates.groupby(["model", "seed"], sort=False):
        descending = group.sort_values("learning_rate", ascending=False)
        candidates = descending[descending["trains"].fillna(True)]
        if not candidates.empty and pd.notna(candidates["trains"].iloc[0]):
            largest = candidates["learning_rate"].iloc[0]
            at_limit = largest == group["learning_rate"].max()
            yield Measurement("largest_learning_rate", "", model, seed, largest, at_limit)


def claims(study: Study, by_seed: pd.DataFrame) -> pd.DataFrame:
    """One line a quantity and pair: mean, sample standard deviation and number of the seeds' values and ratios."""
    reported = landscape_of(study).reported
    lines = []
    for (quantity, pair), seeds in by_seed.groupby(["quantity", "pair"], sort=False):
        line = {"quantity": quantity, "pair": pair, "unit": UNITS[quantity]}
        for name in ("without", "with", "ratio"):
            line |= _summary(name, seeds[name].dropna())
        line |= {name: bool(seeds[name].any()) for name in ("at_limit_without", "at_limit_with")}
        lines.append(line | {"reported": reported.get(quantity, "")})
    return pd.DataFrame(lines)


def _summary(name: str, values: pd.Series) -> dict[str, float]:
    # Infinite values have an infinite mean and no standard deviation.
    with np.errstate(invalid="ignore"):
        return {f"{name}_mean": values.mean(), f"{name}_std": values.std(ddof=1), f"{name}_n": len(values)}
