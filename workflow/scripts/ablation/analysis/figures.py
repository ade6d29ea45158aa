"""Histories of runs -> figures. No torch.

In: what `runs.load_results` has of them. Out: matplotlib figures, and files that are the same whenever they are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ablation.analysis.runs import Results
from ablation.config.study import Table
from ablation.escaping import for_figure
from ablation.files import atomic_write

# Okabe and Ito's colours, told apart by colour-blind readers too; without their yellow, which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("", "o", "s", "^", "D")
HELD_OUT_LINE: Final = "-"
TRAIN_LINE: Final = "--"
BAND_STRENGTH = 0.18
# Characters of the legend's font beside each other in a figure.
LEGEND_WIDTH = 95
# A linear axis cannot show losses that differ by more than this factor.
LARGEST_LINEAR_RATIO = 20
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.axisbelow": True,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "savefig.dpi": 200,
    # Element ids of an SVG are random without it.
    "svg.hashsalt": "ablation",
}
# Nothing in a file may tell when or with what it was made, so that equal figures are equal files.
METADATA = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}

# The epochs of each run, by label.
HistoriesByLabel = Mapping[str, Sequence[pd.DataFrame]]


def table_histories(table: Table, results: Results) -> HistoriesByLabel:
    """The epochs of the runs behind each row of a table, by label: the completed ones or, where all diverged, those.

    A variant that is in several rows is shown once, under its first label.
    """
    runs = results.runs
    histories: dict[str, list[pd.DataFrame]] = {}
    labels: dict[str, str] = {}
    for row in table.rows:
        labels.setdefault(row.variant, row.label)
    for variant, label in labels.items():
        suffix, seeds = _shown_seeds(runs[runs["variant"] == variant])
        taken = label + suffix in histories
        name = f"{label}{suffix}, {variant}" if taken else label + suffix
        if seeds:
            histories[name] = [results.histories[variant, seed] for seed in seeds]
    return histories


def _shown_seeds(runs: pd.DataFrame) -> tuple[str, list[int]]:
    """What to add to the label of a variant, and which seeds of it to show."""
    for status, suffix in (("completed", ""), ("diverged", " (diverged)")):
        seeds = [int(seed) for seed in runs["seed"][runs["status"] == status]]
        if seeds:
            return suffix, seeds
    return "", []


def training_curves(histories: HistoriesByLabel, title: str) -> Figure:
    """Loss and accuracy (%) by epoch, one colour a label: the mean of its histories, and their range as a band."""
    with mpl.rc_context(STYLE):
        columns, lines = _legend_shape(list(histories))
        figure = Figure(figsize=(7.2, 3.2 + 0.2 * lines), layout=ConstrainedLayoutEngine(wspace=0.08))
        loss, accuracy = figure.subplots(1, 2)
        for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
            for index, frames in enumerate(histories.values()):
                _draw(axes, frames, quantity, index)
            _finish_epoch_axis(axes)
        _finish_loss_axis(loss)
        _finish_accuracy_axis(accuracy)
        _add_title(figure, title)
        _add_legend(figure, list(histories), columns)
    return figure


def spread(frames: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """Mean, minimum and maximum of a column over runs, by epoch; non-finite values are left out."""
    values = pd.concat([frame.set_index("epoch")[column] for frame in frames])
    return values.replace([np.inf, -np.inf], np.nan).groupby(level=0).agg(["mean", "min", "max"])


def save(figure: Figure, paths: Iterable[str | Path]) -> None:
    """Write a figure whole, in the format that the ending of each path names (svg or png).

    Raises:
        ValueError: another ending.
    """
    for path in map(Path, paths):
        if path.suffix not in METADATA:
            raise ValueError(f"{path}: figures end in one of {', '.join(METADATA)}")
        with atomic_write(path) as aside, mpl.rc_context(STYLE):
            figure.savefig(aside, metadata=METADATA[path.suffix])


def _draw(axes: Axes, frames: Sequence[pd.DataFrame], quantity: str, index: int) -> None:
    """Held-out and training curve of one label, the held-out one on top."""
    colour, marker = _look(index)
    for part, style, strength in (("train", TRAIN_LINE, 0.55), ("held_out", HELD_OUT_LINE, 1.0)):
        curve = spread(frames, f"{part}_{quantity}")
        epochs = curve.index.to_numpy()
        # A line of one point cannot be seen, nor can a band.
        single = len(curve) == 1
        axes.plot(
            epochs,
            curve["mean"],
            linestyle=style,
            color=colour,
            alpha=strength,
            marker=marker or ("o" if single else ""),
            markerfacecolor=colour if part == "held_out" else "white",
            markevery=max(1, len(curve) // 8),
            label=part,
        )
        if single:
            axes.vlines(epochs, curve["min"], curve["max"], color=colour, alpha=strength)
        axes.fill_between(epochs, curve["min"], curve["max"], color=colour, alpha=BAND_STRENGTH, linewidth=0)


def _look(index: int) -> tuple[str, str]:
    """Colour and marker of the label at `index`: the colours come again, with the next marker."""
    return COLOURS[index % len(COLOURS)], MARKERS[index // len(COLOURS) % len(MARKERS)]


def _finish_epoch_axis(axes: Axes) -> None:
    last = max([1.0, *(np.max(line.get_xdata(), initial=1) for line in axes.lines)])
    margin = max(0.03 * (last - 1), 0.5 if last == 1 else 0)
    axes.set_xlim(max(1 - margin, 0.5), last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")
    if not axes.lines:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no finished run", transform=axes.transAxes, ha="center", va="center")


def _finish_loss_axis(axes: Axes) -> None:
    axes.set_ylabel("loss")
    values = np.concatenate([np.empty(0), *(np.asarray(line.get_ydata(), dtype=float) for line in axes.lines)])
    values = values[np.isfinite(values)]
    if len(values) and 0 < values.min() * LARGEST_LINEAR_RATIO < values.max():
        axes.set_yscale("log")


def _finish_accuracy_axis(axes: Axes) -> None:
    axes.set_ylabel("top-1 accuracy (%)")
    low, high = axes.get_ylim()
    # A little beyond 0 and 100, lest a line there be cut in half.
    axes.set_ylim(max(low, -1), min(high, 101))


def _legend_shape(labels: Sequence[str]) -> tuple[int, int]:
    """Columns and lines of a legend of these labels as wide as the figure."""
    widest = max(map(len, labels), default=1)
    columns = max(1, min(len(labels), LEGEND_WIDTH // (widest + 8)))
    return columns, -(-len(labels) // columns)


def legend_columns(labels: Sequence[str], most: int) -> int:
    """In how many columns, which are filled one after the other, a legend is no wider than the figure."""
    for count in range(most, 1, -1):
        lines = -(-len(labels) // count)
        columns = [labels[start : start + lines] for start in range(0, len(labels), lines)]
        if sum(max(map(len, column)) + 8 for column in columns) <= LEGEND_WIDTH:
            return count
    return 1


def _add_title(figure: Figure, title: str) -> None:
    """Above the panels the title and what each kind of line is: one legend, since a figure's title would overlap it."""
    grey = "#444444"
    kinds = [
        Line2D([], [], color=grey, linestyle=HELD_OUT_LINE, label="held-out images"),
        Line2D([], [], color=grey, linestyle=TRAIN_LINE, label="training images"),
        Patch(color=grey, alpha=BAND_STRENGTH, linewidth=0, label="range over seeds"),
    ]
    bold = {"weight": "bold", "size": 10}
    figure.legend(
        handles=kinds,
        loc="outside upper center",
        ncols=3,
        frameon=False,
        title=for_figure(title),
        title_fontproperties=bold,
    )


def _add_legend(figure: Figure, labels: Sequence[str], columns: int) -> None:
    """Below the panels which label each colour is."""
    looks = [_look(index) for index in range(len(labels))]
    lines = [Line2D([], [], color=colour, marker=marker) for colour, marker in looks]
    if labels:
        figure.legend(lines, list(map(for_figure, labels)), loc="outside lower center", ncols=columns, frameon=False)
