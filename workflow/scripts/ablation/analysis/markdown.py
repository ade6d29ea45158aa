"""Numbers, texts and tables as Markdown."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from tabulate import tabulate

NOTHING = "–"


def escaped(text: str) -> str:
    """Plain text for Markdown, also in a cell of a table: one line, with nothing that would be read as markup."""
    return re.sub(r"([\\`*_~\[\]<>|])", r"\\\1", " ".join(text.split()))


def number(value: float, form: str) -> str:
    """A number, or a dash where there is none. Rounding first, and adding zero, avoids `-0.00`."""
    return NOTHING if pd.isna(value) else format(round(value, 2) + 0.0, form)


def amount(value: float) -> str:
    """A number of any magnitude, with two digits at least."""
    if pd.isna(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def markdown_table(lines: list[dict[str, Any]], texts: int = 1) -> str:
    """Lines of cells -> a Markdown table: the first columns, `texts` of them, to the left, the others to the right."""
    alignment = ["left"] * texts + ["right"] * (len(lines[0]) - texts)
    return tabulate(lines, headers="keys", tablefmt="pipe", colalign=alignment, disable_numparse=True)
