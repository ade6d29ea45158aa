"""What the workflow asks of Snakemake and of its SLURM executor beyond what these document, all in one place.

A test fails when a new version of either changes one of these attributes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import psutil
import snakemake_executor_plugin_slurm as slurm_executor
from snakemake.common.configfile import load_configfile
from snakemake.logging import DefaultFormatter, logger
from snakemake.settings.types import Quietness
from snakemake.shell import shell
from snakemake.utils import update_config


def given_config(workflow: Any, config: dict[str, Any], default: str) -> tuple[list[str], dict[str, Any]]:
    """The config files, and what is set over them: by `--config`, or by another workflow that uses ours as a module.

    What that one gives as `config:` are its own config files, or a mapping, which then is all there is.
    """
    files, overrides = workflow.configfiles, workflow.config_settings.config
    if workflow.modifier.parent_modifier is not None and config != _merged(files, overrides):
        return [], config
    return [os.path.relpath(path) for path in files or [default]], overrides


def _merged(files: Iterable[str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What Snakemake calls `config`."""
    config: dict[str, Any] = {}
    for each in (*map(load_configfile, files), overrides):
        update_config(config, each)
    return config


def executor(workflow: Any) -> str:
    """The name of the executor: local, slurm or cluster-generic."""
    return workflow.executor_plugin.name


def folder(workflow: Any) -> str:
    """The working directory, as the queue names it."""
    return workflow.workdir_init


def jobs_to_run(workflow: Any) -> list[Any]:
    """The jobs that have to run."""
    return list(workflow.dag.needrun_jobs())


class Planned(NamedTuple):
    """A job that would run: what it makes, and why, in Snakemake's words."""

    rule: str
    outputs: list[str]
    reason: str


def planned(workflow: Any) -> list[Planned]:
    """The jobs that have to run, each before those that need it."""
    return [
        Planned(job.rule.name, list(job.output), str(workflow.dag.reason(job)))
        for level in workflow.dag.toposorted(set(jobs_to_run(workflow)))
        for job in sorted(level, key=workflow.dag.jobid)
    ]


def forced_outputs(workflow: Any) -> list[str]:
    """The outputs of the jobs that run because the user forces them, by `--force`, `-R` or the like."""
    jobs = [job for job in jobs_to_run(workflow) if workflow.dag.reason(job).forced]
    return [str(path) for job in jobs for path in job.output]


def scripts(jobs: Iterable[Any]) -> list[str]:
    """The file name of the script that each job runs; rules without a command have none."""
    found = [re.search(r"\w+\.py", job.rule.shellcmd or "") for job in jobs]
    return [script[0] for script in found if script]


def jobs_to_submit(workflow: Any) -> list[Any]:
    """Those of them that are not for the machine that Snakemake runs on."""
    return [job for job in jobs_to_run(workflow) if not job.is_local]


class Speaker(Protocol):
    """A formatter and filter of messages, which may use Snakemake's own formatter."""

    of_snakemake: logging.Formatter

    def filter(self, record: logging.LogRecord) -> bool: ...

    def format(self, record: logging.LogRecord) -> str: ...


def uses_own_words(workflow: Any) -> bool:
    """Whether Snakemake was asked for its own messages, or this is a job, or a module of another workflow."""
    asked = workflow.output_settings
    is_part = not workflow.is_main_process or workflow.modifier.parent_modifier is not None
    return is_part or asked.verbose or asked.printshellcmds or asked.debug_dag


def let_speak(workflow: Any, speaker: Speaker) -> None:
    """Say on the terminal what this speaker says, unless Snakemake was told to show the logs of failed jobs."""
    for handler in terminals():
        formatter = handler.formatter
        if isinstance(formatter, DefaultFormatter) and not formatter.show_failed_logs:
            speaker.of_snakemake = formatter
            handler.setFormatter(speaker)  # type: ignore[arg-type]
            handler.addFilter(speaker.filter)
            if workflow.output_settings.dryrun and not uses_own_words(workflow):
                # As by `--quiet`, it ends when the jobs are known: to tell of each takes as long as to find it.
                workflow.output_settings.quiet = {Quietness.RULES, Quietness.PROGRESS}


def terminals() -> list[logging.Handler]:
    """Where Snakemake's messages are shown, besides its log file."""
    return [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]


def look_once_a_timespan(workflow: Any) -> None:
    """For its limit of submissions the scheduler looks at its jobs again after each look, and also after each job: with
    a thousand jobs it would look a thousand times in each timespan.

    Here there is one such look to come at a time, and Snakemake ends without waiting for it.
    """
    scheduler, to_come = workflow.scheduler, threading.Lock()

    def look() -> None:
        to_come.release()
        scheduler._open_jobs.release()

    def look_later(delay: float) -> None:
        if to_come.acquire(blocking=False):
            timer = threading.Timer(delay, look)
            timer.daemon = True
            timer.start()

    scheduler._schedule_reevalutation = look_later


def wake_at_the_end(workflow: Any) -> None:
    """Between two looks at the queue the executor sleeps for one to three minutes, also when no job is left.

    Here it looks three times as often, still with one call for all jobs, and ends with its last job.
    """
    executor = workflow.scheduler._executor

    async def sleep() -> None:
        end = time.monotonic() + executor.next_seconds_between_status_checks / 3
        while executor.wait and time.monotonic() < end:
            await asyncio.sleep(1)

    executor.sleep = sleep


def ask_patiently() -> None:
    """Where squeue fails, the executor forgets the jobs that run, and where it no longer shows a job, waits for ever.

    Here no answer means that nothing has changed; and a job that squeue has shown and shows no more has ended, which it
    hides after some minutes (MinJobAge). Snakemake then looks for the job's files.
    """
    ask = slurm_executor.query_job_status
    seen: set[str] = set()

    async def patiently(command: str, log: Any) -> tuple[dict[str, str], float]:
        states, seconds = await ask(command, log)
        if states is None:
            log.warning(f"SLURM does not answer. Its jobs are taken to be running, and it is asked again: {command}")
            return {}, 0.0
        seen.update(states)
        ended = seen - states.keys() if command.startswith("squeue") else ()
        return states | dict.fromkeys(ended, "COMPLETED"), seconds

    slurm_executor.query_job_status = patiently


def use_site_defaults(workflow: Any) -> None:
    """Where the profile names no partition or account, let it be that of the user's environment, and no guess."""
    executor = workflow.scheduler._executor
    if partition := os.environ.get("SBATCH_PARTITION"):
        executor._fallback_partition = partition
    if account := os.environ.get("SBATCH_ACCOUNT"):
        executor._fallback_account_arg = f" -A {shlex.quote(account)}"


def name_of_jobs(workflow: Any) -> str:
    """The name that this call's jobs have in SLURM's queue."""
    return str(workflow.scheduler._executor.run_uuid)


def cancel_in_peace(workflow: Any) -> None:
    """A second Ctrl-C would end Snakemake while it cancels its jobs, some of which would stay."""
    executor = workflow.scheduler._executor
    cancel = executor.cancel

    def in_peace() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_local_jobs()
        cancel()

    executor.cancel = in_peace


def _end_local_jobs() -> None:
    """A terminal sends Ctrl-C to the jobs of this machine too; a notebook, to Snakemake alone, which would wait for
    them."""
    for process in [*shell._processes.values()]:
        with suppress(psutil.Error):  # it has ended
            command = psutil.Process(process.pid)
            # The shell itself would end before what it runs.
            for each in command.children(recursive=True) or [command]:
                with suppress(psutil.Error):
                    each.terminate()
