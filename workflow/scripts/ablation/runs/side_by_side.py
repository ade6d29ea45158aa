"""Several runs in one job, each in a process of its own.

They are forked from this process, which has imported torch once for all, and write to the log in their own directory.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ablation.escaping import for_terminal
from ablation.runs.interruption import RESUME_LATER, SIGNALS
from ablation.runs.leaving import leave_after

LOG = "train.log"
# Of a run that was asked to end before it listened, and so before it did anything.
ENDED_EARLY = {-number for number in SIGNALS}


def train_side_by_side(directories: Sequence[Path], train: Callable[[Path], None]) -> int:
    """Train a run in each directory at the same time; signals reach all of them.

    Returns the job's status: 0 when all are done, 75 when what is left resumes later, 1 when a run failed.
    """
    children = {_fork(directory, train): directory for directory in directories}
    for number in SIGNALS:
        signal.signal(number, lambda received, _: _pass_on(received, list(children)))
    statuses = []
    while children:
        child, status = os.wait()
        directory = children.pop(child)
        statuses.append(os.waitstatus_to_exitcode(status))
        if statuses[-1]:
            reason = for_terminal(_last_line(directory / LOG))
            print(f"{directory} ended with status {statuses[-1]}: {reason}", flush=True)
    if not any(statuses):
        return 0
    return RESUME_LATER if set(statuses) <= {0, RESUME_LATER, *ENDED_EARLY} else 1


def _fork(directory: Path, train: Callable[[Path], None]) -> int:
    sys.stdout.flush()
    child = os.fork()
    return child if child else _be(directory, train)


def _be(directory: Path, train: Callable[[Path], None]) -> NoReturn:
    """Train as the only work of this process, with the log as its output."""

    def work() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        train(directory)

    leave_after(work)


def _pass_on(number: int, children: Sequence[int]) -> None:
    for child in children:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(child, number)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it left no log"
