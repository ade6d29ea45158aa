"""`python` for the jobs of this machine: `warm_python.py SOCKET PYTHON script.py ...` acts as `PYTHON script.py ...`.

`warm_server.py` runs the script, if it answers at SOCKET; else this process becomes PYTHON. It imports next to nothing,
so that it starts in a hundredth of a second.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def main() -> int:
    path, python, *arguments = sys.argv[1:]
    connection = socket.socket(socket.AF_UNIX)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if not (arguments and arguments[0].endswith(".py") and connects(connection, path)):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.execv(python, [python, *arguments])
    ask(connection, arguments)
    for number in SIGNALS:
        signal.signal(number, lambda received, _: connection.send(bytes([received])))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return end_as(connection.recv(2))


def connects(connection: socket.socket, path: str) -> bool:
    """Whether the server answers. The path may also be longer than a socket's may be."""
    try:
        connection.connect(path)
    except OSError:
        return False
    return True


def ask(connection: socket.socket, arguments: list[str]) -> None:
    """Hand over what is to be run, and the streams."""
    request = {"folder": os.getcwd(), "environment": dict(os.environ), "arguments": arguments}
    text = json.dumps(request).encode()
    socket.send_fds(connection, [len(text).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(text)


def end_as(answer: bytes) -> int:
    """The job's status; where a signal ended it, that ends this process too."""
    status, by_signal = answer or (1, False)
    if by_signal:
        if status != signal.SIGKILL:
            signal.signal(status, signal.SIG_DFL)
        os.kill(os.getpid(), status)
    return status


if __name__ == "__main__":
    sys.exit(main())
