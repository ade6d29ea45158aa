"""Frames of the loss landscape -> its figures. No torch.

In: the landscape's tables and the study. Out: matplotlib figures; where runs are missing, the panel says so. Fails with
a ValueError where the study has no landscape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from ablation.analysis.figure_texts import wrapped
from ablation.analysis.figures import BAND_STRENGTH, COLOURS, LARGEST_LINEAR_RATIO, STYLE, legend_columns, wrapped_title
from ablation.analysis.landscape.files import ACCURACY, BANDS, LEARNING_RATES, probe_figure_names
from ablation.config.study import Landscape, Study
from ablation.escaping import for_figure
from ablation.runs.records import FINISHED

GREY = "#444444"
# The looks of the two models, which grey print keeps.
LINES: Final = ("-", (0, (4, 1.2)))
MARKERS = ("o", "s")
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:g}")
WIDTH: Final = 7.2
# Characters of a caption beside each other in a figure.
CAPTION_WIDTH = 108
# Two bands that overlap must both be seen, and a mean's band inside the lighter one of the range.
RAW_STRENGTH = 0.25
MEAN_STRENGTH = 0.35
RANGE_STRENGTH = 0.12
# The loss axis ends where this share of the steps is shown, and at most at this multiple of their 95th percentile.
SHOWN_SHARE = 0.995
LARGEST_MULTIPLE = 3


def landscape_figures(tables: Mapping[str, pd.DataFrame], study: Study) -> dict[str, Figure]:
    """All figures of the landscape, by the name of their file.

    Raises:
        ValueError: the study has no landscape.
    """
    figures = {
        BANDS: bands_figure(tables["bands"], tables["left_out"], study),
        ACCURACY: accuracy_figure(tables["accuracies"], tables["learning_rates"], study),
        LEARNING_RATES: learning_rate_figure(tables["learning_rates"], tables["by_seed"], study),
    }
    for pair in _landscape(study).probed:
        names = probe_figure_names(pair)
        figures |= {
            names[path]: probe_figure(tables["probes"], pair, study, path) for path in ("gradient", "optimizer")
        }
        figures[names["shift"]] = shift_figure(tables["shifts"], pair, study)
    return figures


def bands_figure(bands: pd.DataFrame, left_out: pd.DataFrame, study: Study) -> Figure:
    """Minimum and maximum of the training loss over the learning rates by step: both models, then each alone with every
    seed's edges; below, the ratio of the bands' widths."""
    landscape = _landscape(study)
    labels = _labels(landscape)
    edges = [_over_seeds(_of(bands, label), "step")["mean"] for label in labels]
    bottom, top, highest = _loss_limits(edges)
    with mpl.rc_context(STYLE):
        figure = _figure(8.0)
        panels = figure.subplot_mosaic(
            [["both", "both"], ["without", "with"], ["ratio", "ratio"]], height_ratios=[4, 4, 2.6]
        )
        shown = {"both": ("Both models", (0, 1)), "without": (labels[0], (0,)), "with": (labels[1], (1,))}
        for panel, (title, models) in shown.items():
            for index in models:
                _draw_bands(panels[panel], edges[index], index)
                if len(models) == 1:
                    _draw_edges(panels[panel], _of(bands, labels[index]), index)
            _finish(panels[panel], "training step", "training loss", for_figure(title))
            panels[panel].set_ylim(bottom, top)
        _draw_width_ratio(panels["ratio"], bands, labels)
        _add_title(figure, f"{landscape.title}: loss over the learning rates", _band_looks(landscape))
        cut = f" Losses above {top:.3g} are not shown; the highest is {highest:.3g}." if highest > top else ""
        _add_caption(figure, _bands_caption(bands, left_out, study) + cut)
    return figure


def accuracy_figure(accuracies: pd.DataFrame, learning_rates: pd.DataFrame, study: Study) -> Figure:
    """Held-out accuracy by epoch, a panel a learning rate of the band, and when the mean first reaches the mark."""
    landscape = _landscape(study)
    band = learning_rates[learning_rates["in_band"].eq(True)]
    rates = sorted(band["learning_rate"].unique()) or [None]
    columns = min(len(rates), 2)
    lines = -(-len(rates) // columns)
    with mpl.rc_context(STYLE):
        figure = _figure(0.9 + 2.6 * lines)
        panels = figure.subplots(lines, columns, squeeze=False).flatten()
        for axes, rate in zip(panels, rates, strict=False):
            shown, runs = (frame[frame["learning_rate"] == rate] for frame in (accuracies, band))
            _draw_accuracies(axes, shown, runs, landscape)
            _finish(axes, "epoch", "held-out accuracy (%)")
        for axes in panels[len(rates) :]:
            axes.remove()
        _share_limits(figure.axes)
        _add_title(figure, f"{landscape.title}: held-out accuracy", _accuracy_looks(landscape))
    return figure


def probe_figure(probes: pd.DataFrame, pair: str, study: Study, path: str = "gradient") -> Figure:
    """Loss, change of the gradient, effective smoothness and turn of the gradient on a path, by step, for one pair.

    After Santurkar et al. (2018), figure 4. The path is along the negative gradient or the optimizer's step.
    """
    landscape = _landscape(study)
    probes = probes[(probes["pair"] == pair) & (probes["path"] == path)]
    panels = (
        ("(a) loss on the path", "loss", ("min_loss", "max_loss")),
        ("(b) change of the gradient", "l2 distance", ("min_gradient_distance", "max_gradient_distance")),
        ("(c) effective smoothness", "largest distance / step length", ("smoothness", "smoothness")),
        ("(d) turn of the gradient", "1 − smallest cosine", ("gradient_cosine_distance", "gradient_cosine_distance")),
    )
    with mpl.rc_context(STYLE):
        figure = _figure(5.6)
        for axes, (title, quantity, columns) in zip(figure.subplots(2, 2).flatten(), panels, strict=True):
            for index, label in enumerate(_labels(landscape)):
                _draw_path(axes, _over_seeds(_of(probes, label), "step"), columns, index)
            _finish(axes, "training step", quantity, title)
            _use_log_axis(axes)
        _add_title(figure, f"{landscape.title}: {_setting(probes) or pair}", _path_looks(landscape))
        _add_caption(figure, _path_caption(probes, landscape, path))
    return figure


def shift_figure(shifts: pd.DataFrame, pair: str, study: Study) -> Figure:
    """The internal covariate shift by layer: a point a seed, its median over the probed steps, and the mean over seeds.

    After Santurkar et al. (2018), figure 2.
    """
    landscape = _landscape(study)
    shifts = shifts[shifts["pair"] == pair]
    panels = (
        ("covariate_shift", "(a) change of the layer's gradient", "l2 distance / norm"),
        ("covariate_shift_cosine_distance", "(b) turn of the layer's gradient", "1 − cosine"),
    )
    with mpl.rc_context(STYLE):
        figure = _figure(3.4)
        for axes, (column, title, quantity) in zip(figure.subplots(1, 2), panels, strict=True):
            for index, label in enumerate(_labels(landscape)):
                _draw_shift(axes, _of(shifts, label), column, index)
            _finish(axes, "layer", quantity, title)
            _use_log_axis(axes)
        _add_title(figure, f"{landscape.title}: internal covariate shift, {pair}", _shift_looks(landscape))
        if not shifts.empty:
            _add_caption(
                figure,
                "How the gradient of a layer changes when the layers below have taken the optimizer's step, on the "
                "same batch: median over the probed steps of each seed. The first layer has none below."
                f"{_untrained(shifts)}",
            )
    return figure


def learning_rate_figure(learning_rates: pd.DataFrame, by_seed: pd.DataFrame, study: Study) -> Figure:
    """Accuracy after the last epoch by learning rate, which runs diverged, and where each model trains; beside it the
    largest learning rate that trains, seed by seed."""
    landscape = _landscape(study)
    with mpl.rc_context(STYLE):
        figure = _figure(4.4)
        axes, largest = figure.subplots(1, 2, width_ratios=[3, 1])
        finished = learning_rates[learning_rates["status"].isin(FINISHED)]
        models = [_of(finished, label) for label in _labels(landscape)]
        for index, rows in enumerate(models):
            _draw_last_accuracies(axes, rows, index)
        _finish(axes, "learning rate", "accuracy after the last epoch (%)")
        if axes.has_data():
            axes.axhline(landscape.trained_accuracy, color=GREY, linestyle=":", linewidth=1, label="trained")
            axes.set(ylim=(-11, 111), yticks=range(0, 101, 20))
            _finish_rate_axis(axes, pd.concat(models)["learning_rate"])
        _draw_largest_rates(largest, by_seed[by_seed["quantity"] == "largest_learning_rate"], landscape)
        _add_title(figure, f"{landscape.title}: larger learning rates", _rate_looks(landscape, models))
    return figure


def _landscape(study: Study) -> Landscape:
    if study.landscape is None:
        raise ValueError(f"study {study.study!r} has no landscape")
    return study.landscape


def _labels(landscape: Landscape) -> list[str]:
    return list(landscape.models.values())


def _of(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    return frame[frame["model"] == label]


def _over_seeds(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean, minimum and maximum over seeds of every column of numbers, as ("mean", column); finite values only."""
    numbers = rows.drop(columns=["seed"]).set_index(by).select_dtypes("number")
    grouped = numbers.replace([np.inf, -np.inf], np.nan).groupby(level=0)
    return pd.concat({"mean": grouped.mean(), "min": grouped.min(), "max": grouped.max()}, axis=1)


def _draw_bands(axes: Axes, edges: pd.DataFrame, index: int) -> None:
    """The band of every step, and on it the edges of the smoothed one."""
    if edges.empty:
        return
    # Thousands of steps would make an SVG of megabytes.
    _fill(axes, edges["min"], edges["max"], color=COLOURS[index], alpha=RAW_STRENGTH, rasterized=True)
    for column in ("smoothed_min", "smoothed_max"):
        _plot(axes, edges[column], label=column, **_line(index))


def _draw_edges(axes: Axes, bands: pd.DataFrame, index: int) -> None:
    """The smoothed edges of every seed."""
    for _, of_seed in bands.groupby("seed"):
        for column in ("smoothed_min", "smoothed_max"):
            axes.plot(of_seed["step"], of_seed[column], color=COLOURS[index], linewidth=0.5, alpha=0.5, rasterized=True)


def _draw_width_ratio(axes: Axes, bands: pd.DataFrame, labels: Sequence[str]) -> None:
    """Width with the ingredient over width without, of the smoothed losses: every seed, and their geometric mean."""
    widths = bands.pivot_table(index="step", columns=["model", "seed"], values="smoothed_width")
    if all(label in widths for label in labels):
        without, with_it = (widths[label].where(widths[label] > 0) for label in labels)
        ratios = (with_it / without).dropna(axis=1, how="all")
        for seed in ratios:
            axes.plot(ratios.index, ratios[seed], color=GREY, linewidth=0.5, alpha=0.5, rasterized=True)
        axes.plot(ratios.index, np.exp(np.log(ratios).mean(axis=1)), color="#000000", linewidth=1.2, label="ratio")
        axes.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
    _finish(axes, "training step", "ratio of widths", for_figure(f"Width of the band: {labels[1]} / {labels[0]}"))


def _draw_largest_rates(axes: Axes, rows: pd.DataFrame, landscape: Landscape) -> None:
    """The largest learning rate that trains, of each seed, and the median; an arrow: at least so large."""
    for index, (side, label) in enumerate(zip(("without", "with"), _labels(landscape), strict=True)):
        known = rows.dropna(subset=[side])
        if known.empty:
            continue
        places = index + np.linspace(-0.2, 0.2, len(known)) if len(known) > 1 else np.array([float(index)])
        at_limit = known[f"at_limit_{side}"].to_numpy(dtype=bool)
        for shown, marker in ((~at_limit, "o"), (at_limit, "^")):
            axes.plot(
                places[shown], known[side].to_numpy()[shown], marker, color=COLOURS[index], alpha=0.7, label=label
            )
        axes.plot([index - 0.32, index + 0.32], [known[side].median()] * 2, color=COLOURS[index], linewidth=2)
    _finish(axes, "", "largest learning rate that trains")
    if axes.has_data():
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set(xlim=(-0.6, 1.6), xticks=(0, 1), yticks=pd.concat([rows["without"], rows["with"]]).dropna().unique())
        axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
        axes.set_xticklabels([wrapped(label, 12, most=9) for label in _labels(landscape)])
        axes.set_title("▲ at least; bar: median", fontsize=8, color=GREY)


def _draw_shift(axes: Axes, rows: pd.DataFrame, column: str, index: int) -> None:
    """One model: the median of every seed and layer as a point, and their geometric mean as a line."""
    if rows.empty:
        return
    medians = rows.groupby(["place", "seed"])[column].median()
    places = medians.index.get_level_values("place")
    axes.plot(places, medians, MARKERS[index], color=COLOURS[index], alpha=0.5, label="seeds")
    means = np.exp(np.log(medians.where(medians > 0)).groupby(level="place").mean())
    axes.plot(means.index, means, label="mean", **_line(index))


def _draw_accuracies(axes: Axes, rows: pd.DataFrame, runs: pd.DataFrame, landscape: Landscape) -> None:
    """One learning rate: the curves of both models, and above the panel when they reach the mark."""
    looks: list[Artist] = []
    for index, label in enumerate(_labels(landscape)):
        curve = _over_seeds(_of(rows, label), "epoch").xs("held_out_accuracy", axis=1, level=1)
        texts = [_draw_accuracy(axes, curve, index, landscape.accuracy_mark), _diverged(_of(runs, label))]
        text = "; ".join(filter(None, texts)) or "no finished run"
        looks.append(Line2D([], [], label=for_figure(f"{label}: {text}"), **_line(index)))
    if axes.has_data():
        axes.axhline(landscape.accuracy_mark, color=GREY, linewidth=0.8, linestyle=":", label="mark")
    if len(runs):
        title = f"learning rate {runs['learning_rate'].iloc[0]:g}"
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "fontsize": 8}
        axes.legend(handles=looks, title=title, alignment="left", frameon=False, **place)


def _draw_accuracy(axes: Axes, curve: pd.DataFrame, index: int, mark: float) -> str:
    """One model: mean and range over seeds, a dot where the mean first reaches the mark; that in words."""
    if curve.empty:
        return ""
    colour = COLOURS[index]
    _plot(axes, curve["mean"], label="mean", **_line(index))
    _fill(axes, curve["min"], curve["max"], color=colour, alpha=BAND_STRENGTH)
    reached = curve["mean"][curve["mean"] >= mark]
    if reached.empty:
        return f"{mark:g} % not reached"
    epoch, height = int(reached.index[0]), float(reached.iloc[0])
    axes.plot(epoch, height, "o", markersize=6, color=colour, markeredgecolor="white", label="reached")
    # The first model's number below its dot and the second's above, lest they overlap where both are as fast.
    offset, (ha, va) = ((5, -5), ("left", "top")) if index == 0 else ((-5, 5), ("right", "bottom"))
    legible = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
    place: dict[str, Any] = {"xytext": offset, "textcoords": "offset points", "ha": ha, "va": va, "bbox": legible}
    axes.annotate(str(epoch), (epoch, height), color=colour, **place)
    return f"{mark:g} % at epoch {epoch}"


def _diverged(runs: pd.DataFrame) -> str:
    count = (runs["status"] == "diverged").sum()
    return f"{count} of {len(runs)} runs diverged" if count else ""


def _draw_path(axes: Axes, values: pd.DataFrame, columns: tuple[str, str], index: int) -> None:
    """Between the means of two columns a band, or of one column a line; around it the range over seeds."""
    if values.empty:
        return
    (low, high), colour = columns, COLOURS[index]
    _fill(axes, values["min", low], values["max", high], color=colour, alpha=RANGE_STRENGTH)
    if low == high:
        _plot(axes, values["mean", low], label=low, **_line(index))
        return
    _fill(axes, values["mean", low], values["mean", high], color=colour, alpha=MEAN_STRENGTH)
    # Where the two models' bands overlap, their edges tell them apart.
    for column in columns:
        _plot(axes, values["mean", column], linewidth=0.7, label=column, **_line(index))


def _draw_last_accuracies(axes: Axes, rows: pd.DataFrame, index: int) -> None:
    """One model: the completed runs as dots, their mean and range, the diverged ones as crosses at the bottom."""
    colour, rates = COLOURS[index], np.sort(rows["learning_rate"].unique())
    if not len(rows):
        return
    completed, diverged = (rows[rows["status"] == status] for status in ("completed", "diverged"))
    # A learning rate at which every run diverged is a gap.
    curve = completed.groupby("learning_rate")["last_accuracy"].agg(["mean", "min", "max"]).reindex(rates)
    axes.plot(curve.index, curve["mean"], label="mean", **_line(index))
    axes.fill_between(curve.index, curve["min"], curve["max"], color=colour, alpha=BAND_STRENGTH, linewidth=0)
    axes.plot(
        completed["learning_rate"], completed["last_accuracy"], MARKERS[index], color=colour, alpha=0.7, label="runs"
    )
    # Below 0 and above 100 there is no accuracy.
    heights = np.full(len(diverged), -4.0 * (index + 1))
    axes.plot(diverged["learning_rate"], heights, "x", color=colour, markersize=6, label="diverged")
    trained = np.where(np.isin(rates, _trained_rates(rows)), 108.0 - 4 * index, np.nan)
    axes.plot(rates, trained, color=colour, linewidth=3, marker="s", label="trains")


def _trained_rates(rows: pd.DataFrame) -> list[float]:
    """The learning rates at which every run has trained; a diverged one has not."""
    every = rows["trains"].eq(True).groupby(rows["learning_rate"]).all()
    return sorted(every.index[every])


def _plot(axes: Axes, values: pd.Series, **look: Any) -> None:
    # A line of one point cannot be seen.
    axes.plot(values.index, values, marker="o" if len(values) == 1 else "", **look)


def _fill(axes: Axes, low: pd.Series, high: pd.Series, **look: Any) -> None:
    # Nor can a band.
    if len(low) == 1:
        axes.vlines(low.index.to_numpy(), low, high, linewidth=3, **look)
    else:
        axes.fill_between(low.index.to_numpy(), low, high, linewidth=0, **look)


def _finish(axes: Axes, x_label: str, y_label: str, title: str = "") -> None:
    """Name the axes; an empty panel says why: a band needs a run at each of its learning rates."""
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.set_title(title, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    if not axes.has_data():
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "too few finished runs", transform=axes.transAxes, ha="center", va="center")


def _loss_limits(edges: Sequence[pd.DataFrame]) -> tuple[float, float, float]:
    """Where the loss axis starts and ends, and the highest loss: some spikes must not squash everything else."""
    highs = np.concatenate([each["max"].dropna().to_numpy() for each in edges])
    lows = np.concatenate([each["min"].dropna().to_numpy() for each in edges])
    if not len(highs) or not len(lows):
        return 0.0, 1.0, 0.0
    highest = float(highs.max())
    top = min(np.quantile(highs, SHOWN_SHARE), LARGEST_MULTIPLE * np.quantile(highs, 0.95))
    # Cutting is for spikes: what is hardly higher is shown.
    top = highest if highest < 1.5 * top else float(top)
    margin = 0.05 * (top - lows.min()) or 0.05
    return max(0.0, lows.min() - margin), top + margin, highest


def _use_log_axis(axes: Axes) -> None:
    """A logarithmic axis for values of very different size."""
    values = np.concatenate([np.empty(0), *(path.vertices[:, 1] for path in _paths(axes))])
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) and values.min() * LARGEST_LINEAR_RATIO < values.max():
        axes.set_yscale("log")
        axes.set_ylim(values.min() / 1.2, values.max() * 1.2)


def _paths(axes: Axes) -> list[Any]:
    return [path for band in axes.collections for path in band.get_paths()] + [each.get_path() for each in axes.lines]


def _share_limits(panels: Sequence[Axes]) -> None:
    """The same limits for all panels that show something."""
    shown = [axes for axes in panels if axes.has_data()]
    if shown:
        lows, highs = zip(*(axes.get_ylim() for axes in shown), strict=True)
        lefts, rights = zip(*(axes.get_xlim() for axes in shown), strict=True)
        for axes in shown:
            axes.set(xlim=(min(lefts), max(rights)), ylim=(max(min(lows), -1), min(max(highs), 101)))


def _finish_rate_axis(axes: Axes, rates: pd.Series) -> None:
    ticks = sorted(rates.unique())
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{rate:g}" for rate in ticks], rotation=45 if len(ticks) > 6 else 0)


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(wspace=0.05, hspace=0.05))


def _add_title(figure: Figure, title: str, looks: Sequence[Artist]) -> None:
    """Above the panels the title and one legend: a figure's title would overlap the legend."""
    bold = {"weight": "bold", "size": 10}
    columns = legend_columns([str(look.get_label()) for look in looks], most=4 if len(looks) < 5 else 3)
    place: dict[str, Any] = {"loc": "outside upper center", "ncols": columns}
    figure.legend(handles=list(looks), frameon=False, title=wrapped_title(title), title_fontproperties=bold, **place)


def _add_caption(figure: Figure, text: str) -> None:
    figure.supxlabel(wrapped(text, CAPTION_WIDTH, most=9), fontsize=8, x=0.02, ha="left", color=GREY)


def _line(index: int) -> dict[str, Any]:
    """The line of the model at `index`."""
    return {"color": COLOURS[index], "linestyle": LINES[index]}


def _model_look(index: int, text: str, **look: Any) -> Line2D:
    return Line2D([], [], label=for_figure(text), **_line(index), **look)


def _model_looks(landscape: Landscape) -> list[Artist]:
    return [_model_look(index, label, linewidth=2.5) for index, label in enumerate(_labels(landscape))]


def _band_looks(landscape: Landscape) -> list[Artist]:
    smoothed = f"running mean of {landscape.smoothing_steps} steps"
    return [
        *_model_looks(landscape),
        Patch(color=GREY, alpha=RAW_STRENGTH, linewidth=0, label="every step"),
        Line2D([], [], color=GREY, label=smoothed),
        Line2D([], [], color=GREY, linewidth=0.5, alpha=0.6, label="the same, each seed"),
    ]


def _accuracy_looks(landscape: Landscape) -> list[Artist]:
    mark = f"{landscape.accuracy_mark:g} %"
    return [
        Line2D([], [], color=GREY, label="mean over completed runs"),
        Patch(color=GREY, alpha=BAND_STRENGTH, linewidth=0, label="range over seeds"),
        Line2D([], [], color=GREY, linewidth=0.8, linestyle=":", label=mark),
        Line2D([], [], color=GREY, linestyle="", marker="o", markersize=6, label=f"the mean reaches {mark}"),
    ]


def _shift_looks(landscape: Landscape) -> list[Artist]:
    return [
        *(_model_look(index, label, marker=MARKERS[index]) for index, label in enumerate(_labels(landscape))),
        Line2D([], [], color=GREY, linestyle="", marker="o", alpha=0.5, label="one seed"),
        Line2D([], [], color=GREY, label="geometric mean"),
    ]


def _path_looks(landscape: Landscape) -> list[Artist]:
    return [
        *_model_looks(landscape),
        Patch(color=GREY, alpha=MEAN_STRENGTH, linewidth=0, label="mean over seeds"),
        Patch(color=GREY, alpha=RANGE_STRENGTH, linewidth=0, label="range over seeds"),
    ]


def _rate_looks(landscape: Landscape, models: Sequence[pd.DataFrame]) -> list[Artist]:
    labels = [f"{label}: {_trains(rows)}" for label, rows in zip(_labels(landscape), models, strict=True)]
    return [
        *(_model_look(index, text, marker=MARKERS[index]) for index, text in enumerate(labels)),
        Patch(color=GREY, alpha=BAND_STRENGTH, linewidth=0, label="range of completed runs"),
        Line2D([], [], color=GREY, linewidth=3, marker="s", label="every run trains"),
        Line2D([], [], color=GREY, linestyle="", marker="o", label="one run"),
        Line2D([], [], color=GREY, linestyle="", marker="x", markersize=6, label="a run that diverged"),
        Line2D([], [], color=GREY, linestyle=":", linewidth=1, label=f"{landscape.trained_accuracy:g} %: it trains"),
    ]


def _trains(rows: pd.DataFrame) -> str:
    """At which learning rates a model trains, in words."""
    trained, rates = _trained_rates(rows), sorted(rows["learning_rate"].unique())
    if not trained:
        return "no finished run" if rows.empty else "trains at none"
    places = [rates.index(rate) for rate in trained]
    ends = [each for each in places if each + 1 not in places]
    starts = [each for each in places if each - 1 not in places]
    spans = [_span(rates[start], rates[end]) for start, end in zip(starts, ends, strict=True)]
    return f"trains at {_listed(spans)}"


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _setting(probes: pd.DataFrame) -> str:
    """Optimizer and learning rate of the probed runs, in words."""
    if probes.empty:
        return ""
    optimizers = list(dict.fromkeys(probes["optimizer"]))
    low, high = probes["learning_rate"].min(), probes["learning_rate"].max()
    return f"{' and '.join(optimizers)}, learning rate {_span(low, high)}"


def _path_caption(probes: pd.DataFrame, landscape: Landscape, path: str) -> str:
    if probes.empty:
        return ""
    sizes = landscape.probe.step_sizes
    infinite = ~np.isfinite(probes[["max_loss", "max_gradient_distance", "smoothness"]].to_numpy(dtype=float))
    gaps = " Values that are infinite or no number are in no mean." if infinite.any() else ""
    far = f"{min(sizes):g} to {max(sizes):g}"
    where = (
        f"{far} learning rates along the negative gradient"
        if path == "gradient"
        else f"{far} times the optimizer's step"
    )
    return (
        f"From the weights at a step {where}: "
        f"smallest and largest value on that path, in (c) and (d) the largest; {_seeds(probes, landscape)}.{gaps}"
        f"{_untrained(probes)}"
    )


def _untrained(probes: pd.DataFrame) -> str:
    runs = probes[~probes["trains"].fillna(True)].groupby("model", sort=False)["seed"]
    named = "; ".join(f"{model}, seed {_listed([str(seed) for seed in seeds.unique()])}" for model, seeds in runs)
    return f" Among them are runs that do not train, where a small value means little: {named}." if named else ""


def _bands_caption(bands: pd.DataFrame, left_out: pd.DataFrame, study: Study) -> str:
    """Over which learning rates and seeds the bands were taken, and what is not in them."""
    landscape = _landscape(study)
    labels, over = _labels(landscape), _listed(sorted(landscape.band))
    taken = "" if bands.empty else f"Minimum and maximum over the learning rates {over}; {_seeds(bands, landscape)}."
    return " ".join(filter(None, [taken, *(_left_out(_of(left_out, label), label) for label in labels)]))


def _left_out(rows: pd.DataFrame, label: str) -> str:
    rates = sorted(rows["learning_rate"].unique())
    verb = "is" if len(rates) == 1 else "are"
    return f"{label}: {_listed(rates)} diverged and {verb} left out of both." if rates else ""


def _seeds(rows: pd.DataFrame, landscape: Landscape) -> str:
    """Over how many seeds the means are."""
    counts = {label: _of(rows, label)["seed"].nunique() for label in _labels(landscape)}
    there = {label: count for label, count in counts.items() if count}
    if len(set(there.values())) > 1:
        return "mean over seeds: " + ", ".join(f"{count} ({label})" for label, count in there.items())
    count = max(there.values())
    return "one seed" if count == 1 else f"mean over {count} seeds"


def _listed(values: Sequence[float | str]) -> str:
    texts = [each if isinstance(each, str) else f"{each:g}" for each in values]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
