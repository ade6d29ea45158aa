"""Draw the training curves of one table.

Usage: python plot_curves.py --study results/study.json --table optimizers
           --output results/figures/optimizers.svg results/figures/optimizers.png
"""

from __future__ import annotations

import argparse

from ablation.analysis.figures import curve_facts, save, table_histories, training_curves
from ablation.analysis.runs import load_results, read_study
from ablation.analysis.tables import table_of
from ablation.config import matrix
from ablation.errors import errors_for_users


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--table", required=True, help="id of the table")
    parser.add_argument("--output", required=True, nargs="+", help="figures to write, .svg or .png")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users():
        study = read_study(arguments.study)
        table = table_of(study, arguments.table)
        results = load_results(study, matrix.runs_of_table(study, table))
        curves = training_curves(table_histories(table, results), table.title, curve_facts(study, table, results))
        save(curves, arguments.output)


if __name__ == "__main__":
    main()
