"""The answer, first in the report: what the study claims and what we find; or, of a study without claims, what is best
in each table. Markdown; no torch.

In: tables as the other rules computed them. Out: what `report.md.j2` fills in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ablation.analysis.evidence import CONTRADICTED, EQUIVALENT, SUPPORTED, UNDECIDED
from ablation.analysis.latex import latex_table
from ablation.analysis.markdown import NOTHING, amount, counted, duration, markdown_table, number, p_value, spread
from ablation.analysis.statistics import MAX_SEEDS
from ablation.config.study import Study
from ablation.escaping import for_code, for_markdown

VERDICTS = (SUPPORTED, CONTRADICTED, EQUIVALENT, UNDECIDED)
POINTS, RATIO, PARAMETERS = "points", "ratio", "parameters"


def first_sentence(claims: pd.DataFrame) -> str:
    """How many claims have which verdict, in words."""
    counts = claims["verdict"].value_counts()
    found = [f"{counts[verdict]} **{verdict}**" for verdict in VERDICTS if verdict in counts]
    return f"Of {counted(len(claims), 'claim')} of the study: {', '.join(found)}."


def answers(claims: pd.DataFrame) -> list[str]:
    """One paragraph a claim: what the study says, the verdict, and what it rests on."""
    return [_answer(claim) for claim in claims.to_dict("records")]


def _answer(claim: dict[str, Any]) -> str:
    found = [
        f"{for_markdown(claim['compares'])}: {estimate_text(claim)}" if not pd.isna(claim["estimate"]) else "",
        f"p {p_value(claim['p'])}" if not pd.isna(claim["p"]) and claim["unit"] != PARAMETERS else "",
        f"n = {claim['n']}" if claim["n"].strip("0, ") else "",
    ]
    sentences = [", ".join(filter(None, found)), claim["reason"], claim["reference_evidence"]]
    told = [f"{found_text}." * bool(found_text) for found_text in sentences[:1]]
    told += [for_markdown(text) for text in sentences[1:] if text]
    return f"{for_markdown(claim['says'])} **{claim['verdict']}** – {' '.join(filter(None, told))}"


def estimate_text(claim: dict[str, Any]) -> str:
    """An estimate with its unit and interval: `+0.58 points (-0.21 to +1.37)`."""
    shown = _forms(claim["unit"])
    unit = "" if claim["unit"] == RATIO else f" {claim['unit']}"
    interval = "" if pd.isna(claim["low"]) else f" ({shown(claim['low'])} to {shown(claim['high'])})"
    return f"{shown(claim['estimate'])}{unit}{interval}"


def _forms(unit: str) -> Any:
    if unit == POINTS:
        return lambda value: number(value, "+.2f")
    return (lambda value: f"{value:,.0f}") if unit == PARAMETERS else amount


def claim_lines(claims: pd.DataFrame) -> list[dict[str, str]]:
    """The cells of the table of claims as plain texts."""
    return [
        {
            "claim": claim["says"],
            "verdict": claim["verdict"],
            "compared": claim["compares"],
            "found (95 % interval)": NOTHING if pd.isna(claim["estimate"]) else estimate_text(claim),
            "p": NOTHING if claim["unit"] == PARAMETERS else p_value(claim["p"]),
            "n": claim["n"] or NOTHING,
            "by the last epoch": claim["last_verdict"] or NOTHING,
            "reported": claim["reported"] or NOTHING,
        }
        for claim in claims.to_dict("records")
    ]


def claims_markdown(claims: pd.DataFrame) -> str:
    """All claims in one table."""
    lines = claim_lines(claims)
    marked = [
        line
        | {key: for_markdown(line[key]) for key in ("claim", "compared", "reported")}
        | {"verdict": f"**{line['verdict']}**"}
        for line in lines
    ]
    return markdown_table(marked, texts=3)


def claims_latex(claims: pd.DataFrame) -> str:
    """All claims in one table."""
    return latex_table(claim_lines(claims), texts=3)


def prices(claims: pd.DataFrame) -> list[str]:
    """What would decide the undecided claims: seeds, hours of the device, the command."""
    return [
        f"{for_markdown(claim['says'])} – {price_text(claim)}"
        + (f": {for_code(claim['command'])}" if claim["command"] else ".")
        for claim in claims.to_dict("records")
        if claim["verdict"] == UNDECIDED and not pd.isna(claim["seeds_needed"])
    ]


def price_text(line: Mapping[str, Any]) -> str:
    """What a decision needs, of a claim or of a row."""
    hours = line["device_hours_needed"]
    cost = f", {duration(hours * 3600)} of the device more" if hours > 0 else ""
    seeds = f"{line['seeds_needed']:,.0f}" if math.isfinite(line["seeds_needed"]) else f"more than {MAX_SEEDS:,}"
    return f"{seeds} seeds each{cost}"


def best_rows(study: Study, comparisons: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """The best row of each table in one sentence, with its distance from the baseline or, of that, from the next."""
    for name, comparison in comparisons.items():
        title = for_markdown(study.tables[name].title)
        ranked = comparison[comparison["n"] > 0].sort_values("mean", ascending=False, kind="stable").to_dict("records")
        if not ranked:
            yield f"{title}: no run has completed."
            continue
        best = ranked[0]
        others = ranked[1:] if best["baseline"] else [row for row in ranked[1:] if row["baseline"]]
        yield f"{title}: **{for_markdown(best['label'])}** is best, {spread(best['mean'], best['std'])} %{_n(best)}" + (
            f", {_ahead(best, others[0])}." if others else "."
        )


def _n(row: dict[str, Any]) -> str:
    return f" (n = {row['n']})"


def _ahead(best: dict[str, Any], other: dict[str, Any]) -> str:
    """How far the best row is from the other, of which one is the baseline."""
    sign, line = (-1, other) if best["baseline"] else (1, best)
    ahead = number(sign * line["difference"], "+.2f")
    low, high = sorted((sign * line["low"], sign * line["high"]))
    told = f"{ahead} points against {for_markdown(other['label'])}"
    if pd.isna(low):
        return told
    return f"{told} ({number(low, '+.2f')} to {number(high, '+.2f')}, p {p_value(line['p'])})"
