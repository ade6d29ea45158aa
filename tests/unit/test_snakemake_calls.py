"""Snakemake and its SLURM executor still have what `snakemake_calls.py` uses of them, though undocumented."""

import asyncio
import inspect
import logging
import threading
from types import SimpleNamespace

import pytest
import snakemake.api  # first: the others import each other
from snakemake.dag import DAG
from snakemake.jobs import Job, Reason
from snakemake.modules import WorkflowModifier
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import OutputSettings
from snakemake.shell import shell
from snakemake.workflow import Workflow
from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from ablation.cluster.snakemake_calls import ask_patiently, given_config, look_once_a_timespan, slurm_executor

assert snakemake.api


class FakeWorkflow:
    """What `given_config` looks at, of a workflow or of a module of another."""

    def __init__(self, folder, parent):
        (folder / "study.yaml").write_text("a: 1\nb: {c: 2}\n")
        self.configfiles = [str(folder / "study.yaml")]
        self.config_settings = type("Settings", (), {"config": {"b": {"d": 3}}})
        self.modifier = type("Modifier", (), {"parent_modifier": parent})


WHOLE = {"a": 1, "b": {"c": 2, "d": 3}}


@pytest.mark.parametrize(
    ("parent", "config", "from_files"), [(None, {}, True), ("outer", WHOLE, True), ("outer", {"c": 2}, False)]
)
def test_a_module_takes_the_config_files_if_it_is_given_all_they_hold(tmp_path, parent, config, from_files):
    files, overrides = given_config(FakeWorkflow(tmp_path, parent), config, "config/demo.yaml")
    assert ([file.rpartition("/")[2] for file in files], overrides) == (
        (["study.yaml"], {"b": {"d": 3}}) if from_files else ([], {"c": 2})
    )


def test_without_config_files_it_is_the_default(tmp_path):
    workflow = FakeWorkflow(tmp_path, None)
    workflow.configfiles = []
    assert given_config(workflow, {}, "config/demo.yaml")[0] == ["config/demo.yaml"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            Workflow,
            ["configfiles", "config_settings", "modifier", "executor_plugin", "workdir_init", "scheduler", "dag"],
        ),
        (Workflow, ["is_main_process", "current_basedir", "output_settings"]),
        (OutputSettings, ["verbose", "printshellcmds", "debug_dag", "dryrun", "quiet"]),
        (WorkflowModifier, ["parent_modifier"]),
        (JobScheduler, ["_executor", "_open_jobs", "_schedule_reevalutation"]),
        (DAG, ["needrun_jobs", "reason", "toposorted", "jobid"]),
        (shell, ["_processes"]),
        (Reason, ["forced"]),
        (Job, ["is_local", "output", "resources", "rule", "wildcards_dict"]),
        (Executor, ["next_seconds_between_status_checks", "run_uuid", "_fallback_partition", "_fallback_account_arg"]),
        (RemoteExecutor, ["next_seconds_between_status_checks", "wait", "cancel"]),
    ],
)
def test_it_has_these_attributes(kind, names):
    code = inspect.getsource(kind)
    missing = [name for name in names if not hasattr(kind, name) and f"self.{name}" not in code]
    assert not missing


def test_however_many_jobs_end_the_scheduler_has_one_look_to_come():
    looks = threading.Semaphore(0)
    scheduler = SimpleNamespace(_open_jobs=looks)
    look_once_a_timespan(SimpleNamespace(scheduler=scheduler))
    for _ in range(2):
        for _ in range(5):
            scheduler._schedule_reevalutation(0.1)
        assert looks.acquire(timeout=5)
        assert not looks.acquire(timeout=0.3)


def test_a_quiet_dry_run_counts_its_jobs_and_ends():
    assert "if self.output_settings.quiet == {Quietness.RULES, Quietness.PROGRESS}:" in inspect.getsource(Workflow)


def test_the_executor_sleeps_between_two_looks_and_wakes_at_the_end():
    code = inspect.getsource(RemoteExecutor)
    assert "await self.sleep()" in code
    assert "if not self.wait:" in code
    assert inspect.iscoroutinefunction(RemoteExecutor.sleep)
    assert "sleep" not in vars(Executor)


@pytest.mark.parametrize(("command", "gone"), [("squeue --me", {"7": "COMPLETED"}), ("sacct -X", {})])
def test_no_answer_changes_nothing_and_a_job_that_squeue_hides_has_ended(monkeypatch, caplog, command, gone):
    answers = iter([({"7": "RUNNING"}, 0.1), (None, None), ({"8": "PENDING"}, 0.1)])

    async def answer(command, log):
        return next(answers)

    monkeypatch.setattr(slurm_executor, "query_job_status", answer)
    ask_patiently()
    asked = [asyncio.run(slurm_executor.query_job_status(command, logging.getLogger())) for _ in range(3)]
    assert [states for states, _ in asked] == [{"7": "RUNNING"}, {}, {"8": "PENDING"} | gone]
    assert "SLURM does not answer" in caplog.text
    assert "await query_job_status(" in inspect.getsource(Executor.check_active_jobs)
