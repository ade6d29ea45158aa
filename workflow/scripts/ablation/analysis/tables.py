"""Runs -> tables: pure functions over the frame of `runs.load_runs`. No torch.

Accuracies are top-1 on the test images in percent, differences in percentage points.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.frames import frame
from ablation.analysis.runs import LOST
from ablation.analysis.statistics import NAN, holm, pooled, seeds_needed, welch
from ablation.config.settings import NOT_SET, changes, spec
from ablation.config.study import Row, Study, Table
from ablation.runs.records import FINISHED

COMPARISON = {
    "variant": "object",
    "label": "object",
    "baseline": "bool",
    "n": "int64",
    "mean": "float64",
    "std": "float64",
    "accuracies": "object",
    "reported": "float64",
    "reported_difference": "float64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "last_mean": "float64",
    "last_std": "float64",
    "last_difference": "float64",
    "last_low": "float64",
    "last_high": "float64",
    "last_p": "float64",
    "diverged": "int64",
    "missing": "int64",
    "changes": "object",
    "changed": "int64",
    "seeds_needed": "float64",
    "device_hours_needed": "float64",
}
ACCURACY_OF = {"best": "best_accuracy", "averaged": "averaged_accuracy"}
SECONDS_PER_HOUR = 3600
BYTES_PER_GIB = 2**30


def table_of(study: Study, table_id: str) -> Table:
    """The table of that name.

    Raises:
        ValueError: the study has none.
    """
    if table_id not in study.tables:
        raise ValueError(f"no table '{table_id}'; tables of this study: {', '.join(study.tables) or 'none'}")
    return study.tables[table_id]


def comparison(study: Study, table: Table, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a row of the table: its accuracies, the reference's beside them, and the difference from the baseline.

    Mean and sample standard deviation are over the `n` completed runs, whose `accuracies` are told with blanks between.
    Diverged runs are left out and counted, and so are missing ones, among them the outdated and the damaged. `low` and
    `high` are the 95 % Welch interval of the difference, and `p` is adjusted for all rows of the table (Holm).
    `last_...` is the same for the last epoch's accuracy, or that of the averaged weights. `changes` are the settings
    that differ from the baseline's. Where the difference is not decided, `seeds_needed` are told, and the hours of the
    device that those beyond the finished ones cost.
    """
    baseline = table.baseline_row
    lines = [_line(study, row, baseline, runs) for row in table.rows]
    for p in ("p", "last_p"):
        for line, adjusted in zip(lines, holm([line.get(p, NAN) for line in lines]), strict=True):
            line[p] = adjusted
    of_baseline, level = lines[table.rows.index(baseline)], study.statistics.level
    for line in lines:
        if not line["baseline"] and not line["p"] <= level:
            # At the level at which a row is surely decided, whatever the others come to.
            line.update(_price(line, of_baseline, runs, level / (len(lines) - 1)))
    return frame(lines, COMPARISON)


def accuracies(runs: pd.DataFrame, row: Row, *, last: bool = False) -> pd.Series:
    """The accuracies that a row compares, of its completed runs."""
    completed = (runs["variant"] == row.variant) & (runs["status"] == "completed")
    return runs[accuracy_column(row, last=last)][completed].dropna()


def accuracy_column(row: Row, *, last: bool) -> str:
    """Which accuracy a row compares, of the selected epoch or of the last. No epoch was chosen for averaged weights."""
    return "last_accuracy" if last and row.accuracy == "best" else ACCURACY_OF[row.accuracy]


def _line(study: Study, row: Row, baseline: Row, runs: pd.DataFrame) -> dict[str, Any]:
    of_row = runs[runs["variant"] == row.variant]
    accuracy, last = accuracies(runs, row), accuracies(runs, row, last=True)
    reported = NAN if row.reported is None or study.not_comparable else row.reported
    changes = changed_settings(study, baseline.variant, row.variant)
    line = {
        "variant": row.variant,
        "label": row.label,
        "baseline": row == baseline,
        "n": len(accuracy),
        "mean": accuracy.mean(),
        "std": accuracy.std(ddof=1),
        "accuracies": " ".join(f"{each:.8g}" for each in accuracy),
        "reported": reported,
        "reported_difference": accuracy.mean() - reported,
        "last_mean": last.mean(),
        "last_std": last.std(ddof=1),
        "diverged": int((of_row["status"] == "diverged").sum()),
        "missing": int(of_row["status"].isin(LOST).sum()),
        "changes": "; ".join(changes),
        "changed": len(changes),
    }
    return line if row == baseline else line | _differences(row, baseline, runs)


def _differences(row: Row, baseline: Row, runs: pd.DataFrame) -> dict[str, float]:
    """Of the selected and of the last epoch, not yet adjusted for the other rows."""
    found: dict[str, float] = {}
    for prefix, last in (("", False), ("last_", True)):
        welched = welch(accuracies(runs, row, last=last), accuracies(runs, baseline, last=last))
        names = ("difference", "low", "high", "p")
        found |= {prefix + name: value for name, value in zip(names, welched[:4], strict=True)}
    return found


def _price(line: dict[str, Any], baseline: dict[str, Any], runs: pd.DataFrame, level: float) -> dict[str, float]:
    """The seeds that this difference would need, and what those that are not there yet would cost."""
    seeds = seeds_needed(line["difference"], pooled(line["std"], baseline["std"]), level)
    hours = sum(max(0.0, seeds - each["n"]) * device_hours(runs, each["variant"]) for each in (line, baseline))
    return {"seeds_needed": seeds, "device_hours_needed": hours if np.isfinite(seeds) else NAN}


def device_hours(runs: pd.DataFrame, variant: str) -> float:
    """What a finished run of a variant took, as the mean."""
    return runs["device_seconds"][runs["variant"] == variant].mean() / SECONDS_PER_HOUR


def changed_settings(study: Study, before: str, after: str) -> list[str]:
    """The settings in which two variants differ, as `key old → new`.

    A component that takes the place of another is one change, with all settings that only one of the two has.
    """
    settings = study.matrix.settings
    found = changes(spec(settings[before]), spec(settings[after]))
    return [
        f"{key} {old} → {new}"
        for key, (old, new) in found.items()
        if NOT_SET not in (old, new) or key.rpartition(".")[0] not in found
    ]


def settings_overview(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a variant: its settings that are not those of base, its trainable parameters, its completed runs."""
    base = spec(study.matrix.base)
    lines = []
    for variant, settings in study.matrix.settings.items():
        of_variant = runs[runs["variant"] == variant]
        differing = {key: now for key, (_, now) in changes(base, spec(settings)).items() if now != NOT_SET}
        lines.append(
            {
                "variant": variant,
                "settings": settings_text(differing),
                "parameters": of_variant["parameters"].max(),
                "n": int((of_variant["status"] == "completed").sum()),
            }
        )
    return pd.DataFrame(lines)


def settings_text(settings: dict[str, Any]) -> str:
    """Settings in one line, written as in the YAML: `filters [128, 256, 512], grad_clip null`."""
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()
    )


def cost(runs: pd.DataFrame) -> pd.DataFrame:
    """What the finished runs took, one line a variant and one for all.

    Times (s), energy (J) and interruptions are sums, memory (GiB) is the largest.
    """
    finished = runs[runs["status"].isin(FINISHED)]
    by_variant = {str(variant): group for variant, group in finished.groupby("variant", sort=False)}
    lines = [_cost_line(variant, group) for variant, group in by_variant.items()]
    # Speeds of different networks have no meaningful median.
    total = _cost_line("total", finished) | {"images_per_second": float("nan")}
    return pd.DataFrame([*lines, total])


def _cost_line(name: str, runs: pd.DataFrame) -> dict[str, Any]:
    return {
        "variant": name,
        "runs": len(runs),
        "wall_seconds": runs["wall_seconds"].sum(),
        "device_seconds": runs["device_seconds"].sum(),
        "energy_joules": runs["energy_joules"].sum(min_count=1),
        "images_per_second": runs["images_per_second"].median(),
        "peak_memory_gib": (runs["peak_memory_bytes"] / BYTES_PER_GIB).max(),
        "interruptions": int(runs["interruptions"].sum()),
    }
