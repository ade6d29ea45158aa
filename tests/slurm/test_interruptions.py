"""Jobs that end before their run does, and what becomes of them: each ends as the uninterrupted run, in the same files.

The stories mostly wait for SLURM, so they are played side by side, each in its project, and the tests look at the ends.
"""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import cluster as slurm
from .conftest import ENVIRONMENT, PROFILE, SNAKEMAKE

RUN = "results/runs/long/seed0"
TARGET = f"{RUN}/metrics.json"
LONG = """\
base: {filters: [2, 3, 4], epochs: 250, scheduler: none}
jobs: {mem_mb: 1500, runtime: 10, checkpoint_seconds: 10}
variants: {long: {}}
"""
SHORT_LIMIT = LONG.replace("runtime: 10", "runtime: 1")


def begin(project):
    """Start Snakemake, and wait until the run has something to go on from."""
    process = project.start(TARGET)
    slurm.wait_for("checkpoint", (project.folder / RUN / "checkpoint.pt").exists, 120)
    return process


def end(project, process):
    """Wait for Snakemake's end; what it said."""
    assert process.wait(400) == 0, project.read("output.txt")
    return project.read("output.txt")


def time_out(new_project):
    """The job's processes stand still until SLURM wakes and warns them."""
    project = new_project("time-out", SHORT_LIMIT, [("TERM@120", "TERM@5")])
    process = begin(project)
    subprocess.run(["scancel", "--signal=STOP", *project.queue()], check=True)
    end(project, process)
    return project


def preemption(new_project):
    """A job of a partition with higher priority needs the node."""
    project = new_project("preemption", LONG, [("# slurm_partition: gpu", "slurm_partition: low")])
    process = begin(project)
    options = ["--partition=high", "--gpus=2", "--output=/dev/null", "--wrap=sleep 1"]
    subprocess.run(["sbatch", *options], check=True, stdout=subprocess.DEVNULL)
    end(project, process)
    return project


def dead_node(new_project):
    """The node goes without a word, and comes back empty."""
    project = new_project("node", LONG, [("# slurm_partition: gpu", "slurm_partition: broken")])
    process = begin(project)
    slurm.kill_node("node3")
    slurm.wait_for("node3 down", lambda: "down" in slurm.output("sinfo", "-hp", "broken", "-o", "%T"))
    slurm.start_node("node3")
    end(project, process)
    return project


def cancelled_job(new_project):
    project = new_project("scancel", LONG)
    process = begin(project)
    subprocess.run(["scancel", *project.queue()], check=True)
    end(project, process)
    return project


def ctrl_c(new_project):
    """Ctrl-C once jobs run, then the same call again."""
    project = new_project("ctrl-c", LONG)
    process = begin(project)
    process.send_signal(signal.SIGINT)
    project.status = process.wait(60)
    slurm.wait_for("an empty queue", lambda: not project.queue(), 30)
    project.unfinished = not (project.folder / TARGET).exists()
    end(project, project.start(TARGET))
    return project


def killed_snakemake(new_project):
    """Snakemake is killed while a job runs, and then called again before and after the job's end."""
    project = new_project("kill", LONG)
    process = begin(project)
    os.killpg(process.pid, signal.SIGKILL)
    project.locked = project.run(TARGET)[1]
    unlock = [*SNAKEMAKE, *PROFILE, "--unlock"]
    subprocess.run(unlock, cwd=project.folder, env=ENVIRONMENT, check=True, capture_output=True)
    project.refused = project.run(TARGET)[1]
    slurm.wait_for("the job's end", lambda: not project.queue(), 200)
    project.again = end(project, project.start(TARGET))
    return project


STORIES = (time_out, preemption, dead_node, cancelled_job, ctrl_c, killed_snakemake)


@pytest.fixture(scope="module")
def told(new_project):
    """Plays all stories; a story's project, or its exception, once it has ended."""
    with ThreadPoolExecutor(len(STORIES)) as pool:
        futures = {story: pool.submit(story, new_project) for story in STORIES}
        yield lambda story: futures[story].result()


def record(project):
    return json.loads(project.read(TARGET))


def test_a_job_out_of_time_is_warned_and_its_next_try_has_more_time_and_goes_on(told):
    project = told(time_out)
    tries = project.history("TimelimitRaw", "State")
    assert [minutes for minutes, _ in tries] == ["1", "2"]
    assert tries[1][1] == "COMPLETED"
    assert record(project)["cost"]["interruptions"] == 1
    assert "ended by SIGTERM" in project.read("output.txt")


def test_a_preempted_job_is_queued_again_by_slurm_and_goes_on(told):
    project = told(preemption)
    tries = project.history("JobID", "State")
    assert [state for _, state in tries] == ["PREEMPTED", "COMPLETED"]
    assert len({job for job, _ in tries}) == 1
    assert record(project)["cost"]["interruptions"] == 1


def test_a_job_whose_node_dies_goes_on_elsewhere_or_later(told):
    project = told(dead_node)
    tries = project.history("JobID", "State")
    assert [state for _, state in tries] == ["NODE_FAIL", "COMPLETED"]
    assert len({job for job, _ in tries}) == 1
    assert record(project)["cost"]["interruptions"] == 1


def test_a_cancelled_job_is_tried_again_and_goes_on(told):
    project = told(cancelled_job)
    assert [state.split()[0] for (state,) in project.history("State")] == ["CANCELLED", "COMPLETED"]
    assert record(project)["cost"]["interruptions"] == 1


def test_ctrl_c_cancels_the_jobs_and_the_next_call_goes_on(told):
    project = told(ctrl_c)
    assert project.status != 0
    assert project.unfinished
    assert [state.split()[0] for (state,) in project.history("State")] == ["CANCELLED", "COMPLETED"]
    assert record(project)["cost"]["interruptions"] == 1


def test_the_jobs_of_a_killed_snakemake_are_not_submitted_twice(told):
    project = told(killed_snakemake)
    assert "--unlock" in project.locked
    assert "1 job(s) of an earlier call in this folder are still in SLURM's queue" in project.refused
    assert "Nothing to be done" in project.again
    assert project.history("State") == [["COMPLETED"]]
    assert record(project)["cost"]["interruptions"] == 0
