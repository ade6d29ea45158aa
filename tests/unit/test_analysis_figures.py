"""Training curves show the runs they should, with the right values, and come out the same each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from ablation.analysis.figures import COLOURS, CurveFacts, curve_facts, save, table_histories, training_curves
from ablation.analysis.runs import load_results
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.escaping import for_terminal
from ablation.runs.records import RunRecord

Finish = Callable[..., RunRecord]
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def history(history_rows: Callable) -> Callable[[list[float], list[float]], pd.DataFrame]:
    return lambda losses, accuracies: pd.DataFrame(history_rows(losses, accuracies))


def line(axes: Axes, part: str, index: int = 0) -> Line2D:
    return [each for each in axes.lines if each.get_label() == part][index]


def bands(axes: Axes) -> list[np.ndarray]:
    return [each.get_paths()[0].vertices for each in axes.collections if isinstance(each, PolyCollection)]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_lines_are_means_over_seeds_and_bands_their_range(history: Callable) -> None:
    figure = training_curves({"Adam": [history([2.0, 1.0], [40, 60]), history([3.0, 1.5], [50, 64])]}, "Optimizers")
    loss, accuracy = figure.axes
    assert list(line(loss, "held_out").get_xdata()) == [1, 2]
    assert list(line(loss, "held_out").get_ydata()) == [2.5, 1.25]
    assert line(loss, "train").get_ydata() == pytest.approx([2.4, 1.15])
    assert list(line(accuracy, "held_out").get_ydata()) == [45, 62]
    assert list(line(accuracy, "train").get_ydata()) == [46, 63]
    _, held_out = bands(accuracy)
    assert {(float(x), float(y)) for x, y in held_out} == {(1, 40), (1, 50), (2, 60), (2, 64)}


def test_held_out_is_solid_training_dashed_in_one_colour_a_label(history: Callable) -> None:
    curve = history([2.0, 1.0], [40, 60])
    figure = training_curves({"Adam": [curve], "SGD": [curve]}, "Optimizers")
    loss = figure.axes[0]
    assert [line(loss, part).get_linestyle() for part in ("held_out", "train")] == ["-", "--"]
    assert [line(loss, part, 1).get_color() for part in ("held_out", "train")] == [COLOURS[1]] * 2
    assert line(loss, "held_out").get_color() == COLOURS[0]
    kinds, labels = (["held-out images", "training images", "range over seeds"], ["Adam", "SGD"])
    assert legend_texts(figure) == kinds + labels
    assert figure.legends[0].get_title().get_text() == "Optimizers"


def test_axes_name_what_they_show(history: Callable) -> None:
    loss, accuracy = training_curves({"Adam": [history([2.0, 1.0], [0.2, 100])]}, "A").axes
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss")
    assert accuracy.get_ylabel() == "top-1 accuracy (%)"
    low, high = accuracy.get_ylim()
    assert -2 < low < 0.2
    assert 100 < high < 102


def test_a_single_epoch_is_a_marker_with_an_integer_tick(history: Callable) -> None:
    figure = training_curves({"Adam": [history([2.0], [40]), history([3.0], [50])]}, "One")
    loss = figure.axes[0]
    assert line(loss, "held_out").get_marker() == "o"
    low, high = loss.get_xlim()
    assert low < 1 < high
    assert [tick for tick in loss.get_xticks() if low <= tick <= high] == [1]


def test_labels_differ_in_their_markers_too(history: Callable) -> None:
    """Grey print keeps no colour."""
    curve = [history([2.0, 1.0], [40, 60])]
    loss = training_curves(dict.fromkeys("ABCDEFG", curve), "Seven").axes[0]
    assert len({line(loss, "held_out", index).get_marker() for index in range(7)}) == 7


def test_different_losses_are_multiples_of_their_own(history: Callable) -> None:
    curves = {"CE": [history([2.0, 1.0], [40, 60])], "MSE": [history([0.2, 0.05], [40, 60])]}
    same, other = ({"CE": CurveFacts("a", NAN), "MSE": CurveFacts(loss, NAN)} for loss in ("a", "b"))
    loss = training_curves(curves, "A", other).axes[0]
    assert [list(line(loss, "held_out", index).get_ydata()) for index in (0, 1)] == [[1, 0.5], [1, 0.25]]
    assert loss.get_ylabel() == "loss / that after epoch 1"
    assert training_curves(curves, "A", same).axes[0].get_ylabel() == "loss"


def test_averaged_weights_are_a_star_where_the_table_compares_them(study: Study, finish: Finish) -> None:
    finish("swa", 0, averaged=83.0)
    finish("swa", 1, averaged=85.0)
    table, results = study.tables["averages"], load_results(study)
    facts = curve_facts(study, table, results)
    star = line(training_curves(table_histories(table, results), "A", facts).axes[1], "averaged")
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([4], [84.0])
    assert "averaged weights" in legend_texts(training_curves(table_histories(table, results), "A", facts))
    facts = curve_facts(study, study.tables["optimizers"], results)
    assert all(np.isnan(fact.averaged) for fact in facts.values())


@pytest.mark.parametrize("epochs", [2, 3, 7, 50, 100])
def test_epoch_ticks_are_integers_of_epochs_that_are_there(history: Callable, epochs: int) -> None:
    loss = training_curves({"Adam": [history([1.0] * epochs, [50] * epochs)]}, "A").axes[0]
    low, high = loss.get_xlim()
    ticks = [tick for tick in loss.get_xticks() if low <= tick <= high]
    assert 1 < len(ticks) < 9
    assert all(tick == int(tick) and 1 <= tick <= epochs for tick in ticks)


def test_rows_of_different_length_keep_their_own(history: Callable) -> None:
    short, long = history([2.0, 1.0], [40, 60]), history([2.0, 1.0, 0.5], [40, 60, 70])
    loss = training_curves({"Short": [short], "Long": [long]}, "A").axes[0]
    assert [len(line(loss, "held_out", index).get_xdata()) for index in (0, 1)] == [2, 3]


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_loss_that_is_no_number_is_a_gap_and_spoils_no_mean(history: Callable, bad: float) -> None:
    diverged, sound = history([2.0, bad], [40, 10]), history([3.0, 1.5, 1.0], [50, 64, 70])
    loss, _ = training_curves({"SGD": [diverged, sound]}, "A").axes
    assert list(line(loss, "held_out").get_ydata()) == [2.5, 1.5, 1.0]
    assert np.isfinite(loss.get_ylim()).all()


def test_losses_of_one_run_that_are_no_numbers_from_the_start(history: Callable) -> None:
    loss, _ = training_curves({"SGD": [history([NAN], [10])]}, "A").axes
    assert np.isnan(line(loss, "held_out").get_ydata()).all()


def test_losses_of_very_different_size_are_on_a_logarithmic_axis(history: Callable) -> None:
    large, small = history([2.0, 1.0], [40, 60]), history([0.2, 0.11], [40, 60])
    assert training_curves({"CE": [large], "MSE": [small]}, "A").axes[0].get_yscale() == "log"
    assert training_curves({"CE": [large]}, "A").axes[0].get_yscale() == "linear"


def test_no_run_at_all_says_so(tmp_path: Path) -> None:
    figure = training_curves({}, "Empty")
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["no finished run"] * 2
    save(figure, [tmp_path / "empty.svg"])


def test_more_labels_than_colours_can_be_told_apart(history: Callable) -> None:
    names = [f"V{index}" for index in range(len(COLOURS) + 2)]
    loss = training_curves({name: [history([2.0, 1.0], [40, 60])] for name in names}, "A").axes[0]
    looks = [(each.get_color(), each.get_marker()) for each in loss.lines if each.get_label() == "held_out"]
    assert len(set(looks)) == len(names)


@pytest.mark.parametrize("words", [1, 6, 30])
def test_legend_lies_beside_the_panels(history: Callable, words: int) -> None:
    names = [f"{'A rather long label ' * words}of row {index}" for index in range(6)]
    figure = training_curves({name: [history([2.0, 1.0], [40, 60])] for name in names}, "A title " * words)
    figure.draw_without_rendering()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_files_are_the_same_byte_for_byte(history: Callable, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        figure = training_curves({"Adam": [history([2.0, 1.0], [40, 60])]}, "A")
        save(figure, [tmp_path / folder / "a.svg", tmp_path / folder / "a.png"])
    for name in ("a.svg", "a.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one/a.svg").read_bytes()


@pytest.mark.parametrize("text", [r"$\\nonsense$", "$x$ and $y$", "_a|b <b>x</b> & --> \x1b[31m", "=cmd()"])
def test_a_label_or_title_is_drawn_as_the_text_that_it_is(history: Callable, tmp_path: Path, text: str) -> None:
    figure = training_curves({text: [history([2.0, 1.0], [40, 60])]}, text)
    for drawn in (legend_texts(figure)[-1], figure.legends[0].get_title().get_text()):
        assert not is_math_text(drawn)
        assert drawn.replace(r"\$", "$") == for_terminal(text)
    save(figure, [tmp_path / "a.svg"])
    assert {"b", "script"}.isdisjoint(
        each.tag.rpartition("}")[2] for each in ElementTree.parse(tmp_path / "a.svg").iter()
    )


def test_files_show_something(history: Callable, tmp_path: Path) -> None:
    save(training_curves({"Adam": [history([2.0, 1.0], [40, 60])]}, "A"), [tmp_path / "a.svg", tmp_path / "a.png"])
    assert COLOURS[0].lower() in (tmp_path / "a.svg").read_text().lower()
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert pixels.shape[1] > 1200
    assert (pixels == (0x00, 0x72, 0xB2)).all(axis=2).sum() > 500
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_a_figure_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"figures end in one of \.svg, \.png"):
        save(training_curves({}, "A"), [tmp_path / "a.bmp"])


def test_histories_of_a_table_leave_out_runs_that_are_in_no_mean(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    finish("adam", 1, status="diverged")
    finish("adam", 2, spec={"epochs": 1})
    histories = table_histories(study.tables["optimizers"], load_results(study))
    assert {label: len(frames) for label, frames in histories.items()} == {"Adam": 1}


def test_histories_show_diverged_runs_where_there_are_no_others(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    finish("sgd", 1, status="diverged")
    finish("sgd", 2, status="diverged")
    histories = table_histories(study.tables["optimizers"], load_results(study))
    assert {label: len(frames) for label, frames in histories.items()} == {"Adam": 1, "SGD | plain_1 (diverged)": 2}


def test_a_variant_in_two_rows_is_drawn_once(study: Study, finish: Finish) -> None:
    finish("swa", 0, averaged=80.0)
    assert list(table_histories(study.tables["averages"], load_results(study))) == ["Averaged"]


def test_variants_of_the_same_label_are_both_drawn(study_with: Callable, finish: Finish) -> None:
    finish("adam", 0)
    finish("sgd", 0)
    rows = [{"variant": "adam", "label": "Same"}, {"variant": "sgd", "label": "Same"}]
    study = study_with(tables={"twins": {"title": "Twins", "rows": rows}})
    assert list(table_histories(study.tables["twins"], load_results(study))) == ["Same", "Same, sgd"]


def test_a_run_without_its_history_is_left_out(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    finish("adam", 1)
    Path(Run("adam", 0).directory, "history.csv").unlink()
    histories = table_histories(study.tables["optimizers"], load_results(study))
    assert {label: len(frames) for label, frames in histories.items()} == {"Adam": 1}
