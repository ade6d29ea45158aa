"""Train one run of the matrix: one variant, one seed -> its directory with `metrics.json`.

python workflow/scripts/train.py --run results/runs/adam/seed0 --study demo --data results/data/digits --spec '{...}'
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ablation import records, step_trace
from ablation.settings import RunSettings
from ablation.training import job, run_directory
from ablation.training.data import load_data
from ablation.training.loop import Clock, Outcome, StepTrace, Training, train
from ablation.training.models import parameter_count
from ablation.training.progress import Progress, peak_memory


def train_run(arguments: argparse.Namespace) -> None:
    """Train, then write weights, history and, last of all, the record."""
    started = time.perf_counter()
    this = job.start(arguments)
    run_directory.clear(arguments.run)
    data = load_data(arguments.data, this.device)

    clock = Clock(this.device)
    training = Training.start(this.settings, data.classes, this.seed, this.device)
    outcome = train(training, data, clock, Progress(this.settings.epochs, len(data.train)))

    best_model = save_all(arguments.run, this.settings, outcome)
    if training.trace is not None:
        save_steps(arguments.run / "steps.npz", training.trace)
    record = records.RunRecord(
        study=this.study,
        variant=this.variant,
        seed=this.seed,
        status="diverged" if outcome.diverged else "completed",
        spec=this.spec,
        parameters=parameter_count(training.model),
        epochs=len(outcome.history),
        best=outcome.best,
        last=outcome.last,
        averaged=outcome.averaged,
        best_model=best_model,
        held_out=data.held_out,
        cost=cost(clock, len(outcome.history) * len(data.train), started),
        origin=job.origin("train.py", this, data),
    )
    records.write_record(arguments.run / "metrics.json", record)


def save_all(directory: Path, settings: RunSettings, outcome: Outcome) -> str | None:
    """Write everything but the record; return the best model's file name."""
    records.write_history(directory / "history.csv", outcome.history)
    if outcome.averaged is not None and outcome.averaged_weights is not None:
        name = run_directory.weights_name("averaged_model", settings, outcome.averaged.test_accuracy)
        run_directory.save_weights(directory / name, outcome.averaged_weights)
    if outcome.best is None or outcome.best_weights is None:
        return None
    name = run_directory.weights_name("best_model", settings, outcome.best.test_accuracy)
    run_directory.save_weights(directory / name, outcome.best_weights)
    return name


def save_steps(path: Path, trace: StepTrace) -> None:
    """Write loss and gradient norm of every step."""
    epochs = np.repeat(np.arange(1, len(trace.epochs) + 1), [len(epoch) for epoch in trace.epochs])
    step_trace.write_steps(path, epochs, *np.concatenate(trace.epochs).T)


def cost(clock: Clock, images: int, started: float) -> records.Cost:
    training = clock.seconds["training"]
    return records.Cost(
        wall_seconds=time.perf_counter() - started,
        device_seconds=training + clock.seconds["evaluation"],
        train_seconds=training,
        images_per_second=images / training,
        peak_memory_bytes=peak_memory(clock.device),
    )


def main() -> None:
    arguments = job.parser(__doc__).parse_args()
    with job.errors_for_users(arguments.run / "metrics.json"):
        train_run(arguments)


if __name__ == "__main__":
    main()
    job.leave()
