"""What the report's rules write, besides the landscape: names of tables, figures and texts. Nothing slow to load: rules
read it."""

from __future__ import annotations

# A table `t` is compared in tables/t.csv and figures/t.*; these names are taken.
CLAIMS, CONFUSION, FILTERS = "claims", "confusion", "filters"
RUNS = "runs"
REPORT, MODEL_CARD = "report.md", "model_card.md"


def curves(table: str) -> str:
    """The figure of a table's training curves."""
    return f"{table}-curves"
