"""The statistics of the report, against SciPy, against tables, and against what can be counted by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ablation.analysis import statistics

NAN, INF = float("nan"), float("inf")
ONE, OTHER = [88.1, 88.4, 88.2, 88.6, 88.3], [87.2, 87.9, 87.4, 88.0]


def test_a_difference_has_welchs_interval_and_p():
    found, expected = statistics.welch(ONE, OTHER), stats.ttest_ind(ONE, OTHER, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.estimate == pytest.approx(np.mean(ONE) - np.mean(OTHER))
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    assert found.n == 4


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    generator = np.random.default_rng(0)
    runs = generator.normal(0, [[[1.0]], [[3.0]]], (2, 4000, 5))
    intervals = [statistics.welch(one, other) for one, other in zip(*runs, strict=True)]
    assert np.mean([each.low <= 0 <= each.high for each in intervals]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("one", "other"), [([1.0], [2.0, 3.0]), ([1.0, 1.0], [2.0, 2.0])])
def test_without_spread_there_is_a_difference_and_no_interval(one, other):
    found = statistics.welch(one, other)
    assert found.estimate == np.mean(one) - np.mean(other)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert math.isnan(statistics.p_above(one, other))


def test_without_runs_there_is_nothing():
    assert np.isnan(statistics.welch([], [1.0, 2.0])[:4]).all()


def test_one_sided_p_of_a_bound():
    shifted = stats.ttest_ind(np.array(ONE) - 0.5, OTHER, equal_var=False, alternative="greater")
    assert statistics.p_above(ONE, OTHER, 0.5) == pytest.approx(shifted.pvalue)


def test_similar_is_where_the_interval_of_90_percent_is_inside_the_margin():
    interval = statistics.welch(ONE, OTHER, level=0.1)
    assert statistics.p_similar(ONE, OTHER, interval.high) == pytest.approx(0.05)
    assert statistics.p_similar(OTHER, ONE, interval.high) == pytest.approx(0.05)
    assert statistics.p_similar(ONE, OTHER, interval.high + 0.1) < 0.05


def test_holm_multiplies_the_smallest_by_the_number_of_tests_and_leaves_out_what_is_unknown():
    assert statistics.holm([0.01, NAN, 0.04, 0.03]) == pytest.approx([0.03, NAN, 0.06, 0.06], nan_ok=True)
    assert list(statistics.holm([0.9, 0.8])) == [1.0, 1.0]
    assert len(statistics.holm([])) == 0


def test_a_further_run_lies_in_the_prediction_interval():
    runs = np.array(ONE)
    limit = runs.mean() + stats.t.ppf(0.975, 4) * runs.std(ddof=1) * math.sqrt(1 + 1 / 5)
    assert statistics.p_of_further_run(ONE, limit) == pytest.approx(0.05)
    assert statistics.p_of_further_run(ONE, 80.0) == 1.0
    assert math.isnan(statistics.p_of_further_run([88.0], 88.0))


def test_the_mean_against_a_bound_is_students_test():
    expected = stats.ttest_1samp(ONE, 88.0, alternative="greater").pvalue
    assert statistics.mean_above(ONE, 88.0) == pytest.approx(expected)


def test_two_single_runs_against_the_spread_of_ours():
    # Standard deviations 3 and 4 of many runs: a difference of two single runs has 5.
    p = statistics.p_of_single_runs(10.0, (3.0, 4.0), (10_000, 10_000))
    assert p == pytest.approx(2 * stats.norm.sf(2), rel=1e-3)
    assert math.isnan(statistics.p_of_single_runs(1.0, (NAN, 1.0), (1, 5)))


def test_an_exact_binomial_interval():
    # Clopper and Pearson: none of 5 has the upper end 1 - 0.025^(1/5).
    assert statistics.binomial_interval(0, 5) == pytest.approx((0, 1 - 0.025**0.2))


def test_ranks_count_every_arrangement():
    one, other = [1, 2, 2, INF], [2, 5, INF]
    ranks = stats.rankdata([*one, *other])
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, 4)]
    expected = np.mean([each <= sum(ranks[:4]) for each in sums])
    assert statistics.rank_test(one, other) == pytest.approx(expected)


def test_ranks_without_ties_are_those_of_mann_and_whitney():
    expected = stats.mannwhitneyu(OTHER, ONE, alternative="less", method="exact").pvalue
    assert statistics.rank_test(OTHER, ONE) == pytest.approx(expected)


def test_so_many_values_are_needed_for_ranks_to_decide():
    fewest = statistics.fewest_for_ranks(0.05)
    assert fewest == 4
    assert 2 * statistics.rank_test([1] * fewest, [2] * fewest) <= 0.05
    assert 2 * statistics.rank_test([1] * (fewest - 1), [2] * (fewest - 1)) > 0.05


def test_a_paired_ratio_is_students_interval_of_the_logarithms():
    without, with_it = [2.0, 4.0, 8.0], [1.0, 3.0, 2.0]
    found = statistics.paired_ratio(without, with_it)
    expected = stats.ttest_1samp(np.log(np.divide(with_it, without)), 0)
    interval = expected.confidence_interval(0.95)
    assert found.estimate == pytest.approx((6 / 64) ** (1 / 3))
    assert (found.low, found.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)))
    assert (found.p, found.n) == (pytest.approx(expected.pvalue), 3)


def test_pairs_that_are_not_positive_numbers_are_left_out():
    assert statistics.paired_ratio([2.0, NAN, 0.0, INF, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0]).n == 2


def test_equal_ratios_on_a_grid_have_the_interval_of_its_rounding():
    found = statistics.paired_ratio([0.01] * 5, [0.1] * 5, resolution=math.log(10))
    error = math.sqrt(2 * math.log(10) ** 2 / 12)
    assert found.high == pytest.approx(10 * math.exp(stats.t.ppf(0.975, 4) * error))
    assert math.isnan(statistics.paired_ratio([0.01] * 5, [0.1] * 5).p)


@pytest.mark.parametrize("paired", [False, True])
def test_the_seeds_needed_have_the_power_that_is_asked_for(paired):
    seeds = int(statistics.seeds_needed(1.0, 1.0, 0.05, paired=paired))
    generator = np.random.default_rng(1)
    power = []
    for count in (seeds - 1, seeds):
        one, other = generator.normal(1, 1, (20_000, count)), generator.normal(0, 1, (20_000, count))
        test = stats.ttest_1samp(one, 0, axis=1) if paired else stats.ttest_ind(one, other, axis=1)
        power.append(np.mean(test.pvalue <= 0.05))
    assert power[0] < 0.81
    assert power[1] > 0.79


@pytest.mark.parametrize("difference", [0.0, 0.3])
def test_the_seeds_needed_for_similarity_pass_both_of_its_tests(difference):
    margin, level = 0.75, 0.05
    seeds = int(statistics.seeds_needed([margin - difference, margin + difference], 1.0, 2 * level))
    generator = np.random.default_rng(2)
    power = []
    for count in (seeds - 2, seeds):
        one, other = generator.normal(difference, 1, (20_000, count)), generator.normal(0, 1, (20_000, count))
        above = stats.ttest_ind(one + margin, other, axis=1, alternative="greater").pvalue
        below = stats.ttest_ind(one - margin, other, axis=1, alternative="less").pvalue
        power.append(np.mean(np.maximum(above, below) <= level))
    assert power[0] < 0.8 < power[1] + 0.01


def test_more_seeds_than_anybody_runs_are_infinite_and_no_spread_is_unknown():
    assert statistics.seeds_needed(0.001, 1.0, 0.05) == INF
    assert math.isnan(statistics.seeds_needed(1.0, 0.0, 0.05))
    assert math.isnan(statistics.seeds_needed(1.0, NAN, 0.05))
