"""The statistics of the report: one procedure for each question, fixed beforehand. No torch.

In: the values of runs, one a seed. Out: estimates, intervals and p values; NaN where too few values decide nothing.
"""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

NAN = float("nan")
# Of the number of seeds that a comparison would need.
POWER = 0.8
MAX_SEEDS = 1000


def _t_above(value: ArrayLike, freedom: ArrayLike) -> Any:
    """The probability that Student's t is above a value; `stats.t.sf`, of whose time this takes a fiftieth."""
    return special.stdtr(freedom, -np.asarray(value))


def _t_limit(p: float, freedom: ArrayLike) -> Any:
    """The value that Student's t is above with probability `p`."""
    return -special.stdtrit(freedom, p)


class Estimate(NamedTuple):
    """An estimate with the ends of its interval, the p value of no effect, and the number of values behind it."""

    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    p: float = NAN
    n: int = 0


def paired_ratio(without: ArrayLike, with_it: ArrayLike, *, level: float = 0.05, resolution: float = 0.0) -> Estimate:
    """The geometric mean of the ratios `with_it / without`, pair by pair, by Student's t on their logarithms.

    Pairs that lack a value, or have one that is not positive and finite, are left out. `resolution` is the spacing of
    the logarithms where values can only be those of a grid: each was rounded to it, which adds the variance of that
    rounding.
    """
    pairs = np.stack([np.asarray(without, dtype=float), np.asarray(with_it, dtype=float)])
    logs = np.diff(np.log(pairs[:, (np.isfinite(pairs) & (pairs > 0)).all(axis=0)]), axis=0)[0]
    n = len(logs)
    if n == 0:
        return Estimate()
    # Much the same for all seeds, so that more of them make it no smaller.
    rounding = 2 * resolution**2 / 12
    variance = (np.var(logs, ddof=1) / n if n > 1 else NAN) + rounding
    if not variance > 0:
        return Estimate(float(np.exp(logs.mean())), n=n)
    error = np.sqrt(variance)
    reach = _t_limit(level / 2, n - 1) * error
    low, high = np.exp(logs.mean() + np.array([-reach, reach]))
    p = 2 * _t_above(abs(logs.mean()) / error, n - 1)
    return Estimate(float(np.exp(logs.mean())), float(low), float(high), float(p), n)


def welch(values: ArrayLike, others: ArrayLike, *, level: float = 0.05, beyond: float = 0.0) -> Estimate:
    """The difference of two means, `values` minus `others`, with its interval, by Welch's test.

    `p` is two-sided, of the difference being `beyond`. Fewer than two values on a side, or no spread on both, leave
    interval and p unknown.
    """
    one, other = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    n = min(len(one), len(other))
    if n == 0:
        return Estimate()
    difference = one.mean() - other.mean()
    error, freedom = _standard_error(one, other)
    if not error > 0:
        return Estimate(float(difference), n=n)
    reach = _t_limit(level / 2, freedom) * error
    p = 2 * _t_above(abs(difference - beyond) / error, freedom)
    return Estimate(float(difference), float(difference - reach), float(difference + reach), float(p), n)


def p_above(values: ArrayLike, others: ArrayLike, bound: float = 0.0) -> float:
    """One-sided p of Welch's test that the mean of `values` is above that of `others` by more than `bound`."""
    one, other = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    error, freedom = _standard_error(one, other)
    if not error > 0:
        return NAN
    return float(_t_above((one.mean() - other.mean() - bound) / error, freedom))


def p_similar(values: ArrayLike, others: ArrayLike, margin: float) -> float:
    """The larger p of two one-sided Welch tests that the means differ by less than `margin` (Schuirmann 1987)."""
    return max(p_above(values, others, -margin), p_above(others, values, -margin))


def _standard_error(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Of a difference of means, with Welch's and Satterthwaite's degrees of freedom; NaN where a side has one value."""
    if min(len(one), len(other)) < 2:
        return NAN, NAN
    parts = np.array([one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)])
    variance = parts.sum()
    if not variance > 0:
        return 0.0, NAN
    return float(np.sqrt(variance)), float(variance**2 / (parts**2 / (np.array([len(one), len(other)]) - 1)).sum())


def holm(p_values: ArrayLike) -> np.ndarray:
    """P values adjusted for each other, so that all of them together err at the level (Holm 1979); NaN stays NaN, and
    counts as none."""
    p = np.asarray(p_values, dtype=float)
    adjusted, known = np.full(len(p), NAN), np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return adjusted


def mean_above(values: ArrayLike, bound: float) -> float:
    """One-sided p of Student's test that the mean is above `bound`; NaN of fewer than two values, or of equal ones."""
    runs = np.asarray(values, dtype=float)
    if len(runs) < 2 or not runs.std(ddof=1) > 0:
        return NAN
    return float(_t_above((runs.mean() - bound) / (runs.std(ddof=1) / np.sqrt(len(runs))), len(runs) - 1))


def binomial_interval(count: int, of: int, level: float = 0.05) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson 1934)."""
    low = special.betaincinv(count, of - count + 1, level / 2) if count > 0 else 0.0
    high = special.betaincinv(count + 1, of - count, 1 - level / 2) if count < of else 1.0
    return float(low), float(high)


def rank_test(values: ArrayLike, others: ArrayLike) -> float:
    """One-sided p that `values` are smaller than `others`, by the exact distribution of the rank sum (Mann and Whitney
    1947), ties and infinite values included; NaN where a side has none."""
    one, other = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    if min(len(one), len(other)) == 0:
        return NAN
    ranks = stats.rankdata(np.concatenate([one, other]))
    # Every way to choose which ranks are those of `values` is as probable as any other: sums of so many of the ranks,
    # doubled, since ties have halves.
    doubled = np.rint(2 * ranks).astype(int)
    ways = np.zeros((len(one) + 1, doubled.sum() + 1))
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    counts = ways[len(one)]
    return float(counts[: doubled[: len(one)].sum() + 1].sum() / counts.sum())


def seeds_needed(distance: ArrayLike, spread: float, level: float, *, paired: bool = False) -> float:
    """How many seeds a two-sided test by Student's t needs to find `distance` with a power of 80 %.

    By the noncentral t distribution. Of several distances all must be found: their power is at least the sum less what
    is above one. `spread` is the standard deviation of a row, of which two are compared, or if `paired` that of the
    differences. NaN where it is unknown or zero, and infinite beyond `MAX_SEEDS`.
    """
    distances = np.abs(np.atleast_1d(np.asarray(distance, dtype=float)))[:, None]
    if not (spread > 0 and np.isfinite(distances).all()):
        return NAN
    counts = np.arange(2, MAX_SEEDS + 1)
    rows = 1 if paired else 2
    freedom = rows * (counts - 1)
    found = stats.nct.sf(_t_limit(level / 2, freedom), freedom, distances / (spread * np.sqrt(rows / counts)))
    reached = found.sum(axis=0) - (len(distances) - 1) >= POWER
    return float(counts[reached.argmax()]) if reached.any() else float("inf")


def pooled(*stds: float) -> float:
    """The square root of the mean variance."""
    return float(np.sqrt(np.mean(np.square(stds))))


def p_of_single_runs(difference: float, stds: tuple[float, float], counts: tuple[int, int]) -> float:
    """Two-sided p of a difference between two single runs, given the spread that so many runs of each row have."""
    variances = np.square(stds)
    if min(counts) < 2 or not variances.sum() > 0:
        return NAN
    freedom = variances.sum() ** 2 / (variances**2 / (np.array(counts) - 1)).sum()
    return float(2 * _t_above(abs(difference) / np.sqrt(variances.sum()), freedom))


def p_of_further_run(values: ArrayLike, reached: float) -> float:
    """Two-sided p that one more run is as good as `reached`: the prediction interval mean ± t * s * sqrt(1 + 1/n)."""
    runs = np.asarray(values, dtype=float)
    if len(runs) < 2 or not runs.std(ddof=1) > 0:
        return NAN
    distance = (reached - runs.mean()) / (runs.std(ddof=1) * np.sqrt(1 + 1 / len(runs)))
    return float(min(1.0, 2 * _t_above(distance, len(runs) - 1)))


def fewest_for_ranks(level: float) -> int:
    """The fewest values on each side with which the two-sided rank test can reach a level at all."""
    return next(count for count in range(1, MAX_SEEDS) if 2 / comb(2 * count, count) <= level)
