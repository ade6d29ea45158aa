"""Draw the comparison of one table: every seed, and the differences from the baseline with their intervals.

Usage: python plot_comparison.py --study results/study.json --table optimizers
           --comparison results/tables/optimizers.csv --output results/figures/optimizers.svg
"""

from __future__ import annotations

import argparse

from ablation.analysis.comparison_figure import comparison_figure
from ablation.analysis.figures import save
from ablation.analysis.frames import read_csv
from ablation.analysis.runs import read_study
from ablation.analysis.tables import COMPARISON, table_of
from ablation.errors import errors_for_users


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--table", required=True, help="id of the table")
    parser.add_argument("--comparison", required=True, help="CSV of the table, written by compare.py")
    parser.add_argument("--output", required=True, nargs="+", help="figures to write, .svg or .png")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users():
        study = read_study(arguments.study)
        table, comparison = table_of(study, arguments.table), read_csv(arguments.comparison, COMPARISON)
        save(comparison_figure(comparison, table.title, study.statistics.margin), arguments.output)


if __name__ == "__main__":
    main()
