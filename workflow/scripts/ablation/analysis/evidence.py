"""The numbers behind each claim, before the claims of a section are judged together. No torch.

In: a claim, the study's runs (`runs.csv`) and the landscape's tables. Out: an `Evidence`; what cannot be decided at all
says so there. `docs/statistics.md` explains the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.statistics import (
    NAN,
    binomial_interval,
    fewest_for_ranks,
    mean_above,
    p_above,
    p_of_further_run,
    p_of_single_runs,
    p_similar,
    paired_ratio,
    pooled,
    rank_test,
    seeds_needed,
    welch,
)
from ablation.analysis.tables import accuracies
from ablation.config.claims import Claim, Fact, FewerEpochs, Greater, Ratio, Reaches, Similar, Steadier
from ablation.config.study import Row, Study

SUPPORTED, CONTRADICTED, EQUIVALENT, UNDECIDED = "supported", "contradicted", "equivalent", "undecided"
POINTS = "points"


@dataclass(frozen=True)
class Evidence:
    """What the numbers say of one claim, before it is judged with the others of its section.

    `supports`, `contradicts` and `equivalent` are p values: how probable such numbers are where the claim does not
    hold, where its opposite does not, and where the difference is as large as the margin. `undecided` is why the
    numbers cannot decide. `ranking` has the verdicts in the order in which they are tried, and `needs` tells
    how many seeds would decide an undecided claim.
    """

    compares: str
    unit: str = POINTS
    reported: str = ""
    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    margin: float = NAN
    n: str = ""
    supports: float = NAN
    contradicts: float = NAN
    equivalent: float = NAN
    ranking: tuple[str, ...] = (SUPPORTED, CONTRADICTED, EQUIVALENT)
    undecided: str = ""
    note: str = ""
    reference_evidence: str = ""
    needs: Callable[[], float] = lambda: NAN

    @property
    def p(self) -> float:
        """The smaller of both: what is adjusted for the other claims."""
        return min(1.0, self.supports, self.contradicts) if self.known else NAN

    @property
    def excludes_none(self) -> bool:
        """Whether the interval leaves out that there is no difference."""
        none = 1.0 if self.unit == "ratio" else 0.0
        return not self.low <= none <= self.high and not np.isnan(self.low)

    @property
    def known(self) -> bool:
        return not np.isnan([self.supports, self.contradicts]).any()


@dataclass(frozen=True)
class Sources:
    """The study, its runs and the landscape's tables. `last`: the last epoch's accuracies and not those of the best."""

    study: Study
    runs: pd.DataFrame
    landscape: Mapping[str, pd.DataFrame]
    last: bool = False

    def row(self, table: str, variant: str) -> Row:
        return next(row for row in self.study.tables[table].rows if row.variant == variant)

    def accuracies(self, row: Row) -> np.ndarray:
        return accuracies(self.runs, row, last=self.last).to_numpy()

    def level_of(self, claim: Claim) -> float:
        """That at which a claim is surely decided, whatever the others of its section come to."""
        return self.study.statistics.level / sum(each.section == claim.section for each in self.study.claims.values())

    def reported(self, row: Row) -> float | None:
        return None if self.study.not_comparable else row.reported


def evidence_of(claim: Claim, sources: Sources) -> Evidence:
    """The numbers behind a claim."""
    kinds: dict[type, Callable[[Any, Sources], Evidence]] = {
        Greater: _greater,
        Similar: _similar,
        Steadier: _steadier,
        Reaches: _reaches,
        Fact: _fact,
        FewerEpochs: _fewer_epochs,
        Ratio: _ratio,
    }
    return kinds[type(claim)](claim, sources)


def _greater(claim: Greater, sources: Sources) -> Evidence:
    """Each neighbour must be above the next one, so the weakest of them decides (intersection-union)."""
    rows = [sources.row(claim.table, variant) for variant in claim.rows]
    margin = sources.study.statistics.margin
    by = margin if claim.by else 0.0
    pairs = [_Pair.of(one, other, sources) for one, other in pairwise(rows)]
    supports = [2 * p_above(pair.values, pair.others, by) for pair in pairs]
    contradicts = [2 * p_above(pair.others, pair.values, -by) for pair in pairs]
    weakest = pairs[int(np.argmax(np.nan_to_num(supports, nan=np.inf)))]
    return replace(
        _of_pair(weakest, pairs, sources),
        margin=by or NAN,
        supports=float(np.max(supports)),
        contradicts=float(np.minimum(1.0, len(pairs) * np.min(contradicts))),
        equivalent=float(np.max([p_similar(pair.values, pair.others, margin) for pair in pairs])),
        ranking=(SUPPORTED, EQUIVALENT, CONTRADICTED) if by else (SUPPORTED, CONTRADICTED, EQUIVALENT),
        needs=partial(weakest.seeds_needed, weakest.difference - by, sources.level_of(claim)),
    )


def _similar(claim: Similar, sources: Sources) -> Evidence:
    """Two one-sided tests for every pair; the pair that is least similar decides."""
    rows = [sources.row(claim.table, variant) for variant in claim.rows]
    statistics = sources.study.statistics
    pairs = [_Pair.of(one, other, sources) for one, other in combinations(rows, 2)]
    supports = [p_similar(pair.values, pair.others, statistics.margin) for pair in pairs]
    outside = [
        2
        * min(
            p_above(pair.values, pair.others, statistics.margin), p_above(pair.others, pair.values, statistics.margin)
        )
        for pair in pairs
    ]
    weakest = pairs[int(np.argmax(np.nan_to_num(supports, nan=np.inf)))]
    room = statistics.margin - abs(weakest.difference)
    return replace(
        _of_pair(weakest, pairs, sources),
        margin=statistics.margin,
        supports=float(np.max(supports)),
        contradicts=float(np.minimum(1.0, len(pairs) * np.min(outside))),
        needs=partial(weakest.seeds_needed, max(room, 0.0), 2 * sources.level_of(claim)),
    )


@dataclass(frozen=True)
class _Pair:
    """Two rows with their accuracies."""

    one: Row
    other: Row
    values: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, one: Row, other: Row, sources: Sources) -> _Pair:
        return cls(one, other, sources.accuracies(one), sources.accuracies(other))

    @property
    def difference(self) -> float:
        return welch(self.values, self.others).estimate

    @property
    def stds(self) -> tuple[float, float]:
        one, other = (each.std(ddof=1) if len(each) > 1 else NAN for each in (self.values, self.others))
        return float(one), float(other)

    def seeds_needed(self, distance: float, level: float) -> float:
        return seeds_needed(distance, pooled(*self.stds), level)


def _of_pair(pair: _Pair, pairs: Sequence[_Pair], sources: Sources) -> Evidence:
    """What is told of the pair that decides."""
    welched = welch(pair.values, pair.others)
    reported = [sources.reported(row) for row in (pair.one, pair.other)]
    return Evidence(
        compares=f"{pair.one.label} − {pair.other.label}",
        reported="" if None in reported else f"{reported[0] - reported[1]:+.2f}",  # type: ignore[operator]
        estimate=welched.estimate,
        low=welched.low,
        high=welched.high,
        n=", ".join(str(len(each)) for each in (pair.values, pair.others)),
        undecided=next(filter(None, map(_undecidable, pairs)), ""),
        reference_evidence=" ".join(filter(None, (_reference_evidence(each, sources) for each in pairs))),
    )


def _undecidable(pair: _Pair) -> str:
    for row, values in ((pair.one, pair.values), (pair.other, pair.others)):
        if len(values) < 2:
            return f"{row.label}: {_count(len(values), 'completed run')}, and two are needed to know their spread."
    return "" if any(pair.stds) else f"The runs of {pair.one.label} and of {pair.other.label} do not differ at all."


def _count(number: int, what: str) -> str:
    return f"{number or 'No'} {what}{'' if number == 1 else 's'}"


def _reference_evidence(pair: _Pair, sources: Sources) -> str:
    """Whether the reference's own difference, of single runs, is more than our spread makes by chance."""
    one, other = sources.reported(pair.one), sources.reported(pair.other)
    if one is None or other is None:
        return ""
    p = p_of_single_runs(one - other, pair.stds, (len(pair.values), len(pair.others)))
    if np.isnan(p):
        return ""
    rows = f"{pair.one.label} and {pair.other.label}"
    chance = "more than two single runs differ by chance" if p <= 0.05 else "within what two single runs differ by"
    return f"The reference's {abs(one - other):.2f} points between {rows} are {chance} ({_p(p)})."


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _steadier(claim: Steadier, sources: Sources) -> Evidence:
    """The ratio of how far the accuracy moves from epoch to epoch, seed by seed: both share weights and data order."""
    rows = [sources.row(claim.table, variant) for variant in claim.rows]
    by_variant = {
        row.variant: sources.runs[(sources.runs["variant"] == row.variant) & (sources.runs["status"] == "completed")]
        for row in rows
    }
    steady, other = (by_variant[row.variant].set_index("seed")["accuracy_fluctuation"] for row in rows)
    seeds = steady.index.intersection(other.index)
    compares = f"{rows[0].label} / {rows[1].label}"
    return _of_ratio(_Ratios(other[seeds].to_numpy(), steady[seeds].to_numpy()), compares, sources.level_of(claim))


def _ratio(claim: Ratio, sources: Sources) -> Evidence:
    by_seed, landscape = sources.landscape["by_seed"], sources.study.landscape
    assert landscape is not None, "the config was checked"
    line = by_seed[(by_seed[["quantity", "pair", "path", "matched"]] == list(claim.line)).all(axis=1)]
    without, with_it = landscape.models.values()
    ratios = _Ratios(
        line["without"].to_numpy(),
        line["with"].to_numpy(),
        claim.expected,
        _spacing(sources.landscape["learning_rates"]) if claim.quantity == "largest_learning_rate" else 0.0,
    )
    evidence = _of_ratio(ratios, f"{with_it} / {without}", sources.level_of(claim))
    reported = "" if sources.study.not_comparable else landscape.reported.get(claim.quantity, "")
    return replace(evidence, reported=reported, undecided=evidence.undecided or _censored(claim, line, evidence))


def _spacing(rates: pd.DataFrame) -> float:
    """The widest step between neighbours of the learning rates that were tried, as a difference of logarithms."""
    steps = np.diff(np.log(np.sort(rates["learning_rate"].unique())))
    return float(steps.max()) if len(steps) else 0.0


def _censored(claim: Ratio, line: pd.DataFrame, evidence: Evidence) -> str:
    """Values at the limit of what was tried are only known to be at least so large; that may not help a verdict."""
    helped = "without" if evidence.estimate > 1 else "with"
    if claim.quantity == "largest_learning_rate" and line[f"at_limit_{helped}"].any():
        return "The largest learning rate that was tried still trains, so the true ratio may be on either side."
    return ""


@dataclass(frozen=True)
class _Ratios:
    """Pairs of values, (seeds,) each, what the claim expects of their ratio, and the spacing of a grid of values."""

    without: np.ndarray
    with_it: np.ndarray
    expected: str = "smaller"
    resolution: float = 0.0

    @property
    def spread(self) -> float:
        """The standard deviation of the logarithms of the ratios."""
        with np.errstate(all="ignore"):
            logs = np.log(self.with_it / self.without)
        known = logs[np.isfinite(logs)]
        return float(np.std(known, ddof=1)) if len(known) > 1 else NAN


def _of_ratio(ratios: _Ratios, compares: str, level: float) -> Evidence:
    """Student's t on the logarithms, pair by pair."""
    ratio = paired_ratio(ratios.without, ratios.with_it, resolution=ratios.resolution)
    as_expected = (ratio.estimate < 1) == (ratios.expected == "smaller")
    few = "" if ratio.n > 1 else f"{_count(ratio.n, 'seed')} with both values, and two are needed to know their spread."
    return Evidence(
        compares=compares,
        unit="ratio",
        estimate=ratio.estimate,
        low=ratio.low,
        high=ratio.high,
        margin=NAN,
        n=str(ratio.n),
        supports=ratio.p if as_expected else 1.0 + 0 * ratio.p,
        contradicts=1.0 + 0 * ratio.p if as_expected else ratio.p,
        undecided=few or ("The seeds do not differ at all." if np.isnan(ratio.p) else ""),
        needs=partial(seeds_needed, np.log(ratio.estimate), ratios.spread, level, paired=True),
    )


def _reaches(claim: Reaches, sources: Sources) -> Evidence:
    """A further run may well be as good as the reported one (prediction interval), and the mean is not below it by the
    margin."""
    row, statistics = sources.row(claim.table, claim.row), sources.study.statistics
    values, reported = sources.accuracies(row), sources.reported(row)
    evidence = Evidence(compares=f"{row.label} − reported", n=str(len(values)), margin=statistics.margin)
    if reported is None:
        return replace(evidence, undecided="The reported accuracy does not compare with these runs.")
    if len(values) < 2:
        return replace(
            evidence, undecided=f"{_count(len(values), 'completed run')}, and two are needed to know their spread."
        )
    beyond = p_of_further_run(values, reported)
    reach = welch(values - reported, np.array([0.0, 0.0]))  # a mean of known value: its interval is Student's
    count = int((values >= reported).sum())
    low, high = binomial_interval(count, len(values))
    return replace(
        evidence,
        reported=f"{reported:.2f}",
        estimate=reach.estimate,
        low=reach.low,
        high=reach.high,
        supports=1.0 if beyond <= statistics.level else 2 * mean_above(values, reported - statistics.margin),
        contradicts=beyond,
        undecided="The runs do not differ at all." if np.isnan(beyond) else "",
        note=f"{count} of {len(values)} runs reach it (95 % interval of that share: {low:.0%} to {high:.0%}).",
    )


def _fact(claim: Fact, sources: Sources) -> Evidence:
    """A number that no chance is in: p is 0 or 1."""
    found = sources.runs["parameters"][sources.runs["variant"] == claim.variant].max()
    evidence = Evidence(
        compares=claim.variant, unit="parameters", reported=f"{claim.parameters:,}", margin=claim.tolerance
    )
    if sources.study.override:
        return replace(evidence, reported="", undecided="Settings are overridden in every run: the network is another.")
    if pd.isna(found):
        return replace(evidence, undecided="No run is finished.")
    holds = abs(int(found) - claim.parameters) <= claim.tolerance
    values = {"estimate": float(found), "supports": float(not holds), "contradicts": float(holds)}
    return replace(evidence, **values)  # type: ignore[arg-type]


def _fewer_epochs(claim: FewerEpochs, sources: Sources) -> Evidence:
    """By ranks, where runs that never reach the mark come last."""
    study, by_seed = sources.study, sources.landscape["by_seed"]
    assert study.landscape is not None, "the config was checked"
    line = by_seed[by_seed["quantity"] == "epochs_to_mark"]
    without, with_it = (_with_never(line, side) for side in ("without", "with"))
    count = min(len(without), len(with_it))
    mark = f"{study.landscape.accuracy_mark:g} %"
    fewest = fewest_for_ranks(sources.level_of(claim))
    names = dict(zip(("without", "with"), study.landscape.models.values(), strict=True))
    few = f"{_count(count, 'seed')}: ranks decide nothing with fewer than {fewest} here." if count < fewest else ""
    return Evidence(
        compares=f"{names['with']} against {names['without']}",
        unit="epochs",
        reported="" if study.not_comparable else study.landscape.reported.get("epochs_to_mark", ""),
        n=f"{len(with_it)}, {len(without)}",
        supports=float(np.minimum(1.0, 2 * rank_test(with_it, without))),
        contradicts=float(np.minimum(1.0, 2 * rank_test(without, with_it))),
        undecided=few,
        note=f"Median epochs to {mark}: {_median(with_it)} with, {_median(without)} without.",
        needs=lambda: fewest if few else NAN,
    )


def _with_never(line: pd.DataFrame, side: str) -> np.ndarray:
    """The epochs of the seeds that are known; infinite where the mark is never reached."""
    values = line[side].where(~line[f"at_limit_{side}"], np.inf)
    return values.dropna().to_numpy(dtype=float)


def _median(values: np.ndarray) -> str:
    if not len(values):
        return "unknown"
    median = float(np.median(values))
    return "never" if np.isinf(median) else f"{median:g}"
