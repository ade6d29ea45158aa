"""SLURM answers late or not at all, or has no accounting: jobs that are in the queue stay Snakemake's."""

import os
import shutil
import signal
import subprocess

import pytest

from . import cluster as slurm
from .conftest import ClusterProject, SubmititProject

STUDY = """\
base: {model: {filters: [2, 3, 4]}, epochs: 600, scheduler: none}
jobs: {mem_mb: 2500, runtime: 10}
variants: {long: {}}
"""
SHORTER = STUDY.replace("epochs: 600", "epochs: 200")  # it is waited for
RUN = "results/runs/long/seed0"
TARGET = f"{RUN}/metrics.json"
# A command of SLURM that fails as long as there is a file beside it.
UNSURE = """\
#!/bin/sh
[ -e "$0.down" ] || exec {command} "$@"
echo "{name}: error: Unable to contact slurm controller (connect failure)" >&2
exit 1
"""
# The job is in the queue for a while before who submitted it knows.
SLOW = """\
#!/bin/sh
{command} "$@" || exit
case "$*" in *--test-only*) ;; *) sleep 5 ;; esac
"""


@pytest.fixture
def unsure(tmp_path):
    """A folder of commands that can be made to fail."""
    for name in ("squeue", "sacct", "scancel"):
        script = tmp_path / name
        script.write_text(UNSURE.format(name=name, command=shutil.which(name)))
        script.chmod(0o755)
    return tmp_path


def without_accounting(folder):
    """SLURM's configuration as users of a cluster without accounting have it."""
    config = folder / "slurm.conf"
    text = (slurm.STATE / "slurm.conf").read_text()
    config.write_text(text.replace("accounting_storage/slurmdbd", "accounting_storage/none"))
    return {"SLURM_CONF": str(config)}


def with_path(project, folder):
    """The project, with these commands ahead of others of the same name."""
    project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"
    return project


@pytest.mark.parametrize("kind", [ClusterProject, SubmititProject])
def test_a_cluster_without_accounting(new_project, tmp_path, kind):
    project = new_project("plain", STUDY.replace("epochs: 600", "epochs: 2"), kind=kind)
    project.environment |= without_accounting(tmp_path)
    refused = subprocess.run(["sacct"], env=project.environment, capture_output=True, text=True, check=False)
    assert "accounting storage is disabled" in refused.stderr
    status, output = project.run(TARGET)
    assert status == 0, output
    assert (project.folder / TARGET).exists()


@pytest.mark.parametrize("kind", [ClusterProject, SubmititProject])
def test_while_slurm_does_not_answer_its_jobs_are_running(new_project, unsure, kind):
    project = with_path(new_project("silent", SHORTER, kind=kind), unsure)
    process = project.start(TARGET)
    slurm.wait_for("checkpoint", (project.folder / RUN / "checkpoint.pt").exists, 120)
    for name in ("squeue", "sacct"):
        (unsure / f"{name}.down").touch()
    slurm.wait_for("a word", lambda: "SLURM does not answer" in project.read("output.txt"), 60)
    (unsure / "squeue.down").unlink()
    assert process.wait(200) == 0, project.read("output.txt")
    assert project.history("State") == [["COMPLETED"]]


def test_a_job_that_fails_where_there_is_no_accounting_is_tried_again(new_project, unsure):
    project = with_path(new_project("fails", SHORTER, kind=SubmititProject), unsure)
    (unsure / "sacct.down").touch()
    process = project.start(TARGET)
    slurm.wait_for("checkpoint", (project.folder / RUN / "checkpoint.pt").exists, 120)
    subprocess.run(["scancel", *project.queue()], check=True)
    assert process.wait(300) == 0, project.read("output.txt")
    assert "gone from the queue without a result; its log is " in project.read("output.txt")
    assert len(project.history("State")) == 2


def test_jobs_that_slurm_does_not_cancel_are_named(new_project, unsure):
    project = with_path(new_project("stays", STUDY, kind=SubmititProject), unsure)
    process = project.start(TARGET)
    slurm.wait_for("checkpoint", (project.folder / RUN / "checkpoint.pt").exists, 120)
    (unsure / "scancel.down").touch()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    (job,) = project.queue()
    subprocess.run(["scancel", job], check=True)
    assert "SLURM did not cancel every job: " in project.read("output.txt")
    assert f"scancel {job}" in project.read("output.txt")


@pytest.mark.parametrize("kind", [ClusterProject, SubmititProject])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to Snakemake", "from the terminal"])
def test_ctrl_c_while_a_job_is_being_submitted_cancels_it(new_project, tmp_path, kind, send):
    script = tmp_path / "sbatch"
    script.write_text(SLOW.format(command=shutil.which("sbatch")))
    script.chmod(0o755)
    project = with_path(new_project("submitting", STUDY, kind=kind), tmp_path)
    process = project.start(TARGET)
    slurm.wait_for("a job in the queue", project.queue, 60)
    send(process.pid, signal.SIGINT)
    assert process.wait(60) == 1
    project.wait_for_jobs()
    assert [state.split()[0] for (state,) in project.history("State")] == ["CANCELLED"]
