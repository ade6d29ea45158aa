"""The runs in the report, as Markdown: what is missing, what warns, what they cost and where they come from. No torch.

In: a study and the frame of all runs. Out: what `report.md.j2` fills in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ablation.analysis.markdown import ENERGIES, NOTHING, TIMES, amount, counted, duration, fitting, markdown_table
from ablation.analysis.runs import EARLIER
from ablation.analysis.tables import cost, settings_overview
from ablation.config.study import Study
from ablation.escaping import for_markdown
from ablation.runs.records import FINISHED

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


def losses(runs: pd.DataFrame, options: str) -> Iterator[tuple[str, str, int, list[dict[str, Any]]]]:
    """The runs without a result, by status: their number, and by variant the command that makes them."""
    for status, explanation in LOSSES.items():
        lost = runs[runs["status"] == status].to_dict("records")
        alike: dict[tuple[str, str], list[int]] = {}
        for row in lost:
            detail = f"in epoch {row['epochs']}" if status == "diverged" else for_markdown(row["problem"])
            alike.setdefault((row["variant"], detail), []).append(row["seed"])
        if lost:
            items = [_lost(variant, seeds, detail, status, options) for (variant, detail), seeds in alike.items()]
            yield status, explanation, len(lost), items


def _lost(variant: str, seeds: Sequence[int], detail: str, status: str, options: str) -> dict[str, Any]:
    numbers = ",".join(map(str, seeds))
    folder = f"results/runs/{variant}/seed{numbers if len(seeds) == 1 else f'{{{numbers}}}'}"
    command = ["snakemake", f"{folder}/metrics.json", *["--force"] * (status in FORCED), options]
    return {
        "variant": variant,
        "seeds": f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        "detail": detail,
        "command": " ".join(filter(None, command)),
        "logs": f"{folder}/train.log",
    }


def kept_text(runs: pd.DataFrame) -> str:
    """The runs that earlier training code made, by variant; empty where there is none."""
    by_variant = runs[runs["code"] == EARLIER].groupby("variant", sort=False)["seed"]
    return "; ".join(f"`{variant}`, seed {', '.join(map(str, seeds))}" for variant, seeds in by_variant)


def warnings(runs: pd.DataFrame) -> Iterator[str]:
    """Finished runs that disagree, and what is odd about some, with their variants."""
    differing = [name.lower() for name, counts in origin_counts(runs).items() if len(counts) > 1]
    if differing:
        yield f"The finished runs disagree: {', '.join(differing)}. Differences between variants may come from that."
    odd = runs[runs["status"].isin(FINISHED) & (runs["problem"] != "")]
    for problem, variants in odd.groupby("problem", sort=False)["variant"]:
        yield f"{for_markdown(problem)}. These variants: {', '.join(f'`{name}`' for name in variants.unique())}."


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


def settings_markdown(study: Study, runs: pd.DataFrame) -> str:
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


def cost_sentence(runs: pd.DataFrame) -> str:
    """What all finished runs took together."""
    total = cost(runs).to_dict("records")[-1]
    times = {name: duration(total[f"{name}_seconds"]) for name in ("wall", "device")}
    return f"{counted(total['runs'], 'finished run')} took {times['device']} on the device, and {times['wall']} in all."


def cost_markdown(runs: pd.DataFrame) -> str:
    """What the finished runs took. A column has one unit, that of the largest variant; the total is the last line."""
    costs = cost(runs)
    largest = costs.iloc[:-1].max(numeric_only=True)
    of_times = {name: fitting(largest[f"{name}_seconds"], TIMES) for name in ("wall", "device")}
    of_energy = fitting(largest["energy_joules"], ENERGIES)
    headers = {name: f"{name} time ({unit})" for name, unit in of_times.items()} | {"energy": f"energy ({of_energy})"}
    lines = [
        {"variant": row["variant"], "runs": row["runs"]}
        | {name: amount(row[f"{name}_seconds"] / TIMES[unit]) for name, unit in of_times.items()}
        | {
            "energy": amount(row["energy_joules"] / ENERGIES[of_energy]),
            "images/s (median)": amount(row["images_per_second"]),
            "peak memory (GiB)": amount(row["peak_memory_gib"]),
            "interruptions": row["interruptions"] or NOTHING,
        }
        for row in costs.to_dict("records")
    ]
    return markdown_table(lines, headers=headers)
