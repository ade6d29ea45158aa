"""Draw the confusion matrix and the first-layer filters of a study's best run.

Usage: python plot_best_run.py --runs results/tables/runs.csv --output results/figures
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.best_run import confusion_figure, filters_figure
from ablation.analysis.figures import METADATA, save
from ablation.analysis.frames import read_csv
from ablation.analysis.runs import COLUMNS
from ablation.errors import errors_for_users


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", required=True, help="CSV of all runs")
    parser.add_argument("--output", required=True, type=Path, help="folder of the figures")
    arguments = parser.parse_args()
    with errors_for_users():
        runs = read_csv(arguments.runs, COLUMNS)
        for name, figure in (("confusion", confusion_figure(runs)), ("filters", filters_figure(runs))):
            save(figure, [arguments.output / (name + ending) for ending in METADATA])


if __name__ == "__main__":
    main()
