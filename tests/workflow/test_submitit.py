"""Jobs through submitit where there is no SLURM: processes of this machine, which outlive what started them."""

import json
import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

from .conftest import wait_for

LONG = """\
study: long
data: {name: digits, train_images_per_class: 20}
seeds: [0]
base: {model: {filters: [8, 16, 16]}, epochs: 40, batch_size: 16}
variants: {adam: {}}
"""
SMALL = """\
study: small
data: {name: digits, train_images_per_class: 10}
seeds: [0, 1]
base: {model: {filters: [2, 3, 4]}, epochs: 2}
variants: {adam: {}, sgd: {optimizer: sgd}}
"""
PROFILE = ["-m", "snakemake", "--profile", "profiles/submitit"]
STUDY = ["--configfile", "config/small.yaml"]
RUN = "results/runs/adam/seed0"
TARGET = f"{RUN}/metrics.json"


@pytest.fixture
def call(project, tmp_path_factory):
    """Calls a script of the project as users of a machine without sbatch do; the process."""
    tools = tmp_path_factory.mktemp("bin")
    for name in ("bash", "sh", "dirname", "which", "ps"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    (project.folder / "config/long.yaml").write_text(LONG)
    (project.folder / "config/small.yaml").write_text(SMALL)

    def start(*command):
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=project.folder,
            env=os.environ | {"PATH": str(tools)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def ended(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def begin(project, call):
    """A Snakemake whose only run has got somewhere."""
    process = call(*PROFILE, TARGET, "--configfile", "config/long.yaml")
    log = project.folder / RUN / "train.log"
    wait_for(lambda: log.exists() and "epoch   3/40" in log.read_text())
    return process


def processes_of(project):
    """Those that belong to its jobs."""
    return [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(project.folder)]


def test_a_study_runs_through_and_its_jobs_logs_are_beside_the_runs(project, call):
    status, output = ended(call(*PROFILE, *STUDY))
    assert status == 0, output
    assert project.snakemake_log().count("Submitted job ") == 4
    assert "4 of 4 runs completed" in project.read("results/report.md")
    (log,) = (project.folder / RUN / "local").iterdir()
    assert "Training adam, seed 0" in log.read_text()
    assert "Nothing to be done" in ended(call(*PROFILE, *STUDY))[1]


def test_submit_py_leaves_runs_that_snakemake_waits_for_and_finds_done(project, call):
    submit = ["workflow/scripts/submit.py", *STUDY, "--variants", "adam"]
    assert "2 run(s) to submit" in ended(call(*submit, "--dry-run"))[1]
    status, output = ended(call(*submit, "--parallel", "2"))
    assert status == 0, output
    assert len(re.findall(r"^  \d+  small-train-", output, re.MULTILINE)) == 2
    again = ended(call(*submit))[1]
    assert again.count("is in the queue already") + again.count("is finished") == 2

    status, output = ended(call(*PROFILE, *STUDY))
    assert status == 0, output
    assert "4 of 4 runs completed" in project.read("results/report.md")
    for variant, seed in (("adam", 0), ("adam", 1), ("sgd", 0), ("sgd", 1)):
        assert project.read(f"results/runs/{variant}/seed{seed}/train.log").count("epoch   2/2") == 1
    assert ended(call(*submit))[1].count("is finished") == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--variants", "adan"], "the study has no variant adan; it has adam, sgd. No job was submitted."),
        (["--seeds", "0", "7"], "the study has no seed 7; it has 0, 1. No job was submitted."),
        (["--configfile", "config/nowhere.yaml"], "no job was submitted"),
    ],
)
def test_submit_py_refuses_what_the_study_does_not_have(project, call, arguments, reason):
    status, output = ended(call("workflow/scripts/submit.py", *STUDY, *arguments))
    assert status == 1
    assert reason in output
    assert "Traceback" not in output
    assert not (project.folder / ".snakemake/submitit").exists() or not processes_of(project)


def test_a_failed_run_is_named_with_its_log_and_the_others_finish(project, call):
    lock = project.folder / RUN / "run.lock"
    lock.mkdir(parents=True)  # train.py cannot open it
    status, output = ended(call(*PROFILE, *STUDY, "--retries", "0"))
    assert status == 1
    name = re.search(r"job \d+, small-train-adam-seed0: FAILED; its log is (\S+)", output)
    assert f"Failed: {TARGET}" in project.read(name[1])
    assert (project.folder / "results/runs/sgd/seed1/metrics.json").exists()
    assert f"rerun: snakemake {TARGET} --profile profiles/submitit --configfile config/small.yaml" in output


@pytest.mark.parametrize("executor_knows", [True, False], ids=["", "while the executor asks for states"])
def test_ctrl_c_ends_the_jobs_with_a_checkpoint_and_the_next_call_resumes(project, call, executor_knows):
    """The executor cancels the jobs of a list that is empty while it asks for their states: then it cancels nothing."""
    if not executor_knows:
        (project.folder / "profiles/submitit/cancel").write_text("#!/bin/sh\nexit 0\n")
    process = begin(project, call)
    os.killpg(process.pid, signal.SIGINT)
    assert ended(process)[0] == 1
    wait_for(lambda: not processes_of(project))
    assert "ended by SIGTERM" in project.read(f"{RUN}/train.log")
    assert not (project.folder / TARGET).exists()
    status, output = ended(call(*PROFILE, TARGET, "--configfile", "config/long.yaml"))
    assert status == 0, output
    assert json.loads(project.read(TARGET))["cost"]["interruptions"] == 1


def test_a_killed_snakemake_finds_its_job_again(project, call):
    process = begin(project, call)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert ended(call(*PROFILE, "--unlock", "--configfile", "config/long.yaml"))[0] == 0
    status, output = ended(call(*PROFILE, TARGET, "--configfile", "config/long.yaml"))
    assert status == 0, output
    assert len(list((project.folder / ".snakemake/submitit").glob("*.json"))) == 1
    assert json.loads(project.read(TARGET))["cost"]["interruptions"] == 0
