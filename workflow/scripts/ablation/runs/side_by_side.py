"""Several runs in one job, each in a process of its own.

They are forked from this process, which has imported torch once for all, write to the log in their own directory, and
end with this process, however it ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from ablation.escaping import for_terminal
from ablation.runs.interruption import RESUME_LATER, Listener
from ablation.runs.leaving import end_with, leave_after, signals_held

LOG = "train.log"
Train = Callable[[Path, Listener], None]


def train_side_by_side(directories: Sequence[Path], train: Train, listener: Listener) -> int:
    """Train a run in each directory at the same time; signals, to which this process listens, reach all of them.

    Returns the job's status: 0 when all are done, 75 when what is left resumes later, 1 when a run failed.
    """
    children = {_fork(directory, train, listener): directory for directory in directories}
    if listener.received:  # perhaps by another thread, before a child was noted
        listener.pass_on(listener.received)
    statuses = []
    while children:
        child, status = os.wait()
        listener.children.remove(child)
        directory = children.pop(child)
        statuses.append(os.waitstatus_to_exitcode(status))
        if statuses[-1]:
            reason = for_terminal(_last_line(directory / LOG))
            print(f"{directory} ended with status {statuses[-1]}: {reason}", flush=True)
    if not any(statuses):
        return 0
    return RESUME_LATER if set(statuses) <= {0, RESUME_LATER} else 1


def _fork(directory: Path, train: Train, listener: Listener) -> int:
    sys.stdout.flush()
    parent = os.getpid()
    with signals_held():
        child = os.fork()
        listener.children[:] = [*listener.children, child] if child else []
    return child or _be(directory, train, listener, parent)


def _be(directory: Path, train: Train, listener: Listener, parent: int) -> NoReturn:
    """Train as the only work of this process, with the log as its output.

    It goes on listening as its parent did, so that a signal is heard at any moment, and also one from before the fork.
    """

    def work() -> None:
        end_with(parent)
        directory.mkdir(parents=True, exist_ok=True)
        log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        train(directory, listener)

    leave_after(work)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it left no log"
