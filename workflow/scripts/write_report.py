"""Write the report of a study, and the table of all its runs.

Usage: python write_report.py --study results/study.json --output results/report.md --runs-csv results/tables/runs.csv
"""

from __future__ import annotations

import argparse
import sys

from ablation.analysis.report import write_report
from ablation.analysis.runs import load_runs, read_study
from ablation.analysis.tables import write_csv


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the resolved study, JSON")
    parser.add_argument("--output", required=True, help="Markdown to write; it links to figures/ beside it")
    parser.add_argument("--runs-csv", required=True, help="CSV of all runs to write")
    parser.add_argument("--configfile", nargs="*", default=[], help="config files for the commands that it names")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    try:
        study = read_study(arguments.study)
        runs = load_runs(study)
        write_csv(runs, arguments.runs_csv)
        write_report(study, runs, arguments.output, arguments.configfile)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
