"""The order in which test files are given to the processes that run them, and where Hypothesis keeps its examples."""

import os
import tempfile
from pathlib import Path

# Not in the checkout: its files there hold paths of the machine.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir(), "ablation-hypothesis")))


def pytest_collection_modifyitems(items):
    """Those that mostly wait come first, beside all others."""
    items.sort(key=lambda item: ("/slurm/" not in str(item.path), "submitit" not in item.path.name))
