"""Train one run of the matrix once more and probe the loss landscape on the way -> `probe.json`.

python workflow/scripts/probe.py --run results/probes/adam/seed0 --study demo --data results/data/digits --spec '{...}'
    --every 50 --step-sizes 0.5 1 2 4
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from ablation.config.settings import spec
from ablation.runs import directory as run_directory
from ablation.runs import job
from ablation.runs.checkpoint import remove_checkpoints
from ablation.runs.records import ProbeRecord, write_record
from ablation.training.data import Data, load_data
from ablation.training.loop import Training
from ablation.training.meters import Clock
from ablation.training.probes import Probe


def parse_arguments() -> argparse.Namespace:
    parser = job.parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder to write to, .../<variant>/seed<k>")
    parser.add_argument("--every", type=int, required=True, help="probe every so many steps")
    parser.add_argument("--step-sizes", type=float, nargs="+", required=True, help="multiples of the learning rate")
    return parser.parse_args()


def probe_run(arguments: argparse.Namespace) -> None:
    """Train as `train.py` does, with an observer."""
    this = job.start(arguments, arguments.run, probed=True)
    with run_directory.held(this.directory):
        data = load_data(arguments.data, this.device)
        clock = Clock(this.device)
        training = Training.start(this.settings, data, this.seed, this.device)
        training.observer = probe = Probe(arguments.every, arguments.step_sizes, clock)
        job.train_on(this, training, data, clock)
        write_record(this.directory / "probe.json", record(this, training, data, probe))
        remove_checkpoints(this.directory)


def record(this: job.Job, training: Training, data: Data, probe: Probe) -> ProbeRecord:
    """What `probe.json` says."""
    steps, seconds = probe.steps(), probe.clock.seconds
    losses = [row["train_loss"] for row in training.outcome.history]
    return ProbeRecord(
        study=this.study,
        variant=this.variant,
        seed=this.seed,
        spec=spec(this.settings),
        every=probe.every,
        step_sizes=tuple(probe.step_sizes),
        steps=tuple(steps),
        train_losses=tuple(loss if math.isfinite(loss) else None for loss in losses),
        seconds_per_step=seconds["training"] / training.steps,
        seconds_per_probe=seconds["probing"] / len(steps) if steps else None,
        origin=job.origin(this, data),
    )


def main() -> None:
    arguments = parse_arguments()
    with job.errors_for_users(arguments.run / "probe.json", arguments.components):
        probe_run(arguments)


if __name__ == "__main__":
    main()
    job.leave()
