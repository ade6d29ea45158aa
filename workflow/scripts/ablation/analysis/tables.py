"""Runs -> tables: pure functions over the frame of `runs.load_runs`. No torch.

Accuracies are top-1 on the test images in percent, differences in percentage points.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from ablation.analysis.frames import frame
from ablation.analysis.runs import FINISHED, LOST
from ablation.config.settings import NOT_SET, changes, spec
from ablation.config.study import Row, Study, Table

COMPARISON = {
    "variant": "object",
    "label": "object",
    "n": "int64",
    "mean": "float64",
    "std": "float64",
    "reported": "float64",
    "difference": "float64",
    "last_mean": "float64",
    "last_std": "float64",
    "diverged": "int64",
    "missing": "int64",
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


def comparison(table: Table, runs: pd.DataFrame) -> pd.DataFrame:
    """One line a row of the table, with the reference's accuracy beside ours.

    Mean and sample standard deviation are over the `n` completed runs. Diverged runs are left out of them and counted,
    and so are missing ones, among them the outdated and the damaged.
    """
    return frame([_line(row, runs[runs["variant"] == row.variant]) for row in table.rows], COMPARISON)


def _line(row: Row, runs: pd.DataFrame) -> dict[str, Any]:
    completed = runs[runs["status"] == "completed"]
    accuracy = completed[ACCURACY_OF[row.accuracy]].dropna()
    reported = float("nan") if row.reported is None else row.reported
    return {
        "variant": row.variant,
        "label": row.label,
        "n": len(accuracy),
        "mean": accuracy.mean(),
        "std": accuracy.std(ddof=1),
        "reported": reported,
        "difference": accuracy.mean() - reported,
        "last_mean": completed["last_accuracy"].mean(),
        "last_std": completed["last_accuracy"].std(ddof=1),
        "diverged": int((runs["status"] == "diverged").sum()),
        "missing": int(runs["status"].isin(LOST).sum()),
    }


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
    """What the finished runs took, one line a variant and one for all; hours and interruptions are sums, memory
    (GiB) is the largest."""
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
        "wall_hours": runs["wall_seconds"].sum() / SECONDS_PER_HOUR,
        "device_hours": runs["device_seconds"].sum() / SECONDS_PER_HOUR,
        "images_per_second": runs["images_per_second"].median(),
        "peak_memory_gib": (runs["peak_memory_bytes"] / BYTES_PER_GIB).max(),
        "interruptions": int(runs["interruptions"].sum()),
    }
