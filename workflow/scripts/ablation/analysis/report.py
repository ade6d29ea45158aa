"""Tables -> the report, one Markdown file. No torch.

In: a study and its tables, which the other rules computed. Out: `report.md`, which links to `figures/` and `landscape/`
beside it: first the answer, then what is missing or warns, then the tables behind it. What did not finish is named with
the command to rerun it; with no run at all there is still a report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ablation.analysis import files
from ablation.analysis.claims import CLAIMS
from ablation.analysis.frames import frame, read_csv
from ablation.analysis.landscape.report import landscape_section
from ablation.analysis.landscape.tables import read_landscape
from ablation.analysis.markdown import counted
from ablation.analysis.page import contents
from ablation.analysis.report_claims import answers, best_rows, claims_markdown, first_sentence, prices
from ablation.analysis.report_comparisons import comparison_section
from ablation.analysis.report_data import classes_markdown, images_sentence
from ablation.analysis.report_runs import (
    cost_markdown,
    cost_sentence,
    kept_text,
    losses,
    origin_counts,
    settings_markdown,
    warnings,
)
from ablation.analysis.runs import COLUMNS
from ablation.analysis.tables import COMPARISON, settings_text
from ablation.config.settings import flat, spec
from ablation.config.study import Study
from ablation.data.arrays import Description
from ablation.escaping import for_code, for_markdown
from ablation.runs.results import prepared_data

# Where links to the sections go, and to those of the comparisons.
CONTENTS, TABLE_CONTENTS = "<!-- contents -->", "<!-- tables -->"


@dataclass(frozen=True)
class Tables:
    """What the report shows: all runs, the comparisons by table, the claims, the landscape's tables by name, the names
    of the figures, and what describes the data."""

    runs: pd.DataFrame
    comparisons: Mapping[str, pd.DataFrame]
    landscape: Mapping[str, pd.DataFrame]
    claims: pd.DataFrame = field(default_factory=lambda: frame([], CLAIMS))
    figures: frozenset[str] = frozenset()
    data: Description | None = None


def read_tables(study: Study, runs: Path, landscape: Path) -> Tables:
    """The tables of a study's report: `runs.csv`, those beside it, and those in the landscape's folder; and which
    figures there are, in `figures/` beside the folder of `runs.csv`.

    Raises:
        ValueError: a table is missing or damaged.
    """
    return Tables(
        runs=read_csv(runs, COLUMNS),
        comparisons={table: read_csv(runs.with_name(f"{table}.csv"), COMPARISON) for table in study.tables},
        landscape=read_landscape(landscape) if study.landscape else {},
        claims=read_csv(runs.with_name(f"{files.CLAIMS}.csv"), CLAIMS) if study.claims else frame([], CLAIMS),
        figures=frozenset(path.stem for path in runs.parent.with_name("figures").glob("*.png")),
        data=prepared_data(study),
    )


def render(study: Study, tables: Tables, options: str = "") -> str:
    """The report as Markdown. `options` are those that Snakemake needs for this study."""
    runs, claims = tables.runs, tables.claims
    sections = {
        "summary": _summary(study, tables),
        "notice": notice(study),
        "answers": answers(claims),
        "claims": claims_markdown(claims) if len(claims) else "",
        "prices": prices(claims),
        "best_rows": list(best_rows(study, tables.comparisons)),
        "losses": list(losses(runs, options)),
        "warnings": list(warnings(runs)),
        "kept": kept_text(runs),
        "tables": [comparison_section(study, name, each) for name, each in tables.comparisons.items()],
        "landscape": landscape_section(study, tables.landscape),
        "chosen_on": _chosen_on(study),
        "base": settings_text(flat(spec(study.matrix.base))),
        "settings": settings_markdown(study, runs),
        "cost": cost_markdown(runs),
        "cost_sentence": cost_sentence(runs),
        "origins": origin_counts(runs),
        "images": images_sentence(study, tables.data) if tables.data else "",
        "classes": classes_markdown(tables.data) if tables.data else "",
    }
    text = template("report.md.j2").render(
        study=study,
        files=files,
        figures=tables.figures,
        has_reference=has_reference(study),
        contents=CONTENTS,
        table_contents=TABLE_CONTENTS,
        **sections,
    )
    # Parts that are left out leave their empty lines.
    text = re.sub(r"\n{3,}", "\n\n", text)
    return text.replace(CONTENTS, contents(text)).replace(TABLE_CONTENTS, contents(text, "Comparisons"))


def template(name: str) -> Any:
    """A template of Markdown, of this folder."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"for_markdown": for_markdown, "for_code": for_code}
    return environment.get_template(name)


def has_reference(study: Study) -> bool:
    """Whether the study is about another's results."""
    rows = (row for table in study.tables.values() for row in table.rows)
    reported = study.landscape is not None and bool(study.landscape.reported)
    return bool(study.claims) or reported or any(row.reported is not None for row in rows)


def _summary(study: Study, tables: Tables) -> str:
    """What a reader wants to know first."""
    status = tables.runs["status"].value_counts()
    seeds = ("seed " if len(study.all_seeds) == 1 else "seeds ") + ", ".join(map(str, study.all_seeds))
    others = [f"{count} {name}" for name, count in status.items() if name != "completed"]
    sentences = [
        first_sentence(tables.claims) if len(tables.claims) else "",
        f"{status.get('completed', 0)} of {counted(len(tables.runs), 'run')} completed"
        + (f" ({', '.join(others)})." if others else "."),
        f"Study `{study.study}` on the data set `{study.data.name}`: "
        f"{counted(len(study.matrix.variants), 'variant')}, {seeds}.",
    ]
    return " ".join(filter(None, sentences))


def notice(study: Study) -> str:
    """Why no result compares with the reference's, or with a whole run's."""
    if not study.not_comparable:
        return ""
    forced = f" They are {for_code(settings_text(flat(study.override)))}." if study.override else ""
    reasons = " ".join(map(for_markdown, study.not_comparable)) + forced
    if not has_reference(study):
        return f"**A quick look.** {reasons}"
    return f"**Not comparable with the reference**, whose figures are therefore left out. {reasons}"


def _chosen_on(study: Study) -> str:
    fraction = study.data.held_out_fraction
    if fraction:
        return f"the {fraction:.0%} of the training images held out for it; the test images had no part in the choice."
    as_there = ", as in the reference," if has_reference(study) else ""
    return f"the test images{as_there} and therefore a little too good."
