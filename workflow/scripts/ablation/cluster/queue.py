"""What of ours is in SLURM's queue: one call of squeue. No torch."""

from __future__ import annotations

import os
import re

from ablation.cluster.jobs import job_name, read_jobs
from ablation.cluster.slurm import slurm

# Snakemake's executor names a job's rule and wildcards in its comment.
COMMENT = re.compile(r"rule_(?P<rule>train|train_more_seeds|probe)_wildcards_(?P<variant>[a-z0-9-]+)(_(?P<seed>\d+))?$")
RULES = {"train_more_seeds": "train"}
FORMAT = "%i|%T|%r|%Z|%k"


def queued_jobs(study: str) -> dict[str, str]:
    """What the user's jobs of this folder and study wait for, by their names as of `job_name`: SLURM's reason.

    A job of all seeds of a variant names none. One that SLURM has started is starting: once it trains, its folder says
    so. Empty where there is no SLURM, or it does not answer.
    """
    submitted = {job.job_id: job.name for job in read_jobs() if job.state == "running"}
    found: dict[str, str] = {}
    for line in _queue(FORMAT) or []:
        job, state, reason, folder, comment = line.split("|", 4)
        if os.path.realpath(folder) != os.getcwd() and job not in submitted:
            continue
        waits_for = reason if state == "PENDING" else "starting"
        found |= dict.fromkeys(_names(comment, submitted.get(job, ""), study), waits_for)
    return found


def _names(comment: str, name: str, study: str) -> list[str]:
    if found := COMMENT.match(comment):
        return [job_name(study, RULES.get(found["rule"], found["rule"]), found["variant"], found["seed"] or "")]
    return [each.replace("-train_more_seeds-", "-train-") for each in name.split()]


def ids_in_queue() -> set[str] | None:
    """The ids of the user's jobs that wait or run; None where SLURM does not answer."""
    lines = _queue("%i")
    return None if lines is None else set(lines)


def _queue(columns: str) -> list[str] | None:
    answer = slurm("squeue", "--me", "--array", "--noheader", f"--format={columns}")
    return answer.stdout.splitlines() if answer.returncode == 0 else None
