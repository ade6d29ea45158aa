"""The figures of the report: comparisons, claims and the best run, by what they draw."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.analysis.best_run import best_run, confusion_figure, filters_figure
from ablation.analysis.claims import CLAIMS
from ablation.analysis.claims_figure import claims_figure
from ablation.analysis.comparison_figure import comparison_figure
from ablation.analysis.figures import save
from ablation.analysis.frames import frame
from ablation.analysis.runs import load_runs
from ablation.analysis.tables import COMPARISON
from ablation.config.matrix import Run
from ablation.runs.records import CONFUSION, FILTERS, RecordError, digests_of_files, write_confusion

NAN = float("nan")


def row(label, accuracies, **values):
    mean = np.mean(accuracies) if accuracies else NAN
    texts = {"variant": label, "label": label, "accuracies": " ".join(map(str, accuracies)), "changes": ""}
    numbers = {"n": len(accuracies), "mean": mean, "diverged": 0, "missing": 0, "changed": 0, "baseline": False}
    return texts | numbers | values


def comparison(*rows):
    return frame(rows, COMPARISON)


def drawn(axes, marker):
    return [tuple(each.get_xdata()) for each in axes.lines if each.get_marker() == marker]


def texts(axes):
    return [each.get_text() for each in axes.texts]


def test_every_seed_is_a_point_and_the_published_accuracy_an_open_diamond():
    rows = [row("Adam", [88.0, 89.0], baseline=True, reported=88.42), row("SGD", [70.0, 72.0])]
    left, _ = comparison_figure(comparison(*rows), "Optimizers", 0.75).axes
    assert drawn(left, "o") == [(88.0, 89.0), (70.0, 72.0)]
    assert drawn(left, "D") == [(88.42,)]
    assert [each.get_text() for each in left.get_yticklabels()] == ["Adam", "SGD"]


def test_differences_have_their_interval_and_the_margin_is_shaded():
    rows = [row("Adam", [88.0, 89.0], baseline=True), row("SGD", [70.0], difference=-18.5, low=-20.0, high=-17.0)]
    _, right = comparison_figure(comparison(*rows), "Optimizers", 0.75).axes
    assert (-20.0, -17.0) in [tuple(each.get_xdata()) for each in right.lines]
    assert (-18.5,) in drawn(right, "o")
    (band,) = right.patches
    assert (band.get_x(), band.get_width()) == (-0.75, 1.5)


def test_without_a_published_accuracy_the_legend_has_none():
    (legend,) = comparison_figure(comparison(row("Adam", [88.0], baseline=True)), "One", 0.75).legends
    assert [each.get_text() for each in legend.get_texts()] == ["one seed", "mean"]


def test_a_row_without_a_run_says_so_beside_its_published_accuracy():
    rows = [row("Adam", [88.0], baseline=True), row("SGD", [], diverged=3, reported=78.6)]
    left, _ = comparison_figure(comparison(*rows), "Optimizers", 0.75).axes
    assert "3 diverged, no completed run" in texts(left)
    assert drawn(left, "D") == [(78.6,)]


def test_how_many_seeds_a_row_has_is_written_beside_it():
    rows = [row("Adam", [88.0, 89.0], baseline=True), row("SGD", [70.0])]
    left, _ = comparison_figure(comparison(*rows), "Optimizers", 0.75).axes
    assert sorted(texts(left)) == ["1", "2", "n"]


def test_a_baseline_without_a_run_is_no_point():
    rows = [row("Adam", [], baseline=True), row("SGD", [70.0])]
    left, right = comparison_figure(comparison(*rows), "Optimizers", 0.75).axes
    assert drawn(right, "o") == []
    assert (len(left.get_xticks()) > 1, list(right.get_xticks())) == (True, [])


@pytest.mark.parametrize("rows", [1, 12])
def test_long_labels_are_wrapped_and_take_no_more_than_half_of_the_figure(rows):
    label = "A label that is much longer than the labels of others, and then some more words"
    figure = comparison_figure(
        comparison(*(row(label, [88.0], baseline=not place) for place in range(rows))), "A", 0.75
    )
    figure.draw_without_rendering()
    left = figure.axes[0].get_window_extent()
    assert left.x0 < figure.bbox.width / 2
    assert left.width > figure.bbox.width / 5


def claim(says, verdict, **values):
    texts_of = {"claim": "a", "section": "t", "kind": "greater", "says": says, "verdict": verdict, "unit": "points"}
    return dict.fromkeys((key for key, kind in CLAIMS.items() if kind == "object"), "") | texts_of | values


CLAIMS_SHOWN = [
    claim("A beats B.", "supported", estimate=2.0, low=1.0, high=3.0, margin=0.75),
    claim("It is narrower.", "undecided", estimate=0.5, low=0.2, high=1.3, unit="ratio", section="landscape"),
    claim("It has 2 parameters.", "contradicted", estimate=1000.0, unit="parameters", section="facts"),
    claim("C beats D.", "undecided"),
]


def test_each_claim_has_its_interval_and_its_verdict_as_a_sign_and_a_word():
    points, ratios = claims_figure(frame(CLAIMS_SHOWN, CLAIMS), "Claims").axes
    assert (1.0, 3.0) in [tuple(each.get_xdata()) for each in points.lines]
    assert (0.2, 1.3) in [tuple(each.get_xdata()) for each in ratios.lines]
    assert ratios.get_xscale() == "log"
    assert texts(ratios) == ["✓ supported", "? undecided", "✗ contradicted", "? undecided"]
    assert texts(points) == ["1,000 parameters", "no value"]
    assert [each.get_text() for each in points.get_yticklabels()] == [each["says"] for each in CLAIMS_SHOWN]


def test_a_very_long_interval_of_a_ratio_leaves_room_for_the_others():
    """It is cut, but not so that 1 seems to lie outside."""
    long = claim("It is larger.", "undecided", estimate=40.0, low=0.001, high=70.0, unit="ratio", section="landscape")
    _, ratios = claims_figure(frame([*CLAIMS_SHOWN, long], CLAIMS), "Claims").axes
    assert (0.1, 70.0) in [tuple(each.get_xdata()) for each in ratios.lines]  # the smallest estimate is 0.5
    assert [(each.get_xdata()[0], each.get_marker()) for each in ratios.lines if each.get_marker() in ("<", ">")] == [
        (0.1, "<")
    ]


@pytest.mark.parametrize(
    ("unit", "values"),
    [("points", (0.5, 1.5)), ("points", (-23.0, 2.0)), ("ratio", (0.7, 0.95)), ("ratio", (0.01, 300.0))],
)
def test_every_axis_of_claims_has_several_ticks_with_numbers(unit, values):
    low, high = values
    shown = CLAIMS_SHOWN[0] | {"unit": unit, "estimate": (low + high) / 2, "low": low, "high": high}
    figure = claims_figure(frame([shown], CLAIMS), "Claims")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    left, right = axes.get_xlim()
    labels = [tick.label1.get_text() for tick in axes.xaxis.get_major_ticks() if left <= tick.get_loc() <= right]
    assert len(list(filter(None, labels))) >= 3


@pytest.mark.parametrize("estimate", [26.2, -80.0])
def test_a_marker_far_out_on_a_logarithmic_axis_is_whole(estimate):
    figure = claims_figure(frame([CLAIMS_SHOWN[3] | {"estimate": estimate}], CLAIMS), "Claims")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    panel, place = axes.get_window_extent(), axes.transData.transform((estimate, 0))[0]
    radius = figure.dpi / 72 * 5 / 2
    assert panel.x0 < place - radius < place + radius < panel.x1


def test_without_ratios_there_is_one_panel():
    assert len(claims_figure(frame(CLAIMS_SHOWN[:1], CLAIMS), "Claims").axes) == 1


def leave(run, confusion=None, filters=None):
    """What a run leaves beside its record, and their digests."""
    directory, names = Path(run.directory), ["history.csv"]
    directory.mkdir(parents=True, exist_ok=True)
    if confusion is not None:
        write_confusion(directory / CONFUSION, ["cat", "$dog$"], confusion)
        names.append(CONFUSION)
    if filters is not None:
        np.save(directory / FILTERS, filters)
        names.append(FILTERS)
    return names


@pytest.fixture
def runs(study, finish):
    """The best of two runs has a confusion matrix and filters."""
    finish("adam", 0, best=80.0)
    finish("adam", 1, best=85.0)
    names = leave(Run("adam", 1), [[8, 2], [0, 10]], np.arange(8 * 27, dtype=np.float32).reshape(8, 3, 3, 3))
    finish("adam", 1, best=85.0, files=digests_of_files(Path(Run("adam", 1).directory), names))
    return load_runs(study)


def test_the_best_run_is_that_of_the_highest_accuracy(runs):
    record = best_run(runs)
    assert (record.variant, record.seed) == ("adam", 1)


def test_the_confusion_matrix_is_in_percent_of_each_true_class(runs, tmp_path):
    figure = confusion_figure(runs)
    (axes,) = figure.axes
    assert axes.images[0].get_array().tolist() == [[0.8, 0.2], [0.0, 1.0]]
    assert texts(axes) == ["80", "20", "100"]
    title = figure.get_suptitle()
    assert "adam seed 1 (85.00 %)" in " ".join(title.split())
    figure.draw_without_rendering()
    box = figure._suptitle.get_window_extent()  # matplotlib has no public name for it
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    save(figure, [tmp_path / "confusion.png"])


def test_a_class_without_a_test_image_is_an_empty_row(study, finish):
    finish("adam", 0)
    names = leave(Run("adam", 0), [[0, 0], [3, 7]])
    finish("adam", 0, files=digests_of_files(Path(Run("adam", 0).directory), names))
    assert texts(confusion_figure(load_runs(study)).axes[0]) == ["30", "70"]


def test_filters_are_tiles_between_their_own_extremes(runs):
    tiles = [axes.images[0].get_array() for axes in filters_figure(runs).axes if axes.images]
    assert len(tiles) == len(filters_figure(runs).axes) == 8
    assert all((tile.min(), tile.max()) == (0, 1) for tile in tiles)


def test_a_damaged_file_is_told_and_not_drawn(runs):
    path = Path(Run("adam", 1).directory, CONFUSION)
    path.write_text(path.read_text().replace("8", "9"))
    with pytest.raises(RecordError, match=r"confusion\.csv is damaged"):
        confusion_figure(runs)


def test_without_a_completed_run_or_its_files_the_figures_say_so(study, finish):
    empty = pd.DataFrame({"status": ["missing"], "best_accuracy": [NAN], "directory": ["x"]})
    finish("adam", 0)
    for each in (empty, load_runs(study)):
        assert "No completed run" in texts(confusion_figure(each).axes[0])[0]
        assert "no convolution" in texts(filters_figure(each).axes[0])[0]
