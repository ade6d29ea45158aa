"""Write the model card of a study's best run.

Usage: python write_model_card.py --study results/study.json --runs results/tables/runs.csv
           --output results/model_card.md
"""

from __future__ import annotations

import argparse

from ablation.analysis.frames import read_csv
from ablation.analysis.model_card import model_card
from ablation.analysis.runs import COLUMNS, read_study
from ablation.errors import errors_for_users
from ablation.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--runs", required=True, help="CSV of all runs")
    parser.add_argument("--output", required=True, help="Markdown to write")
    arguments = parser.parse_args()
    with errors_for_users():
        write_text(arguments.output, model_card(read_study(arguments.study), read_csv(arguments.runs, COLUMNS)))


if __name__ == "__main__":
    main()
