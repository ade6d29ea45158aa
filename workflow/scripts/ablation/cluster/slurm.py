"""What is done before Snakemake's executor submits jobs to SLURM: checks that end in one sentence, names and logs.

Each check is one call of a SLURM command, whatever the number of jobs.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ablation.escaping import for_shell

LOGS = Path("results/logs/slurm")  # as `slurm-logdir` in the profile
# Resources of a job as options of sbatch, as the executor passes them.
OPTIONS = {
    "slurm_partition": "--partition",
    "slurm_account": "--account",
    "qos": "--qos",
    "constraint": "--constraint",
    "gpu": "--gpus",
    "gres": "--gres",
    "mem_mb": "--mem",
    "runtime": "--time",
    "_cores": "--cpus-per-task",
}
# What SLURM's commands take from the environment as if it had been typed after their names.
QUESTIONS = ("SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_")
VARIABLES = ("SBATCH_", "SLURM_", *QUESTIONS)
# Of these, what they need to find the cluster,
CLUSTER = {"SLURM_CONF", "SLURM_JWT", "SLURM_CLUSTERS", "SBATCH_CLUSTERS", "SBATCH_RESERVATION"}
# and where jobs run, if no resource of the profile says so.
PLACES = {
    "SBATCH_PARTITION": "slurm_partition",
    "SBATCH_ACCOUNT": "slurm_account",
    "SBATCH_QOS": "qos",
    "SBATCH_CONSTRAINT": "constraint",
}


class ClusterError(Exception):
    """SLURM would not take the jobs; the message says why and what to do."""


def forget_environment(jobs: list[Any], profile: str) -> None:
    """Let these jobs be what the study and the profile say, also inside a job of SLURM or with options in variables."""
    given = {key for job in jobs for key, _ in job.resources.items()}
    kept = CLUSTER | {name for name, resource in PLACES.items() if resource not in given}
    forgotten = sorted(name for name in os.environ if name.startswith(VARIABLES) and name not in kept)
    for name in forgotten:
        del os.environ[name]
    options = [name for name in forgotten if name.startswith("SBATCH_")]
    if options:
        print(f"Not used, since the study and {profile} say what jobs get: {', '.join(options)}", file=sys.stderr)


def check(jobs: list[Any], folder: str) -> None:
    """Refuse what SLURM would refuse, and what is already in its queue, before anything is submitted."""
    check_requests(jobs, "profiles/slurm/config.yaml")
    if jobs:
        check_queue(folder)


def check_requests(jobs: list[Any], profile: str) -> None:
    """Refuse what SLURM would refuse, which `profile` asks for."""
    forget_environment(jobs, profile)
    if jobs and not shutil.which("sbatch"):
        raise ClusterError("No job was submitted: there is no sbatch on the PATH; is this a login node of the cluster?")
    if jobs:
        check_answer()
    for rule in sorted({job.rule.name for job in jobs}):
        check_request(next(job for job in jobs if job.rule.name == rule), profile)


def check_answer() -> None:
    """Without an answer from the cluster, each request would seem to be refused."""
    answer = slurm("sinfo", "--noheader", "--format=%R")
    if answer.returncode != 0:
        reason = answer.stderr.strip().rpartition("\n")[2]
        raise ClusterError(
            f"No job was submitted: SLURM does not answer: {reason}. Is this a login node of the cluster?"
        )


def check_request(job: Any, profile: str) -> None:
    """Let SLURM say whether it would take a job like this one."""
    options = [f"{option}={job.resources[key]}" for key, option in OPTIONS.items() if job.resources.get(key)]
    extra = shlex.split(job.resources.get("slurm_extra", ""))
    answer = slurm("sbatch", "--test-only", "--ntasks=1", *options, *extra, "--wrap=true")
    reason = answer.stderr.strip().rpartition(": ")[2]
    if answer.returncode != 0 and not may_change(reason, job.resources.get("slurm_partition")):
        partitions = ", ".join(sorted(set(slurm("sinfo", "--noheader", "--format=%R").stdout.split())))
        raise ClusterError(
            f"No job was submitted: SLURM refuses a job of rule {job.rule.name}: {reason} (asked for: "
            f"{' '.join([*options, *extra])}). Set what is wrong at the top of {profile}, or cores, "
            f"memory and time in the study's `jobs`. This cluster's partitions: {partitions}."
        )


def may_change(reason: str, partition: str | None) -> bool:
    """Is it something to wait for: nodes that are busy, or that are down now and may have what was asked for?"""
    if "node configuration is not available" in reason:
        where = [f"--partition={partition}"] if partition else []
        return bool(slurm("sinfo", "--noheader", "--list-reasons", *where).stdout.strip())
    return "busy" in reason


def check_queue(folder: str) -> None:
    """Jobs that a killed Snakemake left would be submitted twice. The executor's have a comment: rule_..."""
    queue = slurm("squeue", "--me", "--noheader", "--format=%i %k %Z").stdout.splitlines()
    jobs = [line.split(maxsplit=2) for line in queue]
    here = os.path.realpath(folder)
    left = [job for job, rule, where in jobs if rule.startswith("rule_") and os.path.realpath(where) == here]
    if left:
        raise ClusterError(
            f"No job was submitted: {len(left)} job(s) of an earlier call in this folder are still in SLURM's queue. "
            f"Let them end (`squeue --me` shows them), or cancel them: {for_shell('scancel', *left)}"
        )


def cancel_all(name: str) -> None:
    """Cancel the jobs of this name."""
    if slurm("scancel", f"--name={name}").returncode != 0:
        print(f"SLURM does not answer, and jobs may still run. To cancel them: scancel --name={name}", file=sys.stderr)


def max_array_size() -> int:
    """How many jobs an array may have on this cluster; SLURM's default where it does not say."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", slurm("scontrol", "show", "config").stdout, re.MULTILINE)
    return int(found[1]) if found else 1001


def slurm(*command: str) -> subprocess.CompletedProcess[str]:
    """A command of SLURM, which the user's variables for such commands do not change.

    One that is not there, or does not answer within a minute, has failed as any other.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(QUESTIONS)}
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def log_beside_runs(jobs: list[Any]) -> None:
    """Let the folder in which the executor has SLURM write a run's log be one in the run's own folder."""
    for job in jobs:
        logs = Path(job.output[0]).parent / "slurm"
        logs.mkdir(parents=True, exist_ok=True)
        link = LOGS / f"rule_{job.rule.name}" / "_".join(job.wildcards)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() and not link.exists():
            link.symlink_to(os.path.relpath(logs, link.parent))
