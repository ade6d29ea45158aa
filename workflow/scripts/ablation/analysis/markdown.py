"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from tabulate import tabulate

NOTHING = "–"


def number(value: float, form: str) -> str:
    """A number, or a dash where there is none. Rounding first, and adding zero, avoids `-0.00`."""
    return NOTHING if pd.isna(value) else format(round(value, 2) + 0.0, form)


def amount(value: float) -> str:
    """A number of any magnitude, with two digits at least."""
    if pd.isna(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def markdown_table(lines: list[dict[str, Any]], texts: int = 1, headers: Mapping[str, str] | None = None) -> str:
    """Lines of cells -> a Markdown table: the first columns, `texts` of them, to the left, the others to the right.

    A column is called as its key, or as `headers` says: two columns may have the same text there.
    """
    alignment = ["left"] * texts + ["right"] * (len(lines[0]) - texts)
    names = {key: (headers or {}).get(key, key) for key in lines[0]}
    return tabulate(lines, headers=names, tablefmt="pipe", colalign=alignment, disable_numparse=True)
