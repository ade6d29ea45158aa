"""One process at a time works in a run's directory: it holds the lock on `run.lock`, which names it. No torch."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePath
from typing import TextIO

from ablation.files import remove_unfinished

LOCK = "run.lock"
# How often, in a second, a lock that another process has is tried for.
MOMENTS = 10


class LockedError(RuntimeError):
    """Another process works in the run's directory."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the directory for this process. The system releases the lock when the process ends, however it ends.

    Raises:
        LockedError: another process has it, on this machine or on another that shares the file system.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / LOCK, "a+", encoding="utf-8") as lock:
        _acquire(lock)
        lock.truncate(0)
        lock.write(_this_process())
        lock.flush()
        remove_unfinished(directory)
        yield
        lock.truncate(0)


def _acquire(lock: TextIO) -> None:
    try:
        _try_for_a_moment(lock)
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


def _try_for_a_moment(lock: TextIO) -> None:
    """Who asks whether it is locked holds it for an instant."""
    for _ in range(MOMENTS - 1):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(1 / MOMENTS)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(directory: str | PurePath) -> bool:
    """Whether a process works there now. Where the file system cannot lock, the last one that has not said its end."""
    try:
        with open(Path(directory, LOCK), encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return bool(lock.read())
    except OSError:
        pass
    return False


def _this_process() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    where = f"{socket.gethostname()}, SLURM job {job}" if job else socket.gethostname()
    return f"process {os.getpid()} on {where}, since {datetime.now():%Y-%m-%d %H:%M:%S}"
