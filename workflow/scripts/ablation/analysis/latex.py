"""Tables as LaTeX, with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from ablation.analysis.markdown import shown_columns
from ablation.escaping import for_latex


def latex_table(
    lines: list[dict[str, Any]],
    texts: int = 1,
    headers: Mapping[str, str] | None = None,
    bold: Collection[tuple[int | None, str]] = (),
) -> str:
    """Lines of cells -> a `tabular` to `\\input`, which needs booktabs; columns and headers as in `markdown_table`.

    `bold` are cells by place of the line and key.
    """
    kept = shown_columns(lines)
    cells = [[_cell(line[key], (index, key) in bold) for key in kept] for index, line in enumerate(lines)]
    names = [for_latex((headers or {}).get(key, key)) for key in kept]
    alignment = "".join("l" if key in list(lines[0])[:texts] else "r" for key in kept)
    styler = pd.DataFrame(cells, columns=pd.Index(range(len(kept)))).style.hide(axis="index")
    return styler.relabel_index(names, axis="columns").to_latex(hrules=True, column_format=alignment)


def _cell(text: Any, bold: bool) -> str:
    return f"\\textbf{{{for_latex(str(text))}}}" if bold else for_latex(str(text))
