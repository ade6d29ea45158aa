"""Train one run of the matrix once more and probe the loss landscape on the way -> `probe.json`.

python workflow/scripts/probe.py --run results/probes/adam/seed0 --study demo --data results/data/digits --spec '{...}'
    --every 50 --step-sizes 0.5 1 2 4
"""

from __future__ import annotations

import argparse
import math

from ablation.records import ProbeRecord, write_record
from ablation.training import job
from ablation.training.data import load_data
from ablation.training.loop import Clock, Training, train
from ablation.training.probes import Probe
from ablation.training.progress import Progress


def parse_arguments() -> argparse.Namespace:
    parser = job.parser(__doc__)
    parser.add_argument("--every", type=int, required=True, help="probe every so many steps")
    parser.add_argument("--step-sizes", type=float, nargs="+", required=True, help="multiples of the learning rate")
    return parser.parse_args()


def probe_run(arguments: argparse.Namespace) -> None:
    """Train as `train.py` does, with an observer."""
    this = job.start(arguments)
    data = load_data(arguments.data, this.device)
    clock = Clock(this.device)
    training = Training.start(this.settings, data.classes, this.seed, this.device)
    probe = Probe(arguments.every, arguments.step_sizes, clock)
    training.observer = probe
    outcome = train(training, data, clock, Progress(this.settings.epochs, len(data.train)))

    steps, losses = probe.steps(), [row["train_loss"] for row in outcome.history]
    record = ProbeRecord(
        study=this.study,
        variant=this.variant,
        seed=this.seed,
        spec=this.spec,
        every=arguments.every,
        step_sizes=arguments.step_sizes,
        steps=steps,
        train_losses=[loss if math.isfinite(loss) else None for loss in losses],
        seconds_per_step=(clock.seconds["training"] - clock.seconds["probing"]) / training.steps,
        seconds_per_probe=clock.seconds["probing"] / len(steps) if steps else None,
        origin=job.origin("probe.py", this, data),
    )
    write_record(arguments.run / "probe.json", record)


def main() -> None:
    arguments = parse_arguments()
    with job.errors_for_users(arguments.run / "probe.json"):
        probe_run(arguments)


if __name__ == "__main__":
    main()
    job.leave()
