"""A real SLURM for the tests of this folder, shared by all that run at the same time; without one they are skipped."""

import os

import pytest

from . import cluster as slurm


@pytest.fixture(scope="session")
def cluster():
    """SLURM is up. ABLATION_REQUIRE_SLURM=1 makes its absence a failure."""
    if reason := slurm.why_not():
        if os.environ.get("ABLATION_REQUIRE_SLURM"):
            pytest.fail(reason)
        pytest.skip(reason)
    with slurm.in_use():
        yield slurm
