"""Export the finished runs of a study to TensorBoard, MLflow or W&B (offline), each in place of its earlier export.

Usage: python export_runs.py tensorboard
       python export_runs.py mlflow --output results/mlflow sgd/seed0 sgd/seed1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ablation.analysis.runs import read_study
from ablation.analysis.trackers.mlflow import MLflow
from ablation.analysis.trackers.tensorboard import TensorBoard
from ablation.analysis.trackers.tracked_runs import Skipped, Tracker, choose_runs, tracked_runs
from ablation.analysis.trackers.wandb import WandB
from ablation.config.study import Study
from ablation.errors import errors_for_users
from ablation.escaping import for_terminal

TRACKERS = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}


def export(tracker: Tracker, study: Study, names: list[str]) -> int:
    """Write the finished runs and name the others; how many were written."""
    written = 0
    for each in tracked_runs(study, choose_runs(study, names)):
        if isinstance(each, Skipped):
            print(for_terminal(f"skipped {each.name}: {each.reason}"), file=sys.stderr)
        else:
            tracker.write(each)
            written += 1
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracker", choices=TRACKERS)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="<variant>/seed<number>; all runs if none is named")
    parser.add_argument("--study", default="results/study.json", help="the checked study, JSON")
    parser.add_argument("--output", type=Path, help="folder to write; results/<tracker> if none is given")
    arguments = parser.parse_intermixed_args()
    with errors_for_users():
        study = read_study(arguments.study)
        tracker = TRACKERS[arguments.tracker](arguments.output or Path("results", arguments.tracker), study.study)
        written = export(tracker, study, arguments.runs)
    print(
        for_terminal(
            f"{written} run(s) exported; this shows them: {tracker.command}" if written else "no finished run to export"
        )
    )


if __name__ == "__main__":
    main()
