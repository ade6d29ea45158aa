"""The loss landscape of two models, without and with batch normalisation, as CSVs in one folder.

`bands.csv` and `bands_by_epoch.csv` (training loss over the learning rates), `left_out.csv` (learning rates that are
not in them), `learning_rates.csv`, `accuracies.csv`, `probes.csv` and `probe_states.csv` (walks along the negative
gradient), `by_seed.csv` and `claims.csv` (the figures behind the claims).

Usage: python landscape.py --study results/study.json --output results/landscape
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from ablation.analysis.landscape import bands as landscape
from ablation.analysis.landscape import claims, probes
from ablation.analysis.runs import load_runs, read_study
from ablation.config.study import Study
from ablation.files import whole_file


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the resolved study, JSON")
    parser.add_argument("--output", required=True, type=Path, help="folder to write the CSVs to")
    return parser.parse_args()


def frames_of(study: Study) -> dict[str, pd.DataFrame]:
    """The frames by the name of their file.

    Raises:
        ValueError: the study has no landscape section, or a finished run has lost its history or its steps.
    """
    if study.landscape is None:
        raise ValueError(f"study '{study.study}' has no landscape section, so there is no landscape to analyse")
    runs = load_runs(study)
    bands = landscape.bands(study, runs)
    return {
        "bands": bands,
        "bands_by_epoch": landscape.bands_by_epoch(bands),
        "learning_rates": landscape.learning_rates(study, runs),
        "accuracies": landscape.accuracies(study, runs),
        "left_out": landscape.left_out_frame(study, runs),
        "probes": probes.probes(study),
        "probe_states": probes.probe_states(study),
        "by_seed": claims.by_seed(study, runs),
        "claims": claims.claims(study, runs),
    }


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame whole; eight significant digits, since learning rates and smoothness span many magnitudes."""
    with whole_file(path) as aside:
        frame.to_csv(aside, index=False, float_format="%.8g", lineterminator="\n")


def main() -> None:
    arguments = parse_arguments()
    try:
        for name, frame in frames_of(read_study(arguments.study)).items():
            write_csv(frame, arguments.output / f"{name}.csv")
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
