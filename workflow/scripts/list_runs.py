"""List every run of a study with what came of it, as CSV.

Usage: python list_runs.py --study results/study.json --output results/tables/runs.csv
"""

from __future__ import annotations

import argparse

from ablation.analysis.frames import write_csv
from ablation.analysis.runs import load_runs, read_study
from ablation.errors import errors_for_users


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--output", required=True, help="CSV to write")
    arguments = parser.parse_args()
    with errors_for_users():
        write_csv(load_runs(read_study(arguments.study)), arguments.output)


if __name__ == "__main__":
    main()
