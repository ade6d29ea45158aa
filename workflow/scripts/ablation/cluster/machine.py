"""The machine that Snakemake itself runs on. No torch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SCRIPTS = Path(__file__).parents[2]
# How glibc allocates. Otherwise it gives freed blocks back to the system at every step, and training on a processor
# takes half as long again; large pages make it 8 % faster, and a process faster to fork.
ALLOCATION = ("mmap_threshold=4294967296", "trim_threshold=17179869184", "top_pad=268435456", "hugetlb=1")


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether there is an NVIDIA GPU: its device file, or under Windows the one that WSL has for it."""
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()


def set_environment() -> None:
    """What jobs find in their environment."""
    # The Python that runs this runs them too, also where its environment is not activated.
    use_python(Path(sys.executable))
    os.environ.setdefault("GLIBC_TUNABLES", ":".join(f"glibc.malloc.{tunable}" for tunable in ALLOCATION))


def use_python(python: Path) -> None:
    """Let `python` in the commands of jobs be this one."""
    os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])


def use_warm_python(scripts: Sequence[str]) -> None:
    """Let jobs that run these scripts start fast, by a new warm `python`, or by the one in ABLATION_WARM_PYTHON, which
    calls share."""
    if python := os.environ.get("ABLATION_WARM_PYTHON"):
        use_python(Path(python))
    elif len(scripts) > 2:
        with suppress(OSError):  # no temporary folder to be written to: jobs start as slowly as Python does
            use_python(start_warm_python(sorted(set(scripts))))


def start_warm_python(scripts: Sequence[str]) -> Path:
    """A `python` that runs scripts in processes forked from one that has imported what these scripts import.

    That one ends with this process, however it ends; the scripts that it runs live on.
    """
    folder = Path(tempfile.mkdtemp(prefix="ablation-"))
    address = str(folder / "socket")
    standard_input, _ = os.pipe()  # whose other end is open for as long as this process
    server = [sys.executable, str(SCRIPTS / "warm_server.py"), address, *scripts]
    subprocess.Popen(server, stdin=standard_input, start_new_session=True)
    os.close(standard_input)
    client = shlex.join([sys.executable, "-IS", str(SCRIPTS / "warm_python.py"), address, sys.executable])
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {client} "$@"\n', encoding="utf-8")
    python.chmod(0o700)
    return python
