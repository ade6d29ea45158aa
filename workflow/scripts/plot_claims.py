"""Draw the verdicts on all claims of a study.

Usage: python plot_claims.py --study results/study.json --claims results/tables/claims.csv
           --output results/figures/claims.svg results/figures/claims.png
"""

from __future__ import annotations

import argparse

from ablation.analysis.claims import CLAIMS
from ablation.analysis.claims_figure import claims_figure
from ablation.analysis.figures import save
from ablation.analysis.frames import read_csv
from ablation.analysis.runs import read_study
from ablation.errors import errors_for_users


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--claims", required=True, help="CSV of the claims, written by judge_claims.py")
    parser.add_argument("--output", required=True, nargs="+", help="figures to write, .svg or .png")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users():
        title = read_study(arguments.study).title
        save(claims_figure(read_csv(arguments.claims, CLAIMS), f"{title}: the claims"), arguments.output)


if __name__ == "__main__":
    main()
