"""Train one run of the matrix: one variant, one seed -> its directory with `metrics.json`.

python workflow/scripts/train.py --run results/runs/adam/seed0 --study demo --data results/data/digits --spec '{...}'
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
from pydantic import ValidationError

from ablation import records
from ablation.provenance import code_digest, git_commit, versions
from ablation.settings import RunSettings
from ablation.training import run_directory
from ablation.training.data import Data, PreparedDataError, load_data
from ablation.training.loop import Clock, Outcome, Training, train
from ablation.training.models import parameter_count
from ablation.training.progress import Progress, device_name, peak_memory


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the run's directory, .../<variant>/seed<k>")
    parser.add_argument("--study", required=True, help="the study's name, for the record")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared data")
    parser.add_argument("--spec", required=True, help="the run's settings as JSON; what is left out has its default")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    return parser.parse_args()


def choose_device(name: str) -> torch.device:
    """The device named, or with `auto` a GPU where there is one."""
    return torch.device(name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def train_run(arguments: argparse.Namespace) -> None:
    """Train, then write weights, history and, last of all, the record."""
    started = time.perf_counter()
    torch.set_num_threads(arguments.threads)
    settings = RunSettings.model_validate_json(arguments.spec)
    seed = int(arguments.run.name.removeprefix("seed"))
    device = choose_device(arguments.device)
    run_directory.clear(arguments.run)
    data = load_data(arguments.data, device)
    print(f"{arguments.run} on {device_name(device)}: {arguments.spec}", flush=True)

    clock = Clock(device)
    training = Training.start(settings, data.classes, seed, device)
    outcome = train(training, data, clock, Progress(settings.epochs, len(data.train)))

    best_model = save_all(arguments.run, settings, outcome)
    record = records.RunRecord(
        study=arguments.study,
        variant=arguments.run.parent.name,
        seed=seed,
        status="diverged" if outcome.diverged else "completed",
        spec=json.loads(arguments.spec),
        parameters=parameter_count(training.model),
        epochs=len(outcome.history),
        best=outcome.best,
        last=outcome.last,
        averaged=outcome.averaged,
        best_model=best_model,
        held_out=data.held_out,
        cost=cost(clock, len(outcome.history) * len(data.train), started),
        origin=origin(device, data),
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


def cost(clock: Clock, images: int, started: float) -> records.Cost:
    training = clock.seconds["training"]
    return records.Cost(
        wall_seconds=time.perf_counter() - started,
        device_seconds=training + clock.seconds["evaluation"],
        train_seconds=training,
        images_per_second=images / training,
        peak_memory_bytes=peak_memory(clock.device),
    )


def origin(device: torch.device, data: Data) -> records.Origin:
    return records.Origin(
        device=device_name(device),
        versions=versions("torch", "numpy"),
        git_commit=git_commit(),
        code_digest=code_digest("train.py"),
        data_digest=data.digest,
    )


def main() -> None:
    arguments = parse_arguments()
    try:
        train_run(arguments)
    except (ValidationError, PreparedDataError) as error:
        sys.exit(f"error: {arguments.run}: {error}")
    except (torch.OutOfMemoryError, MemoryError) as error:
        sys.exit(
            f"error: {arguments.run}: out of memory on {arguments.device}: {error}\n"
            f"Give the job more memory or lower its batch_size, then: snakemake {arguments.run}/metrics.json"
        )


if __name__ == "__main__":
    main()
    # All is on disk. Python would go on to take torch apart object by object, which takes over a second.
    sys.stdout.flush()
    os._exit(0)
