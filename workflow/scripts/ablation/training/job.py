"""What the scripts that train have in common: their command line, device, origin, errors and end."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ablation.provenance import code_digest, git_commit, versions
from ablation.records import Origin
from ablation.settings import RunSettings
from ablation.training import run_directory
from ablation.training.checkpoint import Checkpoints, remove_checkpoints
from ablation.training.data import Data, PreparedDataError
from ablation.training.interruption import GO_ON_LATER, Listener, RunInterruptedError, SafePoints
from ablation.training.loop import Training, train
from ablation.training.meters import Clock
from ablation.training.progress import Progress, device_name

WHAT_IS_KEPT = "What was trained is kept in the last checkpoint; once that is mended, go on with: snakemake"


@dataclass(frozen=True)
class Job:
    """Which run to train, on what. `script` is the one that trains it, and `directory` where its files go."""

    script: str
    directory: Path
    study: str
    variant: str
    seed: int
    spec: dict[str, Any]
    settings: RunSettings
    device: torch.device
    checkpoint_seconds: float
    listener: Listener


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every script that trains."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the study's name, for the record")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared data")
    parser.add_argument("--spec", required=True, help="the run's settings as JSON; what is left out has its default")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of the job, which its runs share")
    parser.add_argument("--checkpoint-seconds", type=float, default=60, help="between two checkpoints within an epoch")
    return parser


def start(script: str, arguments: argparse.Namespace, directory: Path) -> Job:
    """Set threads and device (`auto`: a GPU where there is one), listen to signals, and say what is about to run."""
    torch.set_num_threads(arguments.threads)
    name = arguments.device if arguments.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    job = Job(
        script=script,
        directory=directory,
        study=arguments.study,
        variant=directory.parent.name,
        seed=int(directory.name.removeprefix("seed")),
        spec=json.loads(arguments.spec),
        settings=RunSettings.model_validate_json(arguments.spec),
        device=torch.device(name),
        checkpoint_seconds=arguments.checkpoint_seconds,
        listener=Listener(),
    )
    job.listener.listen()
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    print(f"{now}  {directory} on {device_name(job.device)}: {arguments.spec}", flush=True)
    return job


def train_on(job: Job, training: Training, data: Data, clock: Clock) -> None:
    """Train to the end from the run's checkpoint, or from the beginning where it has none, writing new ones on the way.

    Raises:
        RunInterruptedError: a signal asked for the end; what was trained is in the checkpoint.
    """
    checkpoints = Checkpoints(job.directory, identity(job, data))
    state = checkpoints.read()
    if state is None:
        remove_checkpoints(job.directory)
        run_directory.clear(job.directory)
    else:
        training.load_state_dict(state["training"])
        clock.load_state_dict(state["clock"])
        training.interruptions += 1
        print(f"goes on from a checkpoint after {training.steps} steps", flush=True)
    training.safe_point = SafePoints(training, clock, checkpoints, job.listener, job.checkpoint_seconds)
    train(training, data, clock, Progress.of(training, len(data.train)))


def identity(job: Job, data: Data) -> dict[str, Any]:
    """What must be the same for a checkpoint to be gone on from: all that the figures depend on."""
    return {
        **job.spec,
        "seed": job.seed,
        "code": code_digest(job.script),
        "data": data.digest,
        "torch": str(torch.__version__),
        "device": job.device.type,
    }


def origin(job: Job, data: Data) -> Origin:
    """How the record of this job is made; the code is that of its script and all that it imports."""
    return Origin(
        device=device_name(job.device),
        versions=versions("torch", "numpy"),
        git_commit=git_commit(),
        code_digest=code_digest(job.script),
        data_digest=data.digest,
    )


@contextmanager
def errors_for_users(target: Path) -> Iterator[None]:
    """End with one sentence where settings, data, memory, disk or a signal end the run that makes `target`.

    The status is 75 where the same command later goes on, else 1.
    """
    try:
        yield
    except RunInterruptedError as error:
        print(f"{target.parent}: {error}; the same command goes on from there: snakemake {target}", flush=True)
        sys.exit(GO_ON_LATER)
    except (ValidationError, PreparedDataError, run_directory.HeldError) as error:
        sys.exit(f"error: {target.parent}: {error}")
    except OSError as error:
        name = error.filename or "a file"
        sys.exit(f"error: {target.parent}: {name} cannot be read or written: {error.strerror}. {WHAT_IS_KEPT} {target}")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else "the system gave no more"
        sys.exit(
            f"error: {target.parent}: out of memory: {reason}\n"
            f"Give the job more memory or lower its batch_size. {WHAT_IS_KEPT} {target}"
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether the GPU or the host is out of memory; for the host, torch raises nothing more telling than its text."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def leave() -> None:
    """End the process at once: all is on disk, and Python would take over a second to take torch apart."""
    sys.stdout.flush()
    os._exit(0)
