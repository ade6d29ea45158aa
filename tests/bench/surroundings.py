"""Where a benchmark ran, which its JSON says beside what it found."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("snakemake", "snakemake-executor-plugin-slurm", "pydantic", "numpy", "scipy", "torch")


def write(path: Path | None, found: dict[str, Any]) -> None:
    """What a benchmark found, with the machine, the versions and the load; nothing without a path."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine()} | found, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
