"""A comparison -> its figure: the accuracies of every row, and beside them its difference from the baseline. No torch.

In: the CSV that `compare.py` wrote of a table. Out: a matplotlib figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from ablation.analysis.figure_texts import wrapped
from ablation.analysis.figures import COLOURS, STYLE, wrapped_title

WIDTH, ROW_HEIGHT = 7.2, 0.36
# Characters of a label beside each other.
LABEL_WIDTH = 30
POINTS, MEAN, GREY, MARGIN = COLOURS[0], "#000000", "#666666", "#e8e8e8"
# How far apart the points of a row are drawn, in rows, so that equal ones can be told apart.
SPREAD = 0.22


def comparison_figure(comparison: pd.DataFrame, title: str, margin: float) -> Figure:
    """Rows from top to bottom as in the table. Left: a point a seed, the mean and n; an open diamond is the published
    accuracy. Right: the difference from the baseline with its 95 % interval; the band is the margin (points)."""
    rows = comparison.to_dict("records")
    labels = [wrapped(row["label"], LABEL_WIDTH) for row in rows]
    height = sum(max(ROW_HEIGHT, 0.17 * (1 + label.count("\n"))) for label in labels)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.35 + height), layout=ConstrainedLayoutEngine(wspace=0.03))
        left, right = figure.subplots(1, 2, sharey=True)
        for place, row in enumerate(rows):
            _draw_accuracies(left, place, row)
            _draw_difference(right, place, row)
        left.set(ylim=(len(rows) - 0.4, -0.6), yticks=range(len(rows)), xlabel="top-1 accuracy (%)")
        left.set_yticklabels(labels)
        _write_beside(left, -0.6, "n")
        # An axis of nothing has no scale.
        for axes, known in ((left, "mean"), (right, "difference")):
            axes.xaxis.set_major_locator(
                MaxNLocator(6, steps=[1, 2, 5, 10]) if comparison[known].notna().any() else NullLocator()
            )
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            axes.margins(x=0.08)
        _finish_differences(right, rows, margin)
        _add_legend(figure, title, rows, margin)
    return figure


def _draw_accuracies(axes: Axes, place: int, row: Mapping[str, Any]) -> None:
    values = np.array(row["accuracies"].split(), dtype=float)
    _write_beside(axes, place, str(row["n"]))
    if not pd.isna(row["reported"]):
        axes.plot(row["reported"], place, "D", color=COLOURS[1], markerfacecolor="none", markersize=6)
    if not len(values):
        axes.text(0.02, place, _nothing(row), transform=axes.get_yaxis_transform(), va="center", color=GREY, fontsize=8)
        return
    offsets = np.linspace(-SPREAD, SPREAD, len(values)) if len(values) > 1 else np.zeros(1)
    axes.plot(values, place + offsets, "o", color=POINTS, alpha=0.65, markersize=4, markeredgewidth=0)
    axes.plot([row["mean"]] * 2, [place - 0.32, place + 0.32], color=MEAN, linewidth=1.6, solid_capstyle="butt")


def _write_beside(axes: Axes, place: float, text: str) -> None:
    look: dict[str, Any] = {"va": "center", "ha": "left", "color": GREY, "fontsize": 8}
    axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), **look)


def _nothing(row: Mapping[str, Any]) -> str:
    diverged = f"{row['diverged']} diverged" if row["diverged"] else ""
    return ", ".join(filter(None, [diverged, "no completed run"]))


def _draw_difference(axes: Axes, place: int, row: Mapping[str, Any]) -> None:
    if row["baseline"]:
        axes.plot(0, place, "o" if row["n"] else "", color=MEAN, markersize=4.5)
        axes.annotate("baseline", (0, place), (6, 0), textcoords="offset points", va="center", color=GREY, fontsize=8)
    elif not pd.isna(row["difference"]):
        if not pd.isna(row["low"]):
            axes.plot([row["low"], row["high"]], [place] * 2, color=MEAN, linewidth=1.6, solid_capstyle="butt")
        axes.plot(row["difference"], place, "o", color=MEAN, markersize=4.5)


def _finish_differences(axes: Axes, rows: list[dict[str, Any]], margin: float) -> None:
    axes.set_xlabel("difference from the baseline (points)")
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    if len(rows) > 1:
        axes.axvspan(-margin, margin, color=MARGIN, zorder=0, linewidth=0)
    low, high = axes.get_xlim()
    # Zero and a little of both sides, also where there is but one row.
    axes.set_xlim(min(low, -1.3 * margin), max(high, 1.3 * margin))


def _add_legend(figure: Figure, title: str, rows: list[dict[str, Any]], margin: float) -> None:
    looks: list[Any] = [
        Line2D([], [], color=POINTS, marker="o", linestyle="", alpha=0.65, label="one seed"),
        Line2D([], [], color=MEAN, marker="|", markersize=10, markeredgewidth=1.6, linestyle="", label="mean"),
    ]
    if any(not pd.isna(row["reported"]) for row in rows):
        diamond = {"marker": "D", "markerfacecolor": "none", "linestyle": ""}
        looks.append(Line2D([], [], color=COLOURS[1], **diamond, label="published"))  # type: ignore[arg-type]
    if len(rows) > 1:
        looks.append(Line2D([], [], color=MEAN, marker="o", linewidth=1.6, label="95 % interval"))
        looks.append(Patch(color=MARGIN, label=f"± {margin:g} points"))
    figure.legend(
        handles=looks,
        loc="outside upper center",
        ncols=len(looks),
        frameon=False,
        title=wrapped_title(title),
        title_fontproperties={"weight": "bold", "size": 10},
    )
