"""Draw the training curves of one table.

Usage: python plot_curves.py --study results/study.json --table optimizers
           --output results/figures/optimizers.svg results/figures/optimizers.png
"""

from __future__ import annotations

import argparse
import sys

from ablation.analysis.figures import save, table_histories, training_curves
from ablation.analysis.runs import load_runs, read_study


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the resolved study, JSON")
    parser.add_argument("--table", required=True, help="id of the table")
    parser.add_argument("--output", required=True, nargs="+", help="figures to write, .svg or .png")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    try:
        study = read_study(arguments.study)
        histories = table_histories(study, arguments.table, load_runs(study))
        save(training_curves(histories, study.tables[arguments.table].title), arguments.output)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
