"""The statistics of the report: one procedure for each question, fixed beforehand. No torch.

In: the values of runs, one a seed. Out: estimates, intervals and p values; NaN where too few values decide nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

NAN = float("nan")


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
    variance = (np.var(logs, ddof=1) if n > 1 else NAN) + 2 * resolution**2 / 12
    if not variance > 0:
        return Estimate(float(np.exp(logs.mean())), n=n)
    error = np.sqrt(variance / n)
    reach = stats.t.isf(level / 2, n - 1) * error
    low, high = np.exp(logs.mean() + np.array([-reach, reach]))
    p = 2 * stats.t.sf(abs(logs.mean()) / error, n - 1)
    return Estimate(float(np.exp(logs.mean())), float(low), float(high), float(p), n)
