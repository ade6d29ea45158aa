"""One run, trained a second time with probes of the loss landscape -> `probe.json`."""

from __future__ import annotations

import argparse
import math

from ablation.config.settings import spec
from ablation.runs import job
from ablation.runs.checkpoint import remove_checkpoints
from ablation.runs.energy import EnergyMeter
from ablation.runs.interruption import Listener
from ablation.runs.lock import locked
from ablation.runs.records import ProbeRecord, write_record
from ablation.training.data import Data, load_data
from ablation.training.loop import Training
from ablation.training.meters import Clock
from ablation.training.probes import Probe


def probe_for_users(arguments: argparse.Namespace) -> None:
    """Probe a run, and end with a sentence where that fails."""
    with job.errors_for_users(arguments.run / "probe.json", arguments.components):
        probe_run(arguments)


def probe_run(arguments: argparse.Namespace) -> None:
    """Train as `train.py` does, with a callback."""
    listener = Listener()
    listener.listen()
    context = job.start(arguments, arguments.run, listener, probed=True)
    with locked(context.directory):
        data = load_data(arguments.data, context.device)
        clock, energy = Clock(context.device), EnergyMeter.of(context.device)
        training = Training.start(context.settings, data, context.seed, context.device)
        training.callback = probe = Probe(arguments.every, arguments.step_sizes, clock)
        job.train_on(context, training, data, clock, energy)
        write_record(context.directory / "probe.json", record(context, training, data, probe))
        remove_checkpoints(context.directory)


def record(context: job.RunContext, training: Training, data: Data, probe: Probe) -> ProbeRecord:
    """What `probe.json` says."""
    steps, seconds = probe.steps(), probe.clock.seconds
    losses = [row["train_loss"] for row in training.outcome.history]
    return ProbeRecord(
        study=context.study,
        variant=context.variant,
        seed=context.seed,
        spec=spec(context.settings),
        every=probe.every,
        step_sizes=tuple(probe.multiples),
        steps=tuple(steps),
        train_losses=tuple(loss if math.isfinite(loss) else None for loss in losses),
        seconds_per_step=seconds["training"] / training.steps,
        seconds_per_probe=seconds["probing"] / len(steps) if steps else None,
        origin=job.origin(context, data),
    )
