"""Runs the jobs of this machine in processes forked from this one, which has imported already what they import.

Python takes two seconds of a processor to import torch, which is more than a short run.
So `python` in a rule's command is `warm_python.py` here, in front of the real one on the PATH: it hands its arguments,
folder, environment and streams over, passes signals on, and ends as the job does. A job of another checkout, or after a
change of our code, imports that code itself, so a job always runs today's.

Usage: warm_server.py SOCKET SCRIPT..., started by `ablation/cluster/machine.py`; it ends when its standard input does.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ablation.runs.leaving import end_with, leave_after, signals_held

Code = dict[Path, tuple[int, int]]
HERE = Path(__file__).resolve().parent
# Seconds between two looks at whether a job, or the command that waits for it, has ended.
INTERVAL = 0.05


def main() -> None:
    path = Path(sys.argv[1])
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1000)  # commands that come early wait for what is loaded now
            code = code_here()
            load(sys.argv[2:])
            serve(listener, code)
    except OSError as error:
        sys.exit(f"Jobs start without a warm Python: {path}: {error}")
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)


def code_here() -> Code:
    """Our files, each with the time of its last change and its size."""
    found = {file: file.stat() for file in HERE.rglob("*.py")}
    return {file: (stat.st_mtime_ns, stat.st_size) for file, stat in found.items()}


def load(scripts: Sequence[str]) -> None:
    """Import what these scripts import, without starting threads: a process that forks should have only one."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's; with more, it starts them when it is imported
    for script in scripts:
        runpy.run_path(script, run_name="loaded")
    if provenance := sys.modules.get("ablation.runs.provenance"):
        provenance.read_mathematics()
    gc.freeze()  # else each job would copy what it shares with this process when it collects garbage


def serve(listener: socket.socket, code: Code) -> None:
    """Fork a keeper for every job, until the standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            leave_after(partial(keep, connection, code))
        connection.close()


def keep(connection: socket.socket, code: Code) -> None:
    """Be the keeper of one job, until it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(OSError):  # the command was killed, and its job with it
        keep_job(connection, code)


def keep_job(connection: socket.socket, code: Code) -> None:
    """Start a job, pass signals on, and tell how it ended. It is killed with the command that asked for it."""
    request, streams = receive(connection)
    keeper = os.getpid()
    with signals_held():
        job = os.fork()
    if job == 0:
        end_with(keeper)
        connection.close()
        leave_after(partial(run, request, streams, code))
    for stream in streams:
        os.close(stream)
    while True:
        ended, status = os.waitpid(job, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            connection.send(bytes([abs(code), code < 0]))
            return
        if select.select([connection], [], [], INTERVAL)[0]:
            number = connection.recv(1)
            os.kill(job, number[0] if number else signal.SIGKILL)


def receive(connection: socket.socket) -> tuple[dict[str, Any], Sequence[int]]:
    """What to run, and the three streams."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    left, parts = int.from_bytes(size, "big"), []
    while left and (part := connection.recv(left)):
        parts.append(part)
        left -= len(part)
    if left or not size:
        os._exit(1)  # the command was killed
    return json.loads(b"".join(parts)), streams


def run(request: dict[str, Any], streams: Sequence[int], code: Code) -> None:
    """Be `python script.py ...`, in a process group of its own. `code` is what this process may have loaded of ours."""
    os.setpgid(0, 0)
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    if Path(sys.path[0]) != HERE or code_here() != code:
        for name in [name for name in sys.modules if name.partition(".")[0] == "ablation"]:
            del sys.modules[name]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
