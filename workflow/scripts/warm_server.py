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
# For a command to say what it wants, which it does at once; other jobs wait for that.
SECONDS_TO_ASK = 10


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
        print(f"Jobs start without a warm Python: {path}: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
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
    """Fork a process for every job, pass signals on to it, and tell how it ended; until the standard input has ended,
    and the last job."""
    jobs: dict[int, socket.socket | None] = {}  # by process, the command that waits for it, where that lives
    sources: list[Any] = [listener, sys.stdin, ends := told_of_ends()]
    while listener in sources or jobs:
        waiting = {command: job for job, command in jobs.items() if command is not None}
        ready = select.select([*sources, *waiting], [], [])[0]
        for command in waiting.keys() & set(ready):
            job = waiting[command]
            jobs[job] = pass_on(command, job)
        if ends in ready:
            tell_ends(ends, jobs)
        if sys.stdin in ready:
            sources = [ends]
        elif listener in ready:
            with suppress(OSError):  # the command was killed
                jobs |= start(listener, [*filter(None, jobs.values()), ends], code)


def told_of_ends() -> socket.socket:
    """Where there is something to read whenever a process that was forked here has ended."""
    ends, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
    return ends


def start(listener: socket.socket, others: Sequence[socket.socket], code: Code) -> dict[int, socket.socket]:
    """Start what a command asks for. It is killed with this process; `others` are not its own."""
    command, _ = listener.accept()
    command.settimeout(SECONDS_TO_ASK)
    request, streams = receive(command)
    server = os.getpid()
    with signals_held():
        job = os.fork()
    if job == 0:
        end_with(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (command, listener, *others):
            each.close()
        leave_after(partial(run, request, streams, code))
    for stream in streams:
        os.close(stream)
    return {job: command}


def pass_on(command: socket.socket, job: int) -> socket.socket | None:
    """Send the job the signal that its command got. It is killed with its command, which is None then."""
    number = b""
    with suppress(ConnectionError):
        number = command.recv(1)
    os.kill(job, number[0] if number else signal.SIGKILL)
    return command if number else None


def tell_ends(ends: socket.socket, jobs: dict[int, socket.socket | None]) -> None:
    """Tell the commands of all jobs that have ended how they did."""
    ends.recv(1000)
    for job in list(jobs):
        ended, status = os.waitpid(job, os.WNOHANG)
        if ended and (command := jobs.pop(job)):
            code = os.waitstatus_to_exitcode(status)
            with suppress(OSError):
                command.send(bytes([abs(code), code < 0]))
            command.close()


def receive(connection: socket.socket) -> tuple[dict[str, Any], Sequence[int]]:
    """What to run, and the three streams."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    left, parts = int.from_bytes(size, "big"), []
    while left and (part := connection.recv(left)):
        parts.append(part)
        left -= len(part)
    if left or not size:
        raise ConnectionError("the command was killed")
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
