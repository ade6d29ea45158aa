"""Compare the runs of one table: mean, spread and difference from the reference, as CSV.

Usage: python compare.py --study results/study.json --table optimizers --output results/tables/optimizers.csv
"""

from __future__ import annotations

import argparse

from ablation.analysis.frames import write_csv
from ablation.analysis.runs import load_runs, read_study
from ablation.analysis.tables import comparison, table_of
from ablation.config import matrix
from ablation.errors import errors_for_users


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--table", required=True, help="id of the table")
    parser.add_argument("--output", required=True, help="CSV to write")
    arguments = parser.parse_args()
    with errors_for_users():
        study = read_study(arguments.study)
        table = table_of(study, arguments.table)
        write_csv(comparison(study, table, load_runs(study, matrix.runs_of_table(study, table))), arguments.output)


if __name__ == "__main__":
    main()
