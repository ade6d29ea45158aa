"""The landscape's figures show the frames' values, say what is missing, and come out the same each time."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablation.analysis.figures import COLOURS
from ablation.analysis.landscape.figures import (
    accuracy_figure,
    bands_figure,
    landscape_figures,
    learning_rate_figure,
    probe_figure,
    shift_figure,
)
from ablation.analysis.landscape.files import TABLES, figure_names
from ablation.config.study import Study

# What the figures show of each table.
SHOWN = {
    "bands": ("model", "seed", "step", "min", "max", "smoothed_min", "smoothed_max", "smoothed_width"),
    "left_out": ("model", "learning_rate"),
    "learning_rates": ("model", "learning_rate", "in_band", "seed", "status", "last_accuracy", "trains"),
    "accuracies": ("model", "learning_rate", "seed", "epoch", "held_out_accuracy"),
    "probes": (
        *("pair", "optimizer", "model", "seed", "trains", "path", "step", "learning_rate", "min_loss", "max_loss"),
        *("min_gradient_distance", "max_gradient_distance", "smoothness", "gradient_cosine_distance"),
    ),
    "by_seed": ("quantity", "seed", "without", "with", "at_limit_without", "at_limit_with"),
    "shifts": ("pair", "model", "seed", "trains", "place", "covariate_shift", "covariate_shift_cosine_distance"),
}
SCRIPT = Path(__file__).parents[2] / "workflow/scripts/plot_landscape.py"
PLAIN, NORMED = "Plain net", "Net with BN"
NAN, INF = float("nan"), float("inf")
NO_RUN, TOO_FEW = "no finished run", "too few finished runs"
PATHS = ("gradient", "optimizer")
NAMES = ["bands", "accuracy", "learning-rates", "probe-fast", "probe-fast-step", "shift-fast"]


@pytest.fixture
def study(study_with: Callable[..., Study]) -> Study:
    rates = {"low": 0.001, "high": 0.01, "higher": 0.1}
    grid = {"model.batch_norm": {"plain": False, "bn": True}, "optimizer.learning_rate": rates}
    landscape = {
        "title": "Norms",
        "grid": "nets",
        "models": {"plain": PLAIN, "bn": NORMED},
        "band": [0.01, 0.001],
        "probed": {"fast": {"learning_rate": 0.001}},
    }
    return study_with(variants={"nets": {"record_steps": True, "grid": grid}}, tables={}, landscape=landscape)


def frame(name: str, *lines: tuple[Any, ...]) -> pd.DataFrame:
    shown = SHOWN.get(name, ())
    columns = {column: [line[index] for line in lines] for index, column in enumerate(shown)}
    others = {column: {"int64": 0, "bool": False, "object": ""}.get(kind) for column, kind in TABLES[name].items()}
    table = pd.DataFrame(others | columns, index=range(len(lines)), columns=list(TABLES[name]))
    return table.astype(TABLES[name])


def bands_of(model: str, seed: int, lows: list[float], highs: list[float]) -> pd.DataFrame:
    """The smoothed band lies 0.1 inside."""
    pairs = zip(lows, highs, strict=True)
    lines = [
        (model, seed, step, low, high, low + 0.1, high - 0.1, high - low - 0.2)
        for step, (low, high) in enumerate(pairs, start=1)
    ]
    return frame("bands", *lines)


def curve_of(model: str, rate: float, seed: int, accuracies: list[float]) -> pd.DataFrame:
    lines = [(model, rate, seed, epoch, accuracy) for epoch, accuracy in enumerate(accuracies, start=1)]
    return frame("accuracies", *lines)


def rate_of(model: str, rate: float, seed: int, accuracy: float, status: str = "completed") -> pd.DataFrame:
    trains = pd.NA if status == "missing" else accuracy >= 20
    return frame("learning_rates", (model, rate, rate < 0.1, seed, status, accuracy, trains))


def probes_of(
    model: str, seed: int, highs: list[float], optimizer: str = "SGD", rate: float = 0.1, **changes: Any
) -> pd.DataFrame:
    """Loss from 0.5 to the given; distances from a tenth of it to the given; smoothness twice the given."""
    trains, path = changes.get("trains", True), changes.get("path", "gradient")
    lines = [
        ("fast", optimizer, model, seed, trains, path, 10 * step, rate, 0.5, high, 0.1 * high, high, 2 * high, 0.5)
        for step, high in enumerate(highs, start=1)
    ]
    return frame("probes", *lines)


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    models = (PLAIN, NORMED)
    statuses = [(0.001, 60.0, "completed"), (0.01, NAN, "diverged"), (0.1, 10.0, "completed")]
    return {
        **{name: frame(name) for name in TABLES},
        "bands": pd.concat([bands_of(model, 0, [1.0, 0.5, 0.4], [2.0, 1.5, 1.2]) for model in models]),
        "left_out": frame("left_out", (PLAIN, 0.01)),
        "learning_rates": pd.concat([rate_of(model, rate, 0, *rest) for model in models for rate, *rest in statuses]),
        "accuracies": pd.concat([curve_of(model, 0.001, 0, [30, 60]) for model in models]),
        "probes": pd.concat([probes_of(model, 0, [1.0, 2.0], path=path) for model in models for path in PATHS]),
        "shifts": frame("shifts", *(("fast", model, 0, True, 2, 0.5, 0.1) for model in models)),
    }


@pytest.fixture
def empty() -> dict[str, pd.DataFrame]:
    return {name: frame(name) for name in TABLES}


def lines(axes: Axes, label: str, index: int | None = None) -> list[Line2D]:
    """The lines of a label; with an index, those of that model."""
    return [
        each
        for each in axes.lines
        if each.get_label() == label and (index is None or each.get_color() == COLOURS[index])
    ]


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def fills(axes: Axes, index: int) -> list[set[tuple[float, float]]]:
    """The corners of every filled band of a model."""
    found = [each for each in axes.collections if isinstance(each, PolyCollection)]
    own = [each for each in found if to_hex(each.get_facecolor()[0]) == COLOURS[index].lower()]
    return [
        {(float(x), round(float(y), 6)) for path in each.get_paths() for x, y in path.vertices if np.isfinite(y)}
        for each in own
    ]


def texts(axes: Axes) -> list[str]:
    return [each.get_text() for each in axes.texts]


def legend_texts(holder: Figure | Axes) -> list[str]:
    legends = holder.legends if isinstance(holder, Figure) else [holder.get_legend()]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def caption(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def test_band_edges_are_means_over_seeds(study: Study, empty: dict) -> None:
    seeds = [bands_of(PLAIN, 0, [1.0, 0.5], [2.0, 1.5]), bands_of(PLAIN, 1, [1.2, 0.7], [3.0, 1.7])]
    normed = bands_of(NORMED, 0, [0.8, 0.2], [1.0, 0.4])
    both, plain, with_bn, _ = bands_figure(pd.concat([*seeds, normed]), empty["left_out"], study).axes
    for axes in (both, plain):
        assert fills(axes, 0) == [{(1, 1.1), (1, 2.5), (2, 0.6), (2, 1.6)}]
        assert lines(axes, "smoothed_min", 0)[0].get_ydata() == pytest.approx([1.2, 0.7])
        assert lines(axes, "smoothed_max", 0)[0].get_ydata() == pytest.approx([2.4, 1.5])
    for axes in (both, with_bn):
        assert fills(axes, 1) == [{(1, 0.8), (1, 1.0), (2, 0.2), (2, 0.4)}]
    assert fills(plain, 1) == fills(with_bn, 0) == []
    assert [axes.get_title() for axes in (both, plain, with_bn)] == ["Both models", PLAIN, NORMED]


def test_panels_of_the_bands_share_the_loss_axis(study: Study, frames: dict) -> None:
    *panels, ratio = bands_figure(frames["bands"], frames["left_out"], study).axes
    assert len({axes.get_ylim() for axes in panels}) == 1
    assert {(axes.get_xlabel(), axes.get_ylabel()) for axes in panels} == {("training step", "training loss")}
    assert (ratio.get_ylabel(), ratio.get_yscale()) == ("ratio of widths", "log")


def test_the_ratio_of_the_widths_is_a_geometric_mean_of_the_seeds(study: Study, empty: dict) -> None:
    plain = [bands_of(PLAIN, seed, [1.0], [2.2]) for seed in (0, 1)]
    normed = [bands_of(NORMED, 0, [1.0], [2.2]), bands_of(NORMED, 1, [1.0], [5.0])]
    bands = pd.concat([*plain, *normed])
    widths = bands.set_index(["model", "seed"])["smoothed_width"]
    ratio = bands_figure(bands, empty["left_out"], study).axes[3]
    expected = np.sqrt(np.prod([widths[NORMED, seed] / widths[PLAIN, seed] for seed in (0, 1)]))
    assert lines(ratio, "ratio")[0].get_ydata() == pytest.approx([expected])


def test_spikes_are_cut_and_the_caption_says_so(study: Study, empty: dict) -> None:
    spiky = bands_of(PLAIN, 0, [0.5] * 100, [900.0, 700.0, *[2.0] * 98])
    figure = bands_figure(spiky, empty["left_out"], study)
    assert figure.axes[0].get_ylim()[1] < 10
    assert "the highest is 900" in caption(figure)
    calm = bands_figure(bands_of(PLAIN, 0, [0.5] * 3, [2.2, 2.1, 2.0]), empty["left_out"], study)
    assert calm.axes[0].get_ylim()[1] > 2.2
    assert "not shown" not in caption(calm)


def test_caption_of_the_bands_names_rates_seeds_and_what_is_left_out(study: Study, frames: dict, empty: dict) -> None:
    assert caption(bands_figure(frames["bands"], frames["left_out"], study)) == (
        f"Minimum and maximum over the learning rates 0.001 and 0.01; one seed. {PLAIN}: 0.01 diverged and is left out "
        "of both."
    )
    more = pd.concat([frames["bands"], bands_of(PLAIN, 1, [1.0], [2.0])])
    uneven = caption(bands_figure(more, empty["left_out"], study))
    assert uneven.endswith(f"mean over seeds: 2 ({PLAIN}), 1 ({NORMED}).")
    both_gone = frame("left_out", (NORMED, 0.01), (NORMED, 0.001))
    assert caption(bands_figure(empty["bands"], both_gone, study)) == (
        f"{NORMED}: 0.001 and 0.01 diverged and are left out of both."
    )


def test_an_infinite_loss_is_in_no_mean(study: Study, empty: dict) -> None:
    seeds = [bands_of(PLAIN, 0, [1.0, 0.5], [INF, 1.5]), bands_of(PLAIN, 1, [1.2, 0.7], [3.0, 1.7])]
    axes = bands_figure(pd.concat(seeds), empty["left_out"], study).axes[1]
    assert fills(axes, 0) == [{(1, 1.1), (1, 3.0), (2, 0.6), (2, 1.6)}]


def test_a_model_without_runs_says_so_in_its_panel_only(study: Study, empty: dict) -> None:
    only = bands_of(NORMED, 0, [1.0, 0.5], [2.0, 1.5])
    assert [texts(axes) for axes in bands_figure(only, empty["left_out"], study).axes] == [[], [TOO_FEW], [], [TOO_FEW]]


def test_empty_frames_say_so_everywhere(study: Study, empty: dict, tmp_path: Path) -> None:
    figures = landscape_figures(empty, study)
    assert list(figures) == NAMES == figure_names(study)
    for figure in figures.values():
        assert [texts(axes) for axes in figure.axes] == [[TOO_FEW]] * len(figure.axes)
        figure.savefig(tmp_path / "drawn.svg")


def test_the_first_epoch_at_the_mark_is_that_of_the_mean(study: Study) -> None:
    # One seed reaches 50 % at epoch 1, the mean at epoch 2.
    seeds = [curve_of(PLAIN, 0.001, 0, [60, 70, 80]), curve_of(PLAIN, 0.001, 1, [20, 40, 60])]
    accuracies = pd.concat([*seeds, curve_of(NORMED, 0.001, 0, [10, 20, 49])])
    rates = pd.concat([rate_of(model, 0.001, seed, 60.0) for model in (PLAIN, NORMED) for seed in (0, 1)])
    (axes,) = accuracy_figure(accuracies, rates, study).axes
    assert points(lines(axes, "mean", 0)[0]) == [(1, 40), (2, 55), (3, 70)]
    assert fills(axes, 0) == [{(1, 20), (1, 60), (2, 40), (2, 70), (3, 60), (3, 80)}]
    assert points(lines(axes, "reached", 0)[0]) == [(2, 55)]
    assert lines(axes, "reached", 1) == []
    assert texts(axes) == ["2"]
    assert legend_texts(axes) == [f"{PLAIN}: 50 % at epoch 2", f"{NORMED}: 50 % not reached"]
    assert list(lines(axes, "mark")[0].get_ydata()) == [50, 50]


def test_a_panel_a_learning_rate_of_the_band(study: Study) -> None:
    accuracies = pd.concat([curve_of(PLAIN, 0.001, 0, [30, 60]), curve_of(PLAIN, 0.01, 0, [40, 80])])
    statuses = [(0.1, "completed"), (0.01, "completed"), (0.001, "completed")]
    rates = pd.concat([rate_of(PLAIN, rate, 0, 60.0, status) for rate, status in statuses])
    figure = accuracy_figure(accuracies, rates, study)
    titles = [axes.get_legend().get_title().get_text() for axes in figure.axes]
    assert titles == ["learning rate 0.001", "learning rate 0.01"]
    assert [lines(axes, "mean")[0].get_ydata()[-1] for axes in figure.axes] == [60, 80]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_a_panel_tells_of_diverged_and_missing_runs(study: Study) -> None:
    runs = [rate_of(PLAIN, 0.001, 0, 60.0), rate_of(PLAIN, 0.001, 1, NAN, "diverged")]
    rates = pd.concat([*runs, rate_of(NORMED, 0.001, 0, NAN, "missing")])
    (axes,) = accuracy_figure(curve_of(PLAIN, 0.001, 0, [30, 60]), rates, study).axes
    assert legend_texts(axes) == [f"{PLAIN}: 50 % at epoch 2; 1 of 2 runs diverged", f"{NORMED}: {NO_RUN}"]


def test_probes_are_bands_of_means_inside_their_range(study: Study) -> None:
    probes = pd.concat([probes_of(PLAIN, 0, [1.0, 2.0]), probes_of(PLAIN, 1, [3.0, 4.0]), probes_of(NORMED, 0, [0.9])])
    loss, distance, smoothness, _ = probe_figure(probes, "fast", study).axes
    assert fills(loss, 0) == [
        {(10, 0.5), (10, 3.0), (20, 0.5), (20, 4.0)},
        {(10, 0.5), (10, 2.0), (20, 0.5), (20, 3.0)},
    ]
    assert fills(distance, 0) == [
        {(10, 0.1), (10, 3.0), (20, 0.2), (20, 4.0)},
        {(10, 0.2), (10, 2.0), (20, 0.3), (20, 3.0)},
    ]
    assert points(lines(smoothness, "smoothness", 0)[0]) == [(10, 4), (20, 6)]
    assert fills(smoothness, 0) == [{(10, 2), (10, 6), (20, 4), (20, 8)}]
    # A single step is a marker: a line of one point cannot be seen.
    assert lines(smoothness, "smoothness", 1)[0].get_marker() == "o"


def test_values_of_very_different_size_are_on_a_logarithmic_axis(study: Study) -> None:
    probes = pd.concat([probes_of(PLAIN, 0, [3.0, 1.0]), probes_of(NORMED, 0, [1.0, 0.9])])
    loss, distance, smoothness, _ = probe_figure(probes, "fast", study).axes
    assert [axes.get_yscale() for axes in (loss, distance, smoothness)] == ["linear", "log", "linear"]
    low, high = distance.get_ylim()
    assert 0.04 < low < 0.09
    assert 3.0 < high < 6


def test_probes_that_left_the_numbers_are_gaps(study: Study) -> None:
    figure = probe_figure(probes_of(PLAIN, 0, [1.0, INF, NAN, 2.0]), "fast", study)
    smoothness = lines(figure.axes[2], "smoothness")[0].get_ydata()
    assert np.array_equal(smoothness, [2.0, NAN, NAN, 4.0], equal_nan=True)
    assert all(np.isfinite(axes.get_ylim()).all() for axes in figure.axes)
    assert "infinite" in caption(figure)
    assert "infinite" not in caption(probe_figure(probes_of(PLAIN, 0, [1.0]), "fast", study))


def test_runs_that_do_not_train_are_named_below_their_probes(study: Study) -> None:
    still = [probes_of(PLAIN, seed, [1.0], trains=False) for seed in (1, 2)]
    text = caption(probe_figure(pd.concat([probes_of(PLAIN, 0, [1.0]), *still]), "fast", study))
    assert text.endswith(f"do not train, where a small value means little: {PLAIN}, seed 1 and 2.")
    assert "do not train" not in caption(probe_figure(probes_of(PLAIN, 0, [1.0]), "fast", study))


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "Lion-2"])
def test_title_of_the_probes_names_optimizer_and_rate(study: Study, optimizer: str) -> None:
    decayed = pd.concat([probes_of(PLAIN, 0, [1.0], optimizer, 0.1), probes_of(PLAIN, 0, [1.0], optimizer, 0.01)])
    titles = [
        probe_figure(probes, "fast", study).legends[0].get_title().get_text()
        for probes in (probes_of(PLAIN, 0, [1.0], optimizer, 0.1), decayed)
    ]
    assert titles == [f"Norms: {optimizer}, learning rate 0.1", f"Norms: {optimizer}, learning rate 0.01 to 0.1"]


def test_another_pair_is_not_drawn(study: Study) -> None:
    assert [texts(axes) for axes in probe_figure(probes_of(PLAIN, 0, [1.0]), "slow", study).axes] == [[TOO_FEW]] * 4


def test_learning_rates_show_runs_means_and_divergence(study: Study) -> None:
    completed = [rate_of(PLAIN, 0.001, 0, 60.0), rate_of(PLAIN, 0.001, 1, 70.0), rate_of(PLAIN, 0.1, 0, 10.0)]
    diverged = [rate_of(PLAIN, 0.01, seed, NAN, "diverged") for seed in (0, 1)]
    missing = rate_of(NORMED, 0.001, 0, NAN, "missing")
    figure = learning_rate_figure(pd.concat([*completed, *diverged, missing]), frame("by_seed"), study)
    axes, _ = figure.axes
    assert points(lines(axes, "runs", 0)[0]) == [(0.001, 60), (0.001, 70), (0.1, 10)]
    mean = lines(axes, "mean", 0)[0].get_ydata()
    assert np.array_equal(mean, [65, NAN, 10], equal_nan=True)
    (crosses,) = lines(axes, "diverged")
    assert (crosses.get_marker(), list(crosses.get_xdata())) == ("x", [0.01, 0.01])
    assert all(axes.get_ylim()[0] < height < 0 for height in crosses.get_ydata())
    assert list(lines(axes, "trained")[0].get_ydata()) == [20, 20]
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert legend_texts(figure)[:2] == [f"{PLAIN}: trains at 0.001", f"{NORMED}: {NO_RUN}"]


def test_the_largest_rate_that_trains_is_shown_seed_by_seed_with_its_median_and_its_limit(study: Study) -> None:
    rows = [("largest_learning_rate", seed, low, 0.1, False, True) for seed, low in ((0, 0.01), (1, 0.001))]
    largest = frame("by_seed", *rows)
    axes = learning_rate_figure(rate_of(PLAIN, 0.1, 0, 60.0), largest, study).axes[1]
    assert [list(each.get_ydata()) for each in lines(axes, PLAIN, 0) if each.get_marker() == "o"] == [[0.01, 0.001]]
    assert [list(each.get_ydata()) for each in lines(axes, NORMED, 1) if each.get_marker() == "^"] == [[0.1, 0.1]]
    bars = [each.get_ydata()[0] for each in axes.lines if each.get_linestyle() == "-"]
    assert bars == pytest.approx([0.0055, 0.1])


def test_the_shift_is_shown_by_layer_with_its_geometric_mean(study: Study) -> None:
    shifts = [(0, 2, 1), (0, 3, 1), (1, 2, 4), (1, 3, 1)]
    rows = [("fast", PLAIN, seed, True, place, shift, 0.1) for seed, place, shift in shifts]
    change, turn = shift_figure(frame("shifts", *rows), "fast", study).axes
    assert points(lines(change, "mean", 0)[0]) == [(2, 2), (3, 1)]
    assert turn.get_ylabel() == "1 − cosine"


@pytest.mark.parametrize(
    ("accuracies", "said", "bar"),
    [
        ([60.0, 50.0, 10.0], "trains at 0.001 to 0.01", [True, True, False]),
        ([60.0, 10.0, 50.0], "trains at 0.001 and 0.1", [True, False, True]),
        ([10.0, 10.0, 10.0], "trains at none", [False, False, False]),
    ],
)
def test_a_model_trains_where_every_seed_does(
    study: Study, accuracies: list[float], said: str, bar: list[bool]
) -> None:
    pairs = list(zip((0.001, 0.01, 0.1), accuracies, strict=True))
    good = [rate_of(PLAIN, rate, 0, 90.0) for rate, _ in pairs]
    figure = learning_rate_figure(
        pd.concat([*good, *(rate_of(PLAIN, rate, 1, each) for rate, each in pairs)]), frame("by_seed"), study
    )
    assert legend_texts(figure)[0] == f"{PLAIN}: {said}"
    heights = lines(figure.axes[0], "trains")[0].get_ydata()
    assert list(np.isfinite(heights)) == bar


def test_nothing_overlaps_the_panels(study: Study, frames: dict) -> None:
    for figure in landscape_figures(frames, study).values():
        figure.draw_without_rendering()
        page = figure.bbox
        outside = [legend.get_window_extent() for legend in figure.legends]
        if figure.get_supxlabel():
            outside.append(next(text for text in figure.texts if text.get_text()).get_window_extent())
        for box in outside:
            assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
            assert page.x0 <= box.x0 < box.x1 <= page.x1
            assert page.y0 <= box.y0 < box.y1 <= page.y1


def test_a_label_is_no_formula(study: Study, frames: dict, tmp_path: Path) -> None:
    label = r"$\\nonsense$"
    landscape = study.landscape.model_copy(update={"models": {"plain": label, "bn": NORMED}, "title": label})
    renamed = {name: each.replace(PLAIN, label) for name, each in frames.items()}
    for figure in landscape_figures(renamed, study.model_copy(update={"landscape": landscape})).values():
        figure.savefig(tmp_path / "drawn.svg")


def write_csvs(frames: dict[str, pd.DataFrame], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, each in frames.items():
        each.assign(more=1).to_csv(folder / f"{name}.csv", index=False)


def test_the_models_differ_in_their_lines_too(study: Study, frames: dict) -> None:
    """Grey print keeps no colour."""
    for name, figure in landscape_figures(frames, study).items():
        shown = {
            colour: {each.get_linestyle() for axes in figure.axes for each in axes.lines if is_curve(each, colour)}
            for colour in COLOURS[:2]
        }
        assert shown == {COLOURS[0]: {"-"}, COLOURS[1]: {"--"}}, name


def is_curve(line: Line2D, colour: str) -> bool:
    """Neither points, nor a bar, nor the thin edges of a seed."""
    return line.get_color() == colour and line.get_linestyle() != "None" and 0.5 < line.get_linewidth() < 2


def run_script(study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder.parent / "study.json"
    path.write_text(study.model_dump_json(exclude_unset=True))
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, "--study", str(path), "--folder", str(folder)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_a_legend_is_no_wider_than_its_figure(study: Study) -> None:
    rates = [0.0001 * step for step in range(1, 17)]
    trained = rates[::2]  # which takes the most words
    lines = [rate_of(model, rate, 0, 60.0 if rate in trained else 10.0) for model in (PLAIN, NORMED) for rate in rates]
    figure = learning_rate_figure(pd.concat(lines), frame("by_seed"), study)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def figures_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".csv"}


def test_the_script_writes_the_same_files_each_time(
    study: Study, frames: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        write_csvs(frames, tmp_path / name)
        run_script(study, tmp_path / name, monkeypatch)
    made = figures_in(tmp_path / "one")
    assert set(made) == {name + ending for name in NAMES for ending in (".svg", ".png")}
    assert made == figures_in(tmp_path / "other")
    assert all(COLOURS[0].lower().encode() in made[f"{name}.svg"].lower() for name in NAMES)


def test_the_script_draws_files_without_lines(
    study: Study, empty: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csvs(empty, tmp_path / "landscape")
    run_script(study, tmp_path / "landscape", monkeypatch)
    assert set(figures_in(tmp_path / "landscape")) == {name + ending for name in NAMES for ending in (".svg", ".png")}


def test_a_missing_file_or_column_and_a_study_without_landscape_are_one_line(
    study: Study, study_with: Callable, frames: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "landscape"
    write_csvs(frames, folder)
    with pytest.raises(SystemExit, match="error: study 'small' has no landscape"):
        run_script(study_with(), folder, monkeypatch)
    frames["bands"].drop(columns="smoothed_max").to_csv(folder / "bands.csv", index=False)
    with pytest.raises(SystemExit, match=r"error: .*bands\.csv cannot be read: .*smoothed_max"):
        run_script(study, folder, monkeypatch)
    (folder / "probes.csv").unlink()
    frames["bands"].to_csv(folder / "bands.csv", index=False)
    with pytest.raises(SystemExit, match=r"error: .*probes\.csv is missing"):
        run_script(study, folder, monkeypatch)
