"""The machine that Snakemake itself runs on. No torch."""

from __future__ import annotations

import os
import sys
from pathlib import Path


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
