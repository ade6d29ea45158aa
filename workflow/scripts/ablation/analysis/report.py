"""Tables -> the report, one Markdown file. No torch.

In: a study and its tables, which the other rules computed. Out: `report.md`, which links to `figures/` and `landscape/`
beside it. What did not finish is named with the command to rerun it; with no run at all there is still a report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ablation.analysis.frames import read_csv
from ablation.analysis.landscape.report import landscape_section
from ablation.analysis.landscape.tables import read_landscape
from ablation.analysis.markdown import NOTHING, amount, markdown_table, number
from ablation.analysis.runs import COLUMNS, EARLIER, FINISHED
from ablation.analysis.tables import COMPARISON, cost, settings_overview, settings_text
from ablation.config.settings import flat, spec
from ablation.config.study import Study
from ablation.escaping import for_code, for_markdown, for_shell

COUNTED = ("diverged", "missing")
ACCURACY_COLUMN = "accuracy"
LAST_COLUMN = "last epoch"
# The runs that are in no table, in the order of the report.
LOSSES = {
    "diverged": "the loss became infinite or NaN; a result, left out of all means.",
    "missing": "there is no result.",
    "outdated": "the result was made with settings or data that are no longer those of the study.",
    "damaged": "the result is not what the run wrote, or cannot be read.",
}
# Snakemake may take these results for done: only `--force` reruns them.
FORCED = ("diverged", "outdated", "damaged")
ORIGINS = {
    "git_commit": "Commit",
    "code": "Training code",
    "data_digest": "Digest of the data",
    "versions": "Versions",
    "device": "Device",
    "threads": "Processor threads",  # of the runs without a GPU
}


@dataclass(frozen=True)
class Tables:
    """What the report shows: all runs, the comparisons by table, and the landscape's tables by name."""

    runs: pd.DataFrame
    comparisons: Mapping[str, pd.DataFrame]
    landscape: Mapping[str, pd.DataFrame]


def read_tables(study: Study, runs: Path, landscape: Path) -> Tables:
    """The tables of a study's report: `runs.csv`, the comparisons beside it, and those in the landscape's folder.

    Raises:
        ValueError: one is missing or damaged.
    """
    return Tables(
        runs=read_csv(runs, COLUMNS),
        comparisons={table: read_csv(runs.with_name(f"{table}.csv"), COMPARISON) for table in study.tables},
        landscape=read_landscape(landscape) if study.landscape else {},
    )


def render(study: Study, tables: Tables, options: str = "") -> str:
    """The report as Markdown. `options` are those that Snakemake needs for this study."""
    runs = tables.runs
    origins = origin_counts(runs)
    sections = {
        "summary": _summary(study, runs),
        "notices": list(_notices(study)),
        "losses": list(_losses(runs, options)),
        "tables": [_table(study, name, comparison) for name, comparison in tables.comparisons.items()],
        "landscape": landscape_section(study, tables.landscape),
        "chosen_on": _chosen_on(study),
        "kept": kept_text(runs),
        "base": settings_text(flat(spec(study.matrix.base))),
        "settings": _settings_markdown(study, runs),
        "cost": _cost_markdown(runs),
        "origins": origins,
        "warnings": [*_warnings(origins), *_problems(runs)],
    }
    text = _template().render(study=study, accuracy_column=ACCURACY_COLUMN, last_column=LAST_COLUMN, **sections)
    # Parts that are left out leave their empty lines.
    return re.sub(r"\n{3,}", "\n\n", text)


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"for_markdown": for_markdown, "for_code": for_code}
    return environment.get_template("report.md.j2")


def _summary(study: Study, runs: pd.DataFrame) -> str:
    seeds = ("seed " if len(study.seeds) == 1 else "seeds ") + ", ".join(map(str, study.seeds))
    completed = int((runs["status"] == "completed").sum())
    return (
        f"Study `{study.study}` on the data set `{study.data.name}`: {len(study.matrix.variants)} variants, each "
        f"trained with {seeds}. {completed} of {len(runs)} runs completed."
    )


def _notices(study: Study) -> Iterator[str]:
    """Why no result compares with the reference's."""
    if study.override:
        forced = settings_text(flat(study.override))
        yield (
            f"Every run that has these settings was made with {for_code(forced)}, whatever its variant says: "
            "a quick look."
        )
    if study.data.train_images_per_class is not None:
        yield f"Every run was trained on {study.data.train_images_per_class} images of each class only."


def _losses(runs: pd.DataFrame, options: str) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for status, explanation in LOSSES.items():
        lost = runs[runs["status"] == status]
        if len(lost):
            yield status, explanation, [_lost(row, options) for row in lost.to_dict("records")]


def _lost(row: dict[str, Any], options: str) -> dict[str, Any]:
    status, directory = row["status"], row["directory"]
    command = ["snakemake", f"{directory}/metrics.json", *["--force"] * (status in FORCED)]
    return {
        "variant": row["variant"],
        "seed": row["seed"],
        "detail": f"in epoch {row['epochs']}" if status == "diverged" else for_markdown(row["problem"]),
        "command": f"{for_shell(*command)} {options}".strip(),
        "log": f"{directory}/train.log",
    }


def _table(study: Study, table_id: str, comparison: pd.DataFrame) -> dict[str, Any]:
    table = study.tables[table_id]
    return {
        "id": table_id,
        "title": table.title,
        "note": table.note,
        "markdown": comparison_markdown(comparison),
        "averaged": [for_markdown(row.label) for row in table.rows if row.accuracy == "averaged"],
    }


def comparison_markdown(table: pd.DataFrame) -> str:
    """A comparison as Markdown, with two decimals."""
    lines = [
        {
            "": for_markdown(row["label"]),
            "n": _count(row),
            ACCURACY_COLUMN: _mean_and_std(row["mean"], row["std"]),
            "reference": number(row["reported"], ".2f"),
            "difference": number(row["difference"], "+.2f"),
            LAST_COLUMN: _mean_and_std(row["last_mean"], row["last_std"]),
        }
        for row in table.to_dict("records")
    ]
    return markdown_table(lines)


def _count(row: dict[str, Any]) -> str:
    """`n`, with the runs that it does not count: `3 (1 diverged, 1 missing)`."""
    others = ", ".join(f"{row[status]} {status}" for status in COUNTED if row[status])
    return f"{row['n']} ({others})" if others else str(row["n"])


def _mean_and_std(mean: float, std: float) -> str:
    return number(mean, ".2f") + ("" if pd.isna(std) else f" ± {std:.2f}")


def _settings_markdown(study: Study, runs: pd.DataFrame) -> str:
    lines = [
        {
            "variant": f"`{row['variant']}`",
            "settings": for_markdown(row["settings"]) or NOTHING,
            "trainable parameters": NOTHING if pd.isna(row["parameters"]) else f"{row['parameters']:,}",
            "n": row["n"],
        }
        for row in settings_overview(study, runs).to_dict("records")
    ]
    return markdown_table(lines, texts=2)


def _cost_markdown(runs: pd.DataFrame) -> str:
    lines = [
        {
            "variant": row["variant"],
            "runs": row["runs"],
            "wall hours": amount(row["wall_hours"]),
            "device hours": amount(row["device_hours"]),
            "images/s (median)": amount(row["images_per_second"]),
            "peak memory (GiB)": amount(row["peak_memory_gib"]),
            "interruptions": row["interruptions"],
        }
        for row in cost(runs).to_dict("records")
    ]
    return markdown_table(lines)


def _chosen_on(study: Study) -> str:
    fraction = study.data.validation_fraction
    if fraction:
        return f"the {fraction:.0%} of the training images held out for it; the test images had no part in the choice."
    return "the test images, as in the reference, and therefore a little too high."


def origin_counts(runs: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Where the finished runs come from: how many of them have each commit, digest, version, device, threads."""
    finished = runs[runs["status"].isin(FINISHED)]
    if finished.empty:
        return {}
    counts = {
        name: finished[column].replace("", "unknown").value_counts(sort=False).to_dict()
        for column, name in ORIGINS.items()
    }
    return {name: by_value for name, by_value in counts.items() if by_value}


def kept_text(runs: pd.DataFrame) -> str:
    """The runs that earlier training code made, by variant; empty where there is none."""
    by_variant = runs[runs["code"] == EARLIER].groupby("variant", sort=False)["seed"]
    return "; ".join(f"`{variant}`, seed {', '.join(map(str, seeds))}" for variant, seeds in by_variant)


def _problems(runs: pd.DataFrame) -> Iterator[str]:
    """What is odd about finished runs, with their variants."""
    odd = runs[runs["status"].isin(FINISHED) & (runs["problem"] != "")]
    for problem, variants in odd.groupby("problem", sort=False)["variant"]:
        yield f"{for_markdown(problem)}. These variants: {', '.join(f'`{name}`' for name in variants.unique())}."


def _warnings(origins: dict[str, dict[str, int]]) -> Iterator[str]:
    differing = [name.lower() for name, counts in origins.items() if len(counts) > 1]
    if differing:
        yield f"The finished runs disagree: {', '.join(differing)}. Differences between variants may come from that."
