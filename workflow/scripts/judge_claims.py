"""Judge the claims of a study, as CSV, LaTeX and JSON.

Usage: python judge_claims.py --study results/study.json --runs results/tables/runs.csv --landscape results/landscape
           --output results/tables/claims.csv results/tables/claims.tex results/claims.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.claims import as_json, judged
from ablation.analysis.frames import read_csv, write_csv
from ablation.analysis.landscape.tables import read_landscape
from ablation.analysis.report_claims import claims_latex
from ablation.analysis.runs import COLUMNS, read_study
from ablation.errors import errors_for_users
from ablation.files import write_text


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--runs", required=True, type=Path, help="CSV of all runs")
    parser.add_argument("--landscape", required=True, type=Path, help="folder of the landscape's CSV files")
    parser.add_argument("--output", required=True, nargs=3, help="CSV, LaTeX and JSON to write")
    parser.add_argument("--snakemake-options", default="", help="for the commands that it names, in the shell's words")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users():
        study, (table, for_papers, document) = read_study(arguments.study), arguments.output
        landscape = read_landscape(arguments.landscape) if study.landscape else {}
        claims = judged(study, read_csv(arguments.runs, COLUMNS), landscape, arguments.snakemake_options)
        write_csv(claims, table)
        write_text(for_papers, claims_latex(claims))
        write_text(document, as_json(study, claims))


if __name__ == "__main__":
    main()
