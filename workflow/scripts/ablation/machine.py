"""The machine that Snakemake itself runs on. No torch."""

from __future__ import annotations

from pathlib import Path


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether there is an NVIDIA GPU: its device file, or under Windows the one that WSL has for it."""
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()
