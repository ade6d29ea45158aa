"""The comparisons in the report, as Markdown and as LaTeX. No torch.

In: a study and the comparison of a table. Out: what `report.md.j2` fills in.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from ablation.analysis.latex import latex_table
from ablation.analysis.markdown import NOTHING, counted, interval, markdown_table, number, p_value, spread
from ablation.analysis.report_claims import price_text
from ablation.config.settings import NOT_SET, flat, spec
from ablation.config.study import Study
from ablation.escaping import for_markdown

COUNTED = ("diverged", "missing")
# More columns of settings would leave no room for results.
MOST_SETTINGS = 3
SEVERAL = "†"
SETTING = "setting "  # before the key of a column of settings
BOLD = ("", "accuracy")
SWITCH = {True: "on", False: "off"}


def comparison_section(study: Study, name: str, comparison: pd.DataFrame) -> dict[str, Any]:
    """Everything that the template shows of a table."""
    table, settings = study.tables[name], differing_settings(study, name)
    fits = len(settings) <= MOST_SETTINGS
    return {
        "id": name,
        "title": table.title,
        "note": table.note,
        "markdown": comparison_markdown(comparison, settings if fits else {}),
        "changes": list(_changes(comparison, fits)),
        "several": bool((comparison["changed"] > 1).any()),
        "averaged": [for_markdown(row.label) for row in table.rows if row.accuracy == "averaged"],
        "prices": [
            f"{for_markdown(row['label'])} ({price_text(row)})"
            for row in comparison.to_dict("records")
            if not pd.isna(row["seeds_needed"])
        ],
    }


def differing_settings(study: Study, name: str) -> dict[str, list[str]]:
    """The settings that are not the same in all rows of a table: one text a row, by setting.

    Of a component that takes the place of another only the name counts, as in `tables.changed_settings`.
    """
    specs = [flat(spec(study.matrix.settings[row.variant])) for row in study.tables[name].rows]
    columns = {
        key: [each.get(key, NOT_SET) for each in specs] for key in dict.fromkeys(key for each in specs for key in each)
    }
    differing = {key: values for key, values in columns.items() if any(value != values[0] for value in values)}
    return {
        key: [setting_text(value) for value in values]
        for key, values in differing.items()
        if NOT_SET not in values or key.rpartition(".")[0] not in differing
    }


def setting_text(value: Any) -> str:
    if value == NOT_SET:
        return NOTHING
    if isinstance(value, bool):
        return SWITCH[value]
    return value if isinstance(value, str) else json.dumps(value)


def comparison_lines(table: pd.DataFrame, settings: dict[str, list[str]]) -> list[dict[str, str]]:
    """The cells of a comparison as plain texts, with two decimals, one line a row; `settings` are columns too."""
    rows = table.to_dict("records")
    return [
        {"": row["label"] + (f" {SEVERAL}" if row["changed"] > 1 else "")}
        | {SETTING + key: column[index] for key, column in settings.items()}
        | {
            "n": _count(row),
            "accuracy": spread(row["mean"], row["std"]),
            "reference": number(row["reported"], ".2f"),
            "to the reference": number(row["reported_difference"], "+.2f"),
            "to the baseline": "baseline" if row["baseline"] and len(rows) > 1 else interval(row),
            "p": p_value(row["p"]),
            "last epoch": spread(row["last_mean"], row["last_std"]),
        }
        for index, row in enumerate(rows)
    ]


def best_row(table: pd.DataFrame) -> int | None:
    """The place of the row with the highest mean, where several rows have one."""
    return int(table["mean"].idxmax()) if table["mean"].notna().sum() > 1 else None


def comparison_markdown(table: pd.DataFrame, settings: dict[str, list[str]]) -> str:
    """A comparison as Markdown; the best row is bold."""
    lines, texts = comparison_lines(table, settings), ["", *(SETTING + key for key in settings)]
    lines = [line | {key: for_markdown(line[key]) for key in texts} for line in lines]
    best = best_row(table)
    if best is not None:
        lines[best] |= {key: f"**{lines[best][key]}**" for key in BOLD}
    return markdown_table(lines, texts=len(texts), headers={SETTING + key: f"`{key}`" for key in settings})


def comparison_latex(study: Study, name: str, table: pd.DataFrame) -> str:
    """A comparison as LaTeX; the best row is bold."""
    settings = differing_settings(study, name)
    lines = comparison_lines(table, settings if len(settings) <= MOST_SETTINGS else {})
    headers = {SETTING + key: key for key in settings}
    return latex_table(lines, texts=1, headers=headers, bold={(best_row(table), key) for key in BOLD})


def _count(row: dict[str, Any]) -> str:
    """`n`, with the runs that it does not count: `3 (1 diverged, 1 missing)`."""
    others = ", ".join(f"{row[status]} {status}" for status in COUNTED if row[status])
    return f"{row['n']} ({others})" if others else str(row["n"])


def _changes(comparison: pd.DataFrame, in_columns: bool) -> list[str]:
    """The settings of the rows in which more than one differs, or of all rows where the table has no columns for it."""
    rows = comparison[comparison["changed"] > (1 if in_columns else 0)].to_dict("records")
    return [
        f"{for_markdown(row['label'])} differs from the baseline in {counted(row['changed'], 'setting')}: "
        f"{for_markdown(row['changes'])}."
        for row in rows
    ]
