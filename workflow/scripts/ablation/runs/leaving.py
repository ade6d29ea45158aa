"""The beginning and the end of a forked process that does one piece of work. Nothing slow to load."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from ablation.escaping import for_terminal

# From <linux/prctl.h>: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


@contextmanager
def signals_held() -> Iterator[None]:
    """Around a fork: signals wait until it is over. Python drops those that a new process gets at once."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """Let the system kill this process when `parent`, which forked it, ends, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:  # it had ended before that call
        os._exit(1)


def leave_after(work: Callable[[], int | None]) -> NoReturn:
    """Do the work and end the process at once, with the status and the words that Python would end with.

    Python itself would take over a second to take torch apart, and a forked process would go on as its parent.
    """
    status = 1
    try:
        status = work() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            sys.stdout.flush()
            print(for_terminal(end.code), file=sys.stderr)
    except BaseException:
        sys.stdout.flush()
        print(for_terminal(traceback.format_exc()), end="", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
