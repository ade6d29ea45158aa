"""Write the report of a study from its tables.

Usage: python write_report.py --study results/study.json --runs results/tables/runs.csv --landscape results/landscape
           --output results/report.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.report import read_tables, render
from ablation.analysis.runs import read_study
from ablation.errors import errors_for_users
from ablation.files import write_text


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--runs", required=True, type=Path, help="CSV of all runs, beside the comparisons' CSV files")
    parser.add_argument("--landscape", required=True, type=Path, help="folder of the landscape's CSV files")
    parser.add_argument("--output", required=True, help="Markdown to write; it links to figures/ beside it")
    parser.add_argument("--snakemake-options", default="", help="for the commands that it names, in the shell's words")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users():
        study = read_study(arguments.study)
        tables = read_tables(study, arguments.runs, arguments.landscape)
        write_text(arguments.output, render(study, tables, arguments.snakemake_options))


if __name__ == "__main__":
    main()
