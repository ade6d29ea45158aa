"""The machine that Snakemake itself runs on. No torch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(__file__).parents[2]


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether there is an NVIDIA GPU: its device file, or under Windows the one that WSL has for it."""
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()


def set_environment() -> None:
    """What jobs find in their environment."""
    # The Python that runs this runs them too, also where its environment is not activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # Without this, glibc gives freed blocks back to the system at every step, and training on a CPU takes half as long
    # again.
    os.environ.setdefault(
        "GLIBC_TUNABLES",
        "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456",
    )


def start_warm_server(*, torch: bool) -> None:
    """Let one process that has loaded the libraries, torch too, run what `python` in a command is to run from now on.

    It ends with this process, however that ends; jobs that it has started live on.
    """
    folder = Path(tempfile.mkdtemp(prefix="ablation-"))
    address = str(folder / "socket")
    standard_input, _ = os.pipe()  # whose other end is open for as long as this process
    server = [sys.executable, str(SCRIPTS / "warm_server.py"), address, *(["torch"] if torch else [])]
    subprocess.Popen(server, stdin=standard_input, start_new_session=True)
    os.close(standard_input)
    client = shlex.join([sys.executable, "-IS", str(SCRIPTS / "warm_python.py"), address, sys.executable])
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {client} "$@"\n', encoding="utf-8")
    python.chmod(0o700)
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])
