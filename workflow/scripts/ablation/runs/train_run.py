"""One run from its settings to its record: training, then weights, history and, last of all, `metrics.json`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ablation.config.kinds import ImageShape
from ablation.config.settings import spec
from ablation.data.arrays import read_description
from ablation.runs import directory as run_directory
from ablation.runs import finished, job, records, step_trace
from ablation.runs.checkpoint import remove_checkpoints
from ablation.runs.energy import EnergyMeter
from ablation.runs.interruption import Listener
from ablation.runs.lock import locked
from ablation.runs.model_file import MODEL, ModelFile, WeightsKind, layers_of, write_model
from ablation.runs.progress import peak_memory
from ablation.runs.side_by_side import train_side_by_side
from ablation.training.data import Data, load_data
from ablation.training.loop import Training, Weights
from ablation.training.meters import Clock, StepTrace
from ablation.training.outcome import Score


def train_runs(arguments: argparse.Namespace) -> int:
    """Train the runs that the command line names, side by side where they are several; returns the job's status."""
    arguments.threads = max(1, arguments.threads // len(arguments.run))
    train, listener = partial(train_for_users, arguments), Listener()
    listener.listen()
    if len(arguments.run) > 1:
        return train_side_by_side(arguments.run, train, listener)
    train(arguments.run[0], listener)
    finished.forget([str(arguments.run[0] / finished.RECORD)])
    return 0


def train_for_users(arguments: argparse.Namespace, directory: Path, listener: Listener) -> None:
    """Train a run, and end with a sentence where that fails."""
    with job.errors_for_users(directory / "metrics.json", arguments.components):
        train_run(arguments, directory, listener)


def train_run(arguments: argparse.Namespace, directory: Path, listener: Listener) -> None:
    """Train, then write weights, history and, last of all, the record."""
    context = job.start(arguments, directory, listener)
    with locked(directory):
        data = load_data(arguments.data, context.device)
        if finished.put_back(directory, wanted(context, data, keep=arguments.keep)):
            return
        clock, energy = Clock(context.device), EnergyMeter.of(context.device)
        training = Training.start(context.settings, data, context.seed, context.device)
        job.train_on(context, training, data, clock, energy)
        files = save_all(directory, training, data.image_shape, read_description(arguments.data).classes)
        done = record(context, training, data, cost(training, clock, energy, len(data.train)), files)
        if len(arguments.run) > 1:
            records.write_record(directory / finished.COPY, done)
        records.write_record(directory / finished.RECORD, done)
        remove_checkpoints(directory)


def wanted(context: job.RunContext, data: Data, *, keep: bool) -> finished.Wanted:
    """What must be the same in a finished run for this job to put it back."""
    return finished.Wanted(context.study, spec(context.settings), job.origin(context, data), keep)


def record(
    context: job.RunContext, training: Training, data: Data, spent: records.Cost, files: Mapping[str, str]
) -> records.RunRecord:
    """What `metrics.json` says."""
    outcome = training.outcome
    return records.RunRecord(
        study=context.study,
        variant=context.variant,
        seed=context.seed,
        status="diverged" if outcome.diverged else "completed",
        spec=spec(context.settings),
        parameters=sum(each.numel() for each in training.model.parameters() if each.requires_grad),
        epochs=len(outcome.history),
        best=outcome.best,
        last=outcome.last,
        averaged=outcome.averaged,
        test=None if outcome.test is None else outcome.test.scores(),
        best_model=files.get("best_model"),
        held_out_part=data.held_out_part,
        cost=spent,
        origin=job.origin(context, data),
        files=records.digests_of_files(context.directory, files.values()),
    )


def save_all(directory: Path, training: Training, images: ImageShape, classes: Sequence[str]) -> dict[str, str]:
    """Write everything but the record; return the files' names by what they hold."""
    outcome, files = training.outcome, {"history": records.HISTORY}
    records.write_history(directory / records.HISTORY, outcome.history)
    if training.trace is not None:
        files["steps"] = step_trace.STEPS
        save_steps(directory / step_trace.STEPS, training.trace)
    weights = save_weights(directory, training)
    files |= {f"{kind}_model": name for kind, name in weights.items()}
    if weights:
        files["model"] = MODEL
        write_model(directory / MODEL, model_file(training, images, classes, weights))
    if outcome.test is not None:
        files["confusion"] = records.CONFUSION
        records.write_confusion(directory / records.CONFUSION, classes, outcome.test.confusion.tolist())
    if outcome.best_weights is not None and run_directory.save_filters(
        directory / records.FILTERS, outcome.best_weights
    ):
        files["filters"] = records.FILTERS
    return files


def save_weights(directory: Path, training: Training) -> dict[WeightsKind, str]:
    """Write the weights that there are; return their files' names."""
    outcome, files = training.outcome, dict[WeightsKind, str]()
    kinds: dict[WeightsKind, tuple[Score | None, Weights | None]] = {
        "averaged": (outcome.averaged, outcome.averaged_weights),
        "best": (outcome.best, outcome.best_weights),
    }
    for kind, (score, weights) in kinds.items():
        if score is not None and weights is not None:
            files[kind] = run_directory.weights_name(f"{kind}_model", training.settings, score.test_accuracy)
            run_directory.save_weights(directory / files[kind], weights)
    return files


def model_file(
    training: Training, images: ImageShape, classes: Sequence[str], weights: dict[WeightsKind, str]
) -> ModelFile:
    """What `model.json` says."""
    return ModelFile(
        classes=tuple(classes),
        channels=images.channels,
        image_size=images.height,
        mean=training.settings.mean,
        std=training.settings.std,
        weights=weights,
        network=layers_of(training.model),
    )


def save_steps(path: Path, trace: StepTrace) -> None:
    """Write loss and gradient norm of every step."""
    epochs = np.repeat(np.arange(1, len(trace.epochs) + 1), [len(epoch) for epoch in trace.epochs])
    step_trace.write_steps(path, epochs, *np.concatenate(trace.epochs).T)


def cost(training: Training, clock: Clock, energy: EnergyMeter, images: int) -> records.Cost:
    seconds = clock.seconds["training"]
    return records.Cost(
        wall_seconds=clock.wall,
        device_seconds=seconds + clock.seconds["evaluation"],
        train_seconds=seconds,
        images_per_second=len(training.outcome.history) * images / seconds,
        peak_memory_bytes=peak_memory(training.device),
        interruptions=training.interruptions,
        energy_joules=energy.joules,
    )
