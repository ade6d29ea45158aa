"""In which order, and by which of several processes, the tests run."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share a project run in one process. Those that mostly wait come first, beside all others."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        shared = parameters.params.get("finished") or parameters.params.get("told") if parameters else None
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {shared or ''}"))
    items.sort(key=lambda item: ("/slurm/" not in str(item.path), "submitit" not in item.path.name))
