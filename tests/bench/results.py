"""How each benchmark tells what it found: a table, and the same as JSON with machine, versions and load."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path

from tabulate import tabulate

PACKAGES = ("torch", "snakemake", "submitit", "pandas", "matplotlib")


def tell(rows, path=None, *, device=None):
    """Print the rows, mappings with the same keys, as a table in Markdown, and write them to `path`."""
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=",.4g", intfmt=","), flush=True)
    if path is not None:
        text = json.dumps({"machine": machine(device), "rows": rows}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


def machine(device=None):
    """What figures depend on besides the code. `device` is the name of a GPU, where one was measured."""
    return {
        "device": device or processor(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
    }


def processor():
    """The processor's name, as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def add_json(parser):
    """The option that every benchmark has."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too, with the machine")
