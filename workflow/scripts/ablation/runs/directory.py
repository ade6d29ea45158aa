"""What a run leaves behind: the weights' files, `history.csv`, `steps.npz` and, last of all, `metrics.json`.

One process at a time works in a run's directory: it holds the lock on `run.lock`, which names it.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TextIO

import numpy as np
import torch

from ablation.config.kinds import Activation
from ablation.config.settings import RunSettings
from ablation.files import atomic_write, remove_unfinished
from ablation.training.loop import Weights


def weights_name(kind: str, settings: RunSettings, accuracy: float) -> str:
    """The reference's file name: `<kind>_<Activation>_<Loss>_<Optimizer>_<Scheduler>_<accuracy in % * 100>.pth`.

    A model without an activation to choose has its own name there.
    """
    activation = getattr(settings.model, "activation", None)
    first = activation if isinstance(activation, Activation) else settings.model
    choices = (first, settings.loss, settings.optimizer, settings.scheduler)
    return "_".join([kind, *(choice.display_name for choice in choices), f"{round(accuracy * 100)}.pth"])


class LockedError(RuntimeError):
    """Another process works in the run's directory."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the directory for this process. The system releases the lock when the process ends, however it ends.

    Raises:
        LockedError: another process has it, on this machine or on another that shares the file system.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "run.lock", "a+", encoding="utf-8") as lock:
        _acquire(lock)
        lock.truncate(0)
        lock.write(_this_process())
        lock.flush()
        remove_unfinished(directory)
        yield
        lock.truncate(0)


def _acquire(lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read() or "another process"
        raise LockedError(
            f"in use by {holder}. Two would overwrite each other's work: wait for that one, or end it"
        ) from error
    except OSError as error:
        print(
            f"{lock.name}: cannot be locked ({error.strerror}): make sure that only one job at a time runs here",
            flush=True,
        )


def _this_process() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    where = f"{socket.gethostname()}, SLURM job {job}" if job else socket.gethostname()
    return f"process {os.getpid()} on {where}, since {datetime.now():%Y-%m-%d %H:%M:%S}"


def clear(directory: Path) -> None:
    """Remove what an earlier run left in the directory; the log stays."""
    for name in (
        "metrics.json",
        "finished.json",
        "probe.json",
        "history.csv",
        "steps.npz",
        "confusion.csv",
        "filters.npy",
        "model.json",
    ):
        (directory / name).unlink(missing_ok=True)
    for weights in directory.glob("*_model_*.pth"):
        weights.unlink()


def save_filters(path: Path, weights: Weights) -> bool:
    """Write the kernels of the first convolution, (out, in, height, width), where it takes images as they are; whether
    there is one."""
    kernels = next((each for each in weights.values() if each.ndim == 4), None)
    if kernels is None or kernels.shape[1] not in (1, 3):
        return False
    with atomic_write(path) as aside, open(aside, "wb") as file:
        np.save(file, kernels.float().numpy(), allow_pickle=False)
    return True


def save_weights(path: Path, weights: Weights) -> None:
    """Write a state dict whole; `torch.load(path, weights_only=True)` reads it."""
    # To a full disk torch would not say why it cannot write; and it would write the name of the file, which changes.
    torch.save(weights, buffer := BytesIO())
    with atomic_write(path) as aside:
        aside.write_bytes(buffer.getbuffer())
