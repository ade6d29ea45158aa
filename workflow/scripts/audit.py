"""Compare finished runs with what came of training them again.

Usage: python audit.py --runs results/runs/adam/seed0 results/runs/sgd/seed1 --output results/audit.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.config.matrix import Run
from ablation.errors import errors_for_users
from ablation.files import write_text
from ablation.overview.audit import audit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="the folders of the finished runs")
    parser.add_argument("--output", required=True, help="Markdown to write")
    arguments = parser.parse_args()
    with errors_for_users():
        audited = [Run(each.parent.name, int(each.name.removeprefix("seed"))) for each in arguments.runs]
        write_text(arguments.output, audit(audited))


if __name__ == "__main__":
    main()
