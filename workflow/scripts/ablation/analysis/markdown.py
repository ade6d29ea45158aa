"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from tabulate import tabulate

NOTHING = "–"
# Seconds of a unit of time, the largest first.
TIMES = {"h": 3600, "min": 60, "s": 1}
# Joules of a unit of energy.
ENERGIES = {"kWh": 3_600_000, "Wh": 3600}


def number(value: float, form: str) -> str:
    """A number, or a dash where there is none. Rounding first, and adding zero, avoids `-0.00`."""
    return NOTHING if pd.isna(value) else format(round(value, 2) + 0.0, form)


def spread(mean: float, std: float) -> str:
    """`89.00 ± 1.00`, with two decimals; of one value, the value."""
    return number(mean, ".2f") + ("" if pd.isna(std) else f" ± {std:.2f}")


def interval(line: Mapping[str, Any]) -> str:
    """A difference with its interval: `+0.58 (-0.21 to +1.37)`."""
    text = number(line["difference"], "+.2f")
    return text if pd.isna(line["low"]) else f"{text} ({number(line['low'], '+.2f')} to {number(line['high'], '+.2f')})"


def p_value(p: float) -> str:
    """A p value, which is never shown as zero."""
    return NOTHING if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.2g}"


def amount(value: float) -> str:
    """A number of any magnitude, with two digits at least."""
    if pd.isna(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def counted(count: int, what: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time in the unit that fits it: `42.00 min`."""
    unit = fitting(seconds, TIMES)
    return f"{amount(seconds / TIMES[unit])} {unit}"


def fitting(largest: float, units: Mapping[str, float]) -> str:
    """The largest unit of which there is one; where there is none, the smallest."""
    return next((unit for unit, size in units.items() if largest >= size), list(units)[-1])


def shown_columns(lines: list[dict[str, Any]]) -> list[str]:
    """The keys of lines of cells, without those that have nothing in any line, but with the first."""
    first, *others = lines[0]
    return [first, *(key for key in others if any(line[key] != NOTHING for line in lines))]


def markdown_table(lines: list[dict[str, Any]], texts: int = 1, headers: Mapping[str, str] | None = None) -> str:
    """Lines of cells -> a Markdown table: the first columns, `texts` of them, to the left, the others to the right.

    A column is called as its key, or as `headers` says: two columns may have the same text there.
    """
    kept = shown_columns(lines)
    alignment = ["left" if key in list(lines[0])[:texts] else "right" for key in kept]
    cells = [[line[key] for key in kept] for line in lines]
    names = [(headers or {}).get(key, key) for key in kept]
    return tabulate(cells, headers=names, tablefmt="pipe", colalign=alignment, disable_numparse=True)
