"""The loss landscape of two models, without and with batch normalisation, as one CSV a table.

`bands.csv` and `bands_by_epoch.csv` (training loss over the learning rates), `left_out.csv` (learning rates that are
not in them), `learning_rates.csv`, `accuracies.csv`, `probes.csv` and `probe_states.csv` (walks along the negative
gradient, and along the optimizer's step), `shifts.csv` (internal covariate shift), `fluctuations.csv` (of the loss
within a run), `by_seed.csv` and `quantities.csv` (what all of these come to).

Usage: python landscape.py --study results/study.json --output results/landscape
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.frames import write_csv
from ablation.analysis.landscape.tables import landscape_tables
from ablation.analysis.runs import read_study
from ablation.errors import errors_for_users


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the checked study, JSON")
    parser.add_argument("--output", required=True, type=Path, help="folder to write the CSV files to")
    arguments = parser.parse_args()
    with errors_for_users():
        for name, table in landscape_tables(read_study(arguments.study)).items():
            write_csv(table, arguments.output / f"{name}.csv")


if __name__ == "__main__":
    main()
