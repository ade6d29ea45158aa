"""Write the results of a study as a Workflow Run RO-Crate, a folder to publish and archive.

Usage: python write_crate.py --license CC-BY-4.0 [--output results/crate]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.crate import write_crate
from ablation.analysis.runs import read_study
from ablation.errors import errors_for_users
from ablation.escaping import for_terminal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--license", required=True, help="of the results: a name of the SPDX list, or an address")
    parser.add_argument("--study", default="results/study.json", help="the checked study, JSON")
    parser.add_argument("--output", type=Path, default="results/crate", help="folder to write; an earlier crate goes")
    arguments = parser.parse_args()
    with errors_for_users():
        count = write_crate(read_study(arguments.study), arguments.output, arguments.license)
    print(for_terminal(f"{count} run(s) are in {arguments.output}"))


if __name__ == "__main__":
    main()
