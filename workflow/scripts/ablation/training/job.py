"""What the scripts that train have in common: their command line, device, origin, errors and end."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ablation.provenance import code_digest, git_commit, versions
from ablation.records import Origin
from ablation.settings import RunSettings
from ablation.training.data import Data, PreparedDataError
from ablation.training.progress import device_name


@dataclass(frozen=True)
class Job:
    """Which run to train, on what."""

    study: str
    variant: str
    seed: int
    spec: dict[str, Any]
    settings: RunSettings
    device: torch.device


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every script that trains."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the folder to write to, .../<variant>/seed<k>")
    parser.add_argument("--study", required=True, help="the study's name, for the record")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared data")
    parser.add_argument("--spec", required=True, help="the run's settings as JSON; what is left out has its default")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    return parser


def start(arguments: argparse.Namespace) -> Job:
    """Set the threads, choose the device (`auto`: a GPU where there is one) and say what is about to run."""
    torch.set_num_threads(arguments.threads)
    name = arguments.device if arguments.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    job = Job(
        study=arguments.study,
        variant=arguments.run.parent.name,
        seed=int(arguments.run.name.removeprefix("seed")),
        spec=json.loads(arguments.spec),
        settings=RunSettings.model_validate_json(arguments.spec),
        device=torch.device(name),
    )
    print(f"{arguments.run} on {device_name(job.device)}: {arguments.spec}", flush=True)
    return job


def origin(script: str, job: Job, data: Data) -> Origin:
    """How the record of this job is made; the code is that of `script` and all that it imports."""
    return Origin(
        device=device_name(job.device),
        versions=versions("torch", "numpy"),
        git_commit=git_commit(),
        code_digest=code_digest(script),
        data_digest=data.digest,
    )


@contextmanager
def errors_for_users(target: Path) -> Iterator[None]:
    """End with one sentence where settings, data or memory are at fault; `target` is what Snakemake makes."""
    try:
        yield
    except (ValidationError, PreparedDataError) as error:
        sys.exit(f"error: {target.parent}: {error}")
    except (torch.OutOfMemoryError, MemoryError) as error:
        sys.exit(
            f"error: {target.parent}: out of memory: {error}\n"
            f"Give the job more memory or lower its batch_size, then: snakemake {target}"
        )


def leave() -> None:
    """End the process at once: all is on disk, and Python would take over a second to take torch apart."""
    sys.stdout.flush()
    os._exit(0)
