"""Jobs through submitit: how one is asked for, what it runs, and in which state it is. No torch.

In: shell commands and the resources of a rule, by Snakemake's names. A job that submitit interrupts (a time limit, a
preemption) is requeued, and its commands run again; `train.py` and `probe.py` then resume from their checkpoint.
Fails with `SubmissionError` where SLURM refuses a job.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths

from ablation.cluster.jobs import CHECKED, SubmittedJob, read_jobs
from ablation.cluster.queue import ids_in_queue
from ablation.cluster.slurm import slurm
from ablation.config.texts import SNAKEMAKE_OPTIONS
from ablation.escaping import for_terminal

LOGS = Path("results", "logs", "submitit")
# How often a job may reach its time limit and resume: enough for any training, and an end for one that never gets on.
TIME_LIMITS = 50
# Seconds before the time limit at which a job is told to write its checkpoint.
WARNING_SECONDS = 90
# A year in minutes: on one machine, a run may take as long as it takes.
NO_LIMIT = 525_600
# What a job takes over from where it was submitted, whatever the site's sbatch takes over.
ENVIRONMENT = ("PATH", "GLIBC_TUNABLES", SNAKEMAKE_OPTIONS)
# Resources that are options of sbatch, with submitit's name for them.
SBATCH_OPTIONS = {
    "slurm_partition": "slurm_partition",
    "slurm_account": "slurm_account",
    "qos": "slurm_qos",
    "constraint": "slurm_constraint",
    "gres": "slurm_gres",
}
ALIVE = "ALIVE"
GONE = "gone from the queue without a result"
FAILED_STATES = ("BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
# How long a job that is in no queue, and of which accounting says nothing certain, may still turn out to be done.
DOUBT_SECONDS = 60
# How long a cancelled local job may take to write its checkpoint.
GRACE_SECONDS = 30


class SubmissionError(Exception):
    """SLURM did not take a job; the message is SLURM's."""


class Commands:
    """Shell commands, run one after another; ends with an error's status when one failed.

    Submitit pickles it together with what is left to do. It is pickled by value, so the job needs no path to this file.
    """

    def __init__(self, commands: Sequence[str]) -> None:
        self.left = list(commands)
        self.environment = {key: os.environ[key] for key in ENVIRONMENT if key in os.environ}
        self.failures = 0
        self.group: int | None = None  # the process group of the command that runs
        self.stopped = False

    def __call__(self) -> None:
        self.group = None  # not that of a job that was requeued
        signal.signal(signal.SIGTERM, self._stop)
        while self.left and not self.stopped:
            # The shells in between outlive the signals, which are for the command itself.
            script = f"trap '' USR2; trap : TERM\n{self.left[0]}"
            process = subprocess.Popen(
                ["bash", "-c", script], env=os.environ | self.environment, start_new_session=True
            )
            self.group = process.pid
            if self.stopped:  # while it started
                self._end_command()
            self.failures += process.wait() != 0
            self.group = None
            self.left.pop(0)
        # Stopped by SLURM, which also ends the job: an end of its own would make a preempted job a failed one.
        while self.stopped and os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
            time.sleep(1)
        if self.failures or self.stopped:
            sys.exit(1)

    def _stop(self, *_: Any) -> None:
        """Cancelled or preempted: the command writes its checkpoint and ends."""
        self.stopped = True
        self._end_command()

    def _end_command(self) -> None:
        if self.group is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.group, signal.SIGTERM)

    def checkpoint(self) -> DelayedSubmission:
        """Submitit calls this ahead of the time limit, and requeues the job with what it returns."""
        self._end_command()
        if self.group is not None:
            with suppress(ChildProcessError):
                ended = os.waitid(os.P_PID, self.group, os.WEXITED | os.WNOWAIT)
                if ended is not None and ended.si_status == 0:
                    self.left.pop(0)
        return DelayedSubmission(self)


cloudpickle.register_pickle_by_value(sys.modules[__name__])


def make_executor(name: str, threads: int, resources: Mapping[str, Any]) -> submitit.AutoExecutor:
    """Submitit's executor for jobs of this name with these resources of a rule.

    Each submission has a folder of its own for logs and pickles: ids of local jobs, which name them, come again.
    """
    executor = submitit.AutoExecutor(
        LOGS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}",
        cluster=resources.get("submitit_cluster"),
        slurm_max_num_timeout=TIME_LIMITS,
        local_max_num_timeout=TIME_LIMITS,
    )
    gpus = int(resources.get("gpu", 0)) if "gres" not in resources else 0
    extra = [option.lstrip("-").partition("=") for option in shlex.split(resources.get("slurm_extra", ""))]
    additional = {"requeue": True} | ({"gpus": gpus} if gpus else {}) | {key: value or True for key, _, value in extra}
    options = {option: resources[key] for key, option in SBATCH_OPTIONS.items() if key in resources}
    executor.update_parameters(
        name=name,
        stderr_to_stdout=True,
        timeout_min=int(resources["runtime"]),
        local_timeout_min=NO_LIMIT,
        local_gpus_per_node=int(gpus > 0 or "gres" in resources),
        slurm_signal_delay_s=WARNING_SECONDS,
        slurm_mem=f"{resources['mem_mb']}MB",
        slurm_cpus_per_task=threads,
        slurm_srun_args=[f"--cpus-per-task={threads}"],  # srun does not take it over from sbatch
        slurm_additional_parameters=additional,
        **options,
    )
    return executor


def submit(executor: submitit.AutoExecutor, work: Sequence[Commands], names: Sequence[str]) -> list[SubmittedJob]:
    """Submit these as one job array (one job, where it is one), and remember them."""
    try:
        with detached():
            submitted = executor.submit_array(work)
    except (FailedJobError, FailedSubmissionError) as error:
        raise SubmissionError(f"SLURM did not take {executor.parameters['job_name']}: {error}") from error
    jobs = [
        SubmittedJob(job.job_id, name, str(executor.folder), executor.cluster)
        for job, name in zip(submitted, names, strict=True)
    ]
    for job in jobs:
        job.write()
    return jobs


@contextmanager
def detached() -> Iterator[None]:
    """Processes that start inside outlive the caller: they do not share its terminal or pipes."""
    with suppress(PermissionError):  # a leader of its group already
        os.setsid()
    streams = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, saved in zip((1, 2), streams, strict=True):
            os.dup2(saved, stream)


def refresh() -> list[SubmittedJob]:
    """The jobs that still ran, in their state of now: one call each of squeue and sacct for all of them."""
    CHECKED.parent.mkdir(parents=True, exist_ok=True)
    CHECKED.touch()
    running = [job for job in read_jobs() if job.state == "running"]
    on_slurm = [job.job_id for job in running if job.cluster == "slurm"]
    states = _slurm_states(on_slurm) | {job.job_id: _local_state(job) for job in running if job.cluster == "local"}
    now = [_updated(job, states[job.job_id]) for job in running]
    for job in now:
        job.write()
    return now


def _updated(job: SubmittedJob, state: str) -> SubmittedJob:
    if JobPaths(job.folder, job.job_id).result_pickle.exists():
        return replace(job, state="success")
    if state == ALIVE:
        return replace(job, doubted=0.0)
    doubted = job.doubted or time.time()
    if state in FAILED_STATES or time.time() - doubted > DOUBT_SECONDS:
        text = f"job {job.job_id}, {job.name}: {state}; its log is {log_of(job)}"
        print(for_terminal(text), file=sys.stderr)
        return replace(job, state="failed")
    return replace(job, doubted=doubted)


def log_of(job: SubmittedJob) -> Path:
    """What the job wrote, and SLURM about it."""
    return Path(os.path.relpath(JobPaths(job.folder, job.job_id).stdout))


def link_log(job: SubmittedJob, directory: Path) -> None:
    """Link the job's log, in which SLURM says why it ended, from the run's folder, in `slurm/` or `local/`."""
    link = directory / job.cluster / f"{job.job_id}.log"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(log_of(job), link.parent))


def _local_state(job: SubmittedJob) -> str:
    """Submitit knows a local job's state only in the process that submitted it."""
    return ALIVE if _local_processes(job) else "FAILED"


def _local_processes(job: SubmittedJob) -> list[psutil.Process]:
    """The processes of a local job; none when it has ended, also where its id has been given to another process."""
    with suppress(psutil.Error):
        controller = psutil.Process(int(job.job_id))
        if job.folder in controller.cmdline():
            return [controller, *controller.children(recursive=True)]
    return []


def _slurm_states(job_ids: Sequence[str]) -> dict[str, str]:
    """How each of these jobs ended. One that is in the queue is alive, however it ended before: it was requeued.

    Where SLURM does not answer, all are: that passes, and what a job has done is in its folder.
    """
    queued = ids_in_queue() if job_ids else set()
    if queued is None:
        print("SLURM does not answer squeue. Its jobs are taken to be running, and it is asked again.", file=sys.stderr)
        return dict.fromkeys(job_ids, ALIVE)
    gone = [job_id for job_id in job_ids if job_id not in queued]
    return dict.fromkeys(job_ids, ALIVE) | dict.fromkeys(gone, GONE) | _accounted(gone)


def _accounted(job_ids: Sequence[str]) -> dict[str, str]:
    """How accounting says that these jobs failed; it may not know them yet, be down, or not be there at all."""
    if not job_ids:
        return {}
    answer = slurm("sacct", "-XnP", "--format=JobID,State", f"--jobs={','.join(job_ids)}")
    words = dict(line.split()[0].split("|") for line in answer.stdout.splitlines() if line.count("|") == 1)
    return {job_id: word for job_id, word in words.items() if job_id in job_ids and word in FAILED_STATES}


def cancel(jobs: Sequence[SubmittedJob]) -> None:
    """End these jobs with all their processes. What takes over two seconds happens in the background."""
    processes = [process for job in jobs if job.cluster == "local" for process in _local_processes(job)]
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    if processes and os.fork() == 0:
        _, alive = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        os._exit(0)
    on_slurm = [job.job_id for job in jobs if job.cluster == "slurm"]
    answer = slurm("scancel", *on_slurm) if on_slurm else None
    if answer and answer.returncode != 0:
        reason = answer.stderr.strip().rpartition("\n")[2]
        raise SubmissionError(f"SLURM did not cancel every job: {reason}. Try again: scancel {' '.join(on_slurm)}")
