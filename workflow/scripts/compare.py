"""Compare the runs of one table: mean, spread and differences, as CSV and LaTeX.

Usage: python compare.py --study results/study.json --table optimizers
           --output results/tables/optimizers.csv results/tables/optimizers.tex
"""

from __future__ import annotations

import argparse

from ablation.analysis.frames import write_csv
from ablation.analysis.report_comparisons import comparison_latex
from ablation.analysis.runs import load_runs, read_study
from ablation.analysis.tables import comparison, table_of
from ablation.config import matrix
from ablation.errors import errors_for_users
from ablation.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--table", required=True, help="id of the table")
    parser.add_argument("--output", required=True, nargs=2, help="CSV and LaTeX to write")
    arguments = parser.parse_args()
    with errors_for_users():
        study, (for_programs, for_papers) = read_study(arguments.study), arguments.output
        table = table_of(study, arguments.table)
        compared = comparison(study, table, load_runs(study, matrix.runs_of_table(study, table)))
        write_csv(compared, for_programs)
        write_text(for_papers, comparison_latex(study, arguments.table, compared))


if __name__ == "__main__":
    main()
