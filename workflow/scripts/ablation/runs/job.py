"""What the scripts that train have in common: their command line, device, origin, errors and end."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ablation.config.catalog import catalog
from ablation.config.plain_yaml import ConfigError
from ablation.config.settings import RunSettings, SpecError, batch_problem, read_spec, spec
from ablation.config.texts import RESUMES, snakemake_command
from ablation.errors import fault_of_file
from ablation.escaping import for_terminal
from ablation.runs import directory as run_directory
from ablation.runs.checkpoint import Checkpoints, remove_checkpoints
from ablation.runs.energy import EnergyMeter
from ablation.runs.interruption import RESUME_LATER, Listener, RunInterruptedError, SafePoints
from ablation.runs.lazy_compiler import load_compiler_lazily
from ablation.runs.lock import LockedError
from ablation.runs.progress import Progress, device_name, threads_on
from ablation.runs.provenance import git_commit, training_digest, training_files, versions
from ablation.runs.records import Origin
from ablation.training.data import Data, PreparedDataError
from ablation.training.device import PrecisionError, check_precision, prepare_device
from ablation.training.loop import EpochRow, Training, train
from ablation.training.meters import Clock
from ablation.training.steps import CaptureError

WHAT_IS_KEPT = "What was trained is kept in the last checkpoint; once that is fixed, resume with:"
# What the user can fix, told in one sentence.
REFUSALS = (
    *(ValidationError, SpecError, ConfigError, PreparedDataError, LockedError),
    *(PrecisionError, CaptureError),
)


@dataclass(frozen=True)
class RunContext:
    """Which run to train, on what. `directory` is where its files go; `probed`: whether it is probed on the way."""

    directory: Path
    probed: bool
    study: str
    variant: str
    seed: int
    settings: RunSettings
    device: torch.device
    checkpoint_seconds: float
    listener: Listener


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every script that trains."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="the study's name, for the record")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared data")
    parser.add_argument("--spec", required=True, help="the run's settings as JSON, all of them")
    parser.add_argument("--components", nargs="*", default=[], metavar="FILE", help="components of the study's own")
    parser.add_argument("--keep", action="store_true", help="keep what earlier training code finished")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of the job, which its runs share")
    parser.add_argument("--checkpoint-seconds", type=float, default=60, help="between two checkpoints within an epoch")
    return parser


def start(arguments: argparse.Namespace, directory: Path, listener: Listener, *, probed: bool = False) -> RunContext:
    """Set threads and device (`auto`: a GPU where there is one), and say what is about to run."""
    load_compiler_lazily()
    torch.set_num_threads(arguments.threads)
    name = arguments.device if arguments.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    context = RunContext(
        directory=directory,
        probed=probed,
        study=arguments.study,
        variant=directory.parent.name,
        seed=int(directory.name.removeprefix("seed")),
        settings=read_spec(arguments.spec, catalog(tuple(arguments.components))),
        device=torch.device(name),
        checkpoint_seconds=arguments.checkpoint_seconds,
        listener=listener,
    )
    check_precision(context.settings, context.device)
    prepare_device(context.settings, context.device)
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    place = f"{device_name(context.device)}, threads: {torch.get_num_threads()}"
    print(f"{now}  {directory} on {place}: {arguments.spec}", flush=True)
    return context


def train_on(context: RunContext, training: Training, data: Data, clock: Clock, energy: EnergyMeter) -> None:
    """Train to the end from the run's checkpoint, or from the beginning where it has none, writing new ones on the way.

    Raises:
        RunInterruptedError: a signal asked for the end; what was trained is in the checkpoint.
    """
    if problem := batch_problem(context.settings, len(data.train)):
        print(problem, flush=True)
    checkpoints = Checkpoints(context.directory, identity(context, data))
    state = checkpoints.read()
    if state is None:
        remove_checkpoints(context.directory)
        run_directory.clear(context.directory)
    else:
        keep_threads(state["threads"])
        training.load_state_dict(state["training"])
        clock.load_state_dict(state["clock"])
        energy.load_state_dict(state["energy"])
        training.interruptions += 1
        print(f"resumes from a checkpoint after {training.steps} steps", flush=True)
    training.safe_point = SafePoints(training, clock, energy, checkpoints, context.listener, context.checkpoint_seconds)
    progress = Progress.of(training, len(data.train))

    def report(row: EpochRow) -> None:
        energy.sample()
        progress(row)

    train(training, data, clock, report)
    energy.sample()


def keep_threads(threads: int) -> None:
    """Compute with as many threads as the run began with: any other number would round differently from here on."""
    if threads != torch.get_num_threads():
        print(f"threads: {threads}, with which the run began, instead of {torch.get_num_threads()}", flush=True)
        torch.set_num_threads(threads)


def identity(context: RunContext, data: Data) -> dict[str, Any]:
    """What must be the same for a run to resume from a checkpoint: all that the results depend on."""
    return {
        **spec(context.settings),
        "seed": context.seed,
        "code": training_digest(context.settings, probed=context.probed),
        "data": data.digest,
        "torch": str(torch.__version__),
        "device": context.device.type,
    }


def origin(context: RunContext, data: Data) -> Origin:
    """How the record of this job is made; the code is what its settings make it use."""
    return Origin(
        device=device_name(context.device),
        threads=threads_on(context.device),
        versions=versions("torch", "numpy"),
        git_commit=git_commit(),
        code_digest=training_digest(context.settings, probed=context.probed),
        data_digest=data.digest,
        code_files=training_files(context.settings, probed=context.probed),
    )


@contextmanager
def errors_for_users(target: Path, components: Sequence[str]) -> Iterator[None]:
    """End with one sentence where settings, data, memory, disk or a signal end the run that makes `target`.

    An error in the files of `components`, or beside them, has its traceback too. The status is 75 where the same
    command later resumes the run, else 1.
    """
    try:
        yield
    except RunInterruptedError as error:
        print(f"{target.parent}: {error}; {RESUMES}: {snakemake_command(target)}", flush=True)
        sys.exit(RESUME_LATER)
    except REFUSALS as error:
        sys.exit(f"error: {target.parent}: {error}")
    except OSError as error:
        sys.exit(f"error: {target.parent}: {fault_of_file(error)}. {WHAT_IS_KEPT} {snakemake_command(target)}")
    except Exception as error:
        if not is_out_of_memory(error):
            sys.exit(explained(error, target, components))
        reason = str(error).splitlines()[0] if str(error) else "the system gave no more"
        sys.exit(
            f"error: {target.parent}: out of memory: {reason}\n"
            f"Give the job more memory or lower its batch_size. {WHAT_IS_KEPT} {snakemake_command(target)}"
        )


def explained(error: Exception, target: Path, components: Sequence[str]) -> str:
    """The traceback and, where the error comes out of the study's own components, a sentence with the line there.

    Raises:
        Exception: the error itself, where it is ours.
    """
    folders = {Path(file).resolve().parent for file in components}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent in folders]
    if not frames:
        raise error
    print(for_terminal("".join(traceback.format_exception(error))), end="", file=sys.stderr, flush=True)
    place = f"{os.path.relpath(frames[-1].filename)}:{frames[-1].lineno}"
    return f"error: {target.parent}: {place}: {type(error).__name__}: {error}"


def is_out_of_memory(error: Exception) -> bool:
    """Whether the GPU or the host is out of memory; for the host, torch raises nothing more telling than its text."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
