"""Tell Snakemake a job's state: job_status.py JOB prints running, success or failed.

Snakemake asks for each job by itself. The answer is that of the last question to SLURM, which is for all jobs and not
repeated within a few seconds; so most calls load nothing and ask nobody. Snakemake reads standard output, which holds
the state and nothing else, and ends where there is none: a question that fails leaves the state as it was.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ablation.cluster.jobs import CHECKED, read_job

# Seconds for which an answer holds.
INTERVAL = {"slurm": 5, "local": 0.5}


def status(job_id: str) -> str:
    job = read_job(job_id)
    checked = CHECKED.stat().st_mtime if CHECKED.exists() else 0.0
    if job.state == "running" and time.time() - checked > INTERVAL[job.cluster]:
        bridge = str(Path(__file__).with_name("submitit_bridge.py"))
        subprocess.run([sys.executable, bridge, "refresh"], stdout=sys.stderr, check=False)
    return read_job(job_id).state


if __name__ == "__main__":
    print(status(sys.argv[1]))
