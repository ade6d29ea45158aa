"""Say what a trained network takes images for.

python workflow/scripts/predict.py results/runs/adam/seed0 photo.jpg another.png

RUN is the folder of a finished run, or its metrics.json. A line an image: its file, the class with its probability, and
the runners-up.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.errors import errors_for_users
from ablation.runs.finished import RECORD
from ablation.runs.predict import as_json, as_text, load_classifier


def main() -> None:
    arguments = parser().parse_args()
    directory = arguments.run.parent if arguments.run.name == RECORD else arguments.run
    kind = "averaged" if arguments.averaged else "best"
    with errors_for_users():
        classifier = load_classifier(directory, kind, arguments.components, arguments.device)
        print((as_json if arguments.json else as_text)(classifier.predictions(arguments.images)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a finished run, or its metrics.json")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    parser.add_argument("--averaged", action="store_true", help="the averaged weights, not those of the best epoch")
    parser.add_argument("--json", action="store_true", help="for other programs, with the probability of every class")
    parser.add_argument(
        "--components",
        action="append",
        default=[],
        metavar="FILE",
        help="a file of the study's own components, if not those that results/study.json names; once for each",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<index>")
    return parser


if __name__ == "__main__":
    main()
