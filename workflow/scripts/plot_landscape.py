"""Draw the figures of the loss landscape, beside the CSV files that they show.

Usage: python plot_landscape.py --study results/study.json --folder results/landscape
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.figures import METADATA, save
from ablation.analysis.landscape.figures import landscape_figures
from ablation.analysis.landscape.tables import read_landscape
from ablation.analysis.runs import read_study
from ablation.errors import errors_for_users


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--folder", required=True, help="folder of the landscape's CSV files; the figures go there too")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users():
        study = read_study(arguments.study)
        for name, figure in landscape_figures(read_landscape(arguments.folder), study).items():
            save(figure, [Path(arguments.folder, name + ending) for ending in METADATA])


if __name__ == "__main__":
    main()
