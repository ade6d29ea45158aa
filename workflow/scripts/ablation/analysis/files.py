"""What the report's rules write, besides the landscape: names of tables and figures. Nothing slow to load: the rules
read it."""

from __future__ import annotations

# A table `t` is compared in tables/t.csv and figures/t.*; these names are taken.
CLAIMS, CONFUSION, FILTERS = "claims", "confusion", "filters"
RUNS = "runs"


def curves(table: str) -> str:
    """The figure of a table's training curves."""
    return f"{table}-curves"
