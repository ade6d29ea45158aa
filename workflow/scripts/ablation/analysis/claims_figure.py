"""Claims -> one figure of all verdicts. No torch.

In: the CSV that `judge_claims.py` wrote. Out: a matplotlib figure, a row a claim: differences of accuracy in one panel,
ratios in another, and the verdict as a sign and a word, which grey print keeps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ablation.analysis.evidence import CONTRADICTED, EQUIVALENT, POINTS, SUPPORTED, UNDECIDED
from ablation.analysis.figure_texts import wrapped
from ablation.analysis.figures import STYLE, wrapped_title

WIDTH, LINE_HEIGHT, SECTION_GAP = 8.4, 0.34, 0.3
SAYS_WIDTH = 46
SIGNS = {SUPPORTED: "✓", CONTRADICTED: "✗", EQUIVALENT: "≈", UNDECIDED: "?"}
COLOURS = {SUPPORTED: "#00755A", CONTRADICTED: "#B84A00", EQUIVALENT: "#005A94", UNDECIDED: "#666666"}
SHADE, GREY = "#e8e8e8", "#666666"
# Where differences are larger than this, they are shown linearly up to `LINEAR_POINTS` only, logarithmically beyond.
LARGEST_LINEAR = 10.0
LINEAR_POINTS = 1.0
# What the smallest and largest value have around them on it.
LOGARITHMIC_ROOM = 1.4
# The axis of ratios shows at least this range; beyond a range of `MANY_TICKS` it has ticks at powers of ten only.
LEAST_RATIOS = (0.5, 2.0)
MANY_TICKS = 50
# Intervals of ratios are drawn up to so many times the largest estimate, and down to that part of the smallest.
LONGEST = 5.0


def claims_figure(claims: pd.DataFrame, title: str) -> Figure:
    """All claims from top to bottom, a gap between sections, each with its estimate, 95 % interval and verdict."""
    rows, places, place = claims.to_dict("records"), [], 0.0
    for index, row in enumerate(rows):
        place += SECTION_GAP if index and row["section"] != rows[index - 1]["section"] else 0
        places.append(place)
        place += 1
    labels = [wrapped(row["says"], SAYS_WIDTH) for row in rows]
    panels = [unit for unit in (POINTS, "ratio") if any(row["unit"] == unit for row in rows)] or [POINTS]
    with mpl.rc_context(STYLE | {"axes.grid.axis": "x"}):
        figure = Figure(figsize=(WIDTH, 1.1 + LINE_HEIGHT * max(place, 1)), layout=ConstrainedLayoutEngine(wspace=0.02))
        axes_of = dict(zip(panels, figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], strict=True))
        for unit, axes in axes_of.items():
            _prepare(axes, unit)
            room = _room(unit, rows)
            for each, row in zip(places, rows, strict=True):
                if row["unit"] == unit:
                    _draw(axes, each, row, room)
            _finish(axes, unit)
        first, last = axes_of[panels[0]], axes_of[panels[-1]]
        first.set(ylim=(place - 0.3, -0.7), yticks=places)
        first.set_yticklabels(labels, fontsize=8)
        for each, row in zip(places, rows, strict=True):
            _write(first, last, each, row)
        figure.suptitle(wrapped_title(title), fontsize=10, weight="bold")
    return figure


def _prepare(axes: Axes, unit: str) -> None:
    axes.tick_params(axis="y", length=0)
    if unit == "ratio":
        axes.set_xscale("log")
    axes.axvline(1 if unit == "ratio" else 0, color=GREY, linewidth=0.8)


def _finish(axes: Axes, unit: str) -> None:
    """The scale, by what is on it."""
    low, high = axes.get_xlim()
    if unit == "ratio":
        low, high = min(low, LEAST_RATIOS[0]), max(high, LEAST_RATIOS[1])
        axes.set(xlim=(low, high), xlabel="ratio")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < MANY_TICKS * low else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif max(-low, high) > LARGEST_LINEAR:
        axes.set_xscale("symlog", linthresh=LINEAR_POINTS)
        axes.set_xlim(low * LOGARITHMIC_ROOM, high * LOGARITHMIC_ROOM)
        axes.set_xlabel(f"difference of accuracy (points;\nlogarithmic beyond {LINEAR_POINTS:g})")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_xlabel("difference of accuracy (points)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


def _room(unit: str, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Between what intervals are drawn: a very long one of a ratio would leave the others too little. It includes 1."""
    if unit != "ratio":
        return -math.inf, math.inf
    estimates = [1.0, *(row["estimate"] for row in rows if row["unit"] == unit and not pd.isna(row["estimate"]))]
    return min(estimates) / LONGEST, max(estimates) * LONGEST


def _draw(axes: Axes, place: float, row: Mapping[str, Any], room: tuple[float, float]) -> None:
    """Estimate and interval, over the margin where there is one."""
    if pd.isna(row["estimate"]):
        return
    colour = COLOURS[row["verdict"]]
    if row["unit"] == POINTS and not pd.isna(row["margin"]):
        axes.fill_between(
            [-row["margin"], row["margin"]], place - 0.42, place + 0.42, color=SHADE, zorder=0, linewidth=0
        )
    if not pd.isna(row["low"]):
        _draw_interval(axes, place, row, room)
    hollow = {"markerfacecolor": "white"} if row["verdict"] == UNDECIDED else {}
    axes.plot(row["estimate"], place, "o", color=colour, markersize=5, **hollow)  # type: ignore[arg-type]


def _draw_interval(axes: Axes, place: float, row: Mapping[str, Any], room: tuple[float, float]) -> None:
    """An arrow says that it goes on beyond the room."""
    colour = COLOURS[row["verdict"]]
    low, high = max(row["low"], room[0]), min(row["high"], room[1])
    axes.plot([low, high], [place] * 2, color=colour, linewidth=1.8, solid_capstyle="butt")
    for shown, end, arrow in ((low, row["low"], "<"), (high, row["high"], ">")):
        if shown != end:
            axes.plot(shown, place, arrow, color=colour, markersize=5)


def _write(first: Axes, last: Axes, place: float, row: Mapping[str, Any]) -> None:
    """The verdict behind the panels; in the first one, what has no place on an axis."""
    verdict = row["verdict"]
    last.text(
        1.03,
        place,
        f"{SIGNS[verdict]} {verdict}",
        transform=last.get_yaxis_transform(),
        va="center",
        color=COLOURS[verdict],
        weight="bold" if verdict != UNDECIDED else "normal",
    )
    words = ""
    if row["unit"] == "parameters" and not pd.isna(row["estimate"]):
        words = f"{row['estimate']:,.0f} parameters"
    elif row["unit"] == "epochs" and row["reason"].startswith("Median"):
        words = row["reason"].partition(": ")[2].partition(".")[0]
    elif pd.isna(row["estimate"]):
        words = "no value"
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    if words:
        transform = first.get_yaxis_transform()
        first.text(0.03, place, words, transform=transform, va="center", color=GREY, fontsize=8, bbox=white)
