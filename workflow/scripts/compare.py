"""Compare the runs of one table: mean, spread and difference from the study's figure, as CSV.

Usage: python compare.py --study results/study.json --table optimizers --output results/tables/optimizers.csv
"""

from __future__ import annotations

import argparse
import sys

from ablation.analysis.runs import load_runs, read_study
from ablation.analysis.tables import comparison, write_csv


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the resolved study, JSON")
    parser.add_argument("--table", required=True, help="id of the table")
    parser.add_argument("--output", required=True, help="CSV to write")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    try:
        study = read_study(arguments.study)
        write_csv(comparison(study, arguments.table, load_runs(study)), arguments.output)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
