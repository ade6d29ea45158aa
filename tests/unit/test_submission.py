"""What a job of submitit runs ends with the job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
STRUCK = """
import itertools, os, signal, subprocess, sys

from ablation.cluster.submission import Commands

moment, count = sys.argv[1], int(sys.argv[2])
start, calls = subprocess.Popen, itertools.count(1)


def struck(*arguments, **options):
    is_due = next(calls) == count
    if is_due and moment == "before":
        os.kill(os.getpid(), signal.SIGTERM)
    process = start(*arguments, **options)
    if is_due and moment == "after":
        os.kill(os.getpid(), signal.SIGTERM)
    return process


subprocess.Popen = struck
Commands(["true"] * (count - 1) + ["exec sleep 20", "echo went on"])()
"""


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_job_that_is_cancelled_while_a_command_starts_ends_it(moment, count):
    environment = {key: value for key, value in os.environ.items() if key != "SLURM_JOB_ID"}
    job = subprocess.run(
        [sys.executable, "-c", STRUCK, moment, str(count)],
        env=environment | {"PYTHONPATH": str(SCRIPTS)},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
        timeout=15,
    )
    assert (job.returncode, job.stdout, job.stderr) == (1, "", "")
