"""Histories of runs -> figures. No torch.

In: what `runs.load_results` has of them. Out: matplotlib figures, and files that are the same whenever they are made.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from rich.cells import cell_len

from ablation.analysis.figure_texts import FONT, use_fonts_with_letters, wrapped
from ablation.analysis.runs import Results
from ablation.config.study import Study, Table
from ablation.files import atomic_write

# Okabe and Ito's colours, told apart by colour-blind readers too; without their yellow, which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HELD_OUT_LINE: Final = "-"
TRAIN_LINE: Final = "--"
BAND_STRENGTH = 0.18
# Characters of the legend's font beside each other in a figure.
LEGEND_WIDTH = 95
# Of a label in it, and of a title.
LABEL_WIDTH, TITLE_WIDTH = 80, 75
# A linear axis cannot show losses that differ by more than this factor.
LARGEST_LINEAR_RATIO = 20
STYLE: dict[Any, Any] = {
    "font.family": FONT,
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


class CurveFacts(NamedTuple):
    """The loss that a curve is of, with its settings, and the mean accuracy of averaged weights; NaN for none."""

    loss: str
    averaged: float


def table_histories(table: Table, results: Results) -> HistoriesByLabel:
    """The epochs of the runs behind each row of a table, by label: the completed ones or, where all diverged, those.

    A variant that is in several rows is shown once, under its first label.
    """
    return {
        name: [results.histories[variant, seed] for seed in seeds]
        for name, variant, seeds in _shown_rows(table, results.runs)
    }


def curve_facts(study: Study, table: Table, results: Results) -> dict[str, CurveFacts]:
    """What else is to be known of each curve, by label."""
    averaged = {row.variant for row in table.rows if row.accuracy == "averaged"}
    runs, facts = results.runs, {}
    for name, variant, _ in _shown_rows(table, runs):
        accuracy = runs["averaged_accuracy"][runs["variant"] == variant].mean() if variant in averaged else float("nan")
        loss = study.matrix.settings[variant].loss
        facts[name] = CurveFacts(f"{loss.display_name} {loss.model_dump(exclude={'name'})}", accuracy)
    return facts


def _shown_rows(table: Table, runs: pd.DataFrame) -> Iterator[tuple[str, str, list[int]]]:
    """Label, variant and seeds of each curve."""
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for row in table.rows:
        labels.setdefault(row.variant, row.label)
    for variant, label in labels.items():
        suffix, seeds = _shown_seeds(runs[runs["variant"] == variant])
        name = f"{label}{suffix}, {variant}" if label + suffix in taken else label + suffix
        if seeds:
            taken.add(name)
            yield name, variant, seeds


def _shown_seeds(runs: pd.DataFrame) -> tuple[str, list[int]]:
    """What to add to the label of a variant, and which seeds of it to show."""
    for status, suffix in (("completed", ""), ("diverged", " (diverged)")):
        seeds = [int(seed) for seed in runs["seed"][runs["status"] == status]]
        if seeds:
            return suffix, seeds
    return "", []


def training_curves(histories: HistoriesByLabel, title: str, facts: Mapping[str, CurveFacts] | None = None) -> Figure:
    """Loss and accuracy (%) by epoch, a colour and a marker for each label: the mean of its histories, and their range.

    Different losses have no axis in common, so each is then shown as a multiple of that after its first epoch. A star
    is the accuracy of averaged weights.
    """
    facts = facts or {}
    relative = len({fact.loss for fact in facts.values()}) > 1
    with mpl.rc_context(STYLE):
        labels = [wrapped(label, LABEL_WIDTH, most=2) for label in histories]
        columns, lines = _legend_shape(labels)
        figure = Figure(figsize=(7.2, 3.2 + 0.2 * lines), layout=ConstrainedLayoutEngine(wspace=0.08))
        loss, accuracy = figure.subplots(1, 2)
        for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
            for index, frames in enumerate(histories.values()):
                shown = [_relative(frame) for frame in frames] if relative and quantity == "loss" else frames
                _draw(axes, shown, quantity, index)
            _finish_epoch_axis(axes)
        _draw_averages(accuracy, histories, facts)
        _finish_loss_axis(loss)
        if relative:
            loss.set_ylabel("loss / that after epoch 1")
        _finish_accuracy_axis(accuracy)
        _add_title(figure, title, averaged=any(np.isfinite(fact.averaged) for fact in facts.values()))
        _add_legend(figure, labels, columns)
    return figure


def _relative(history: pd.DataFrame) -> pd.DataFrame:
    """A history with its losses over those of its first epoch."""
    return history.assign(**{name: history[name] / history[name].iloc[0] for name in ("train_loss", "held_out_loss")})


def _draw_averages(axes: Axes, histories: HistoriesByLabel, facts: Mapping[str, CurveFacts]) -> None:
    """A star at the last epoch of each curve whose table compares averaged weights."""
    for index, (label, frames) in enumerate(histories.items()):
        if label in facts and np.isfinite(facts[label].averaged):
            last = max(frame["epoch"].max() for frame in frames)
            look: dict[str, Any] = {"color": _look(index)[0], "markeredgecolor": "black", "markersize": 10, "zorder": 5}
            axes.plot(last, facts[label].averaged, "*", label="averaged", **look)


def spread(frames: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """Mean, minimum and maximum of a column over runs, by epoch; non-finite values are left out."""
    values = pd.concat([frame.set_index("epoch")[column] for frame in frames])
    return values.replace([np.inf, -np.inf], np.nan).groupby(level=0).agg(["mean", "min", "max"])


def save(figure: Figure, paths: Iterable[str | Path]) -> None:
    """Write a figure whole, in the format that the ending of each path names (svg or png).

    Raises:
        ValueError: another ending.
    """
    use_fonts_with_letters(figure)
    for path in map(Path, paths):
        if path.suffix not in METADATA:
            raise ValueError(f"{path}: figures end in one of {', '.join(METADATA)}")
        with atomic_write(path) as aside, mpl.rc_context(STYLE), warnings.catch_warnings():
            # They have been named.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
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
            marker=marker,
            markerfacecolor=colour if part == "held_out" else "white",
            # Not all labels at the same epochs, where equal curves would hide each other's.
            markevery=(0 if single else index % max(1, len(curve) // 6), max(1, len(curve) // 6)),
            label=part,
        )
        if single:
            axes.vlines(epochs, curve["min"], curve["max"], color=colour, alpha=strength)
        axes.fill_between(epochs, curve["min"], curve["max"], color=colour, alpha=BAND_STRENGTH, linewidth=0)


def _look(index: int) -> tuple[str, str]:
    """Colour and marker of the label at `index`: the colours come again, with the next marker."""
    turn = index // len(COLOURS)
    return COLOURS[index % len(COLOURS)], MARKERS[(index + turn) % len(MARKERS)]


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
    """Columns of a legend of these labels as wide as the figure, and how many lines of text one has."""
    widest = max((len(line) for label in labels for line in label.split("\n")), default=1)
    columns = max(1, min(len(labels), LEGEND_WIDTH // (widest + 8)))
    return columns, -(-len(labels) // columns) * max((1 + label.count("\n") for label in labels), default=1)


def legend_columns(labels: Sequence[str], most: int) -> int:
    """In how many columns, which are filled one after the other, a legend is no wider than the figure."""
    for count in range(most, 1, -1):
        lines = -(-len(labels) // count)
        columns = [labels[start : start + lines] for start in range(0, len(labels), lines)]
        if sum(max(map(cell_len, column)) + 8 for column in columns) <= LEGEND_WIDTH:
            return count
    return 1


def wrapped_title(title: str) -> str:
    """A title in lines as wide as the figure."""
    return wrapped(title, TITLE_WIDTH)


def _add_title(figure: Figure, title: str, averaged: bool) -> None:
    """Above the panels the title and what each kind of line is: one legend, since a figure's title would overlap it."""
    grey = "#444444"
    kinds: list[Line2D | Patch] = [
        Line2D([], [], color=grey, linestyle=HELD_OUT_LINE, label="held-out images"),
        Line2D([], [], color=grey, linestyle=TRAIN_LINE, label="training images"),
        Patch(color=grey, alpha=BAND_STRENGTH, linewidth=0, label="range over seeds"),
    ]
    if averaged:
        kinds.append(Line2D([], [], color=grey, marker="*", markersize=10, linestyle="", label="averaged weights"))
    bold = {"weight": "bold", "size": 10}
    figure.legend(
        handles=kinds,
        loc="outside upper center",
        ncols=len(kinds),
        frameon=False,
        title=wrapped_title(title),
        title_fontproperties=bold,
    )


def _add_legend(figure: Figure, labels: Sequence[str], columns: int) -> None:
    """Below the panels which label each colour is."""
    looks = [_look(index) for index in range(len(labels))]
    lines = [Line2D([], [], color=colour, marker=marker) for colour, marker in looks]
    if labels:
        figure.legend(lines, labels, loc="outside lower center", ncols=columns, frameon=False)
