"""Jobs that end before their run does, each resumes, and ends in the same files.

The stories mostly wait for SLURM, so they are played side by side, each in its project, and the tests look at the ends;
first with Snakemake's executor for SLURM, then with submitit.
"""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from . import cluster as slurm
from .conftest import ENVIRONMENT, SNAKEMAKE, ClusterProject, SubmititProject

RUN = "results/runs/long/seed0"
TARGET = f"{RUN}/metrics.json"
LONG = """\
base: {model: {filters: [2, 3, 4]}, epochs: 150, scheduler: none}
jobs: {mem_mb: 2500, runtime: 10, checkpoint_seconds: 10}
variants: {long: {}}
"""
SHORT_LIMIT = LONG.replace("runtime: 10", "runtime: 1")


def begin(project):
    """Start Snakemake, and wait until the run has a checkpoint."""
    process = project.start(TARGET)
    slurm.wait_for("checkpoint", (project.folder / RUN / "checkpoint.pt").exists, 120)
    return process


def end(project, process):
    """Wait for Snakemake's end; what it said."""
    assert process.wait(400) == 0, project.read("output.txt")
    return project.read("output.txt")


def time_out(make):
    """The job's processes stand still until SLURM wakes and warns them."""
    project = make("time-out", SHORT_LIMIT, [("TERM@120", "TERM@5")])
    process = begin(project)
    subprocess.run(["scancel", "--signal=STOP", *project.queue()], check=True)
    end(project, process)
    return project


def time_out_of_submitit(make):
    """The run stands still while the job's time becomes short, so that SLURM warns submitit."""
    project = make("time-out", LONG)
    process = begin(project)
    signal_run(project, signal.SIGSTOP)
    update = ["scontrol", "update", f"JobId={project.queue()[0]}"]
    subprocess.run([*update, "TimeLimit=2"], check=True)
    slurm.wait_for("warning", lambda: "Caught signal SIGUSR2" in project.log("long/seed0"), 120)
    subprocess.run([*update, "TimeLimit=10"], check=True)
    signal_run(project, signal.SIGCONT)
    end(project, process)
    return project


def signal_run(project, number):
    """Send a signal to the processes of `train.py`, and to no other of the job."""
    for process in psutil.process_iter():
        try:
            if "train.py" in " ".join(process.cmdline()[:2]) and process.cwd() == str(project.folder):
                process.send_signal(number)
        except psutil.Error:  # it has ended
            continue


def preemption(make):
    """A job of a partition with higher priority needs the node."""
    project = make("preemption", LONG, [("# slurm_partition: gpu", "slurm_partition: low")])
    process = begin(project)
    options = ["--partition=high", "--gpus=2", "--output=/dev/null", "--wrap=sleep 1"]
    subprocess.run(["sbatch", *options], check=True, stdout=subprocess.DEVNULL)
    end(project, process)
    return project


def dead_node(make):
    """The node goes without a word, and comes back empty."""
    project = make("node", LONG, [("# slurm_partition: gpu", "slurm_partition: broken")])
    process = begin(project)
    slurm.kill_node("node3")
    slurm.wait_for("node3 down", lambda: "down" in slurm.output("sinfo", "-hp", "broken", "-o", "%T"))
    slurm.start_node("node3")
    end(project, process)
    return project


def cancelled_job(make):
    project = make("scancel", LONG)
    process = begin(project)
    subprocess.run(["scancel", *project.queue()], check=True)
    end(project, process)
    return project


def ctrl_c(make):
    """Ctrl-C once jobs run, then the same call again."""
    project = make("ctrl-c", LONG)
    process = begin(project)
    process.send_signal(signal.SIGINT)
    project.status = process.wait(60)
    slurm.wait_for("an empty queue", lambda: not project.queue(), 30)
    project.unfinished = not (project.folder / TARGET).exists()
    end(project, project.start(TARGET))
    return project


def killed_snakemake(make):
    """Snakemake is killed while a job runs, and then called again before and after the job's end."""
    project = make("kill", LONG)
    process = begin(project)
    os.killpg(process.pid, signal.SIGKILL)
    signal_run(project, signal.SIGSTOP)
    project.locked = project.run(TARGET)[1]
    unlock = [*SNAKEMAKE, "--profile", project.profile, "--unlock"]
    subprocess.run(unlock, cwd=project.folder, env=ENVIRONMENT, check=True, capture_output=True)
    second = project.start(TARGET)
    slurm.wait_for("answer", lambda: second.poll() is not None or "Submitted" in project.snakemake_log())
    project.second = project.read("output.txt") + project.snakemake_log()
    signal_run(project, signal.SIGCONT)
    second.wait(200)
    slurm.wait_for("the job's end", lambda: not project.queue(), 200)
    project.again = end(project, project.start(TARGET))
    return project


STORIES = {
    "slurm": (time_out, preemption, dead_node, cancelled_job, ctrl_c, killed_snakemake),
    "submitit": (time_out_of_submitit, preemption, dead_node, cancelled_job, ctrl_c, killed_snakemake),
}


class Told:
    """Stories being played; `told(story)` is a story's project, or its exception, once it has ended."""

    def __init__(self, profile, make, pool):
        self.is_submitit = profile == "submitit"
        self.futures = {story: pool.submit(story, make) for story in STORIES[profile]}

    def __call__(self, story):
        return self.futures[story].result()


@pytest.fixture(scope="module", params=STORIES)
def told(new_project, request):
    kind = {"slurm": ClusterProject, "submitit": SubmititProject}[request.param]
    with ThreadPoolExecutor(max(map(len, STORIES.values()))) as pool:
        yield Told(request.param, lambda *project: new_project(*project, kind=kind), pool)


def interruptions(project):
    """How often the run was interrupted; each time it resumed, which its log tells too."""
    return json.loads(project.read(TARGET))["cost"]["interruptions"]


def states(project):
    """How each try of the only job ended, and how many jobs that were."""
    tries = project.history("JobID", "State")
    return [state.split()[0] for _, state in tries], len({job for job, _ in tries})


def test_a_job_near_its_time_limit_is_warned_and_goes_on(told):
    project = told(time_out_of_submitit if told.is_submitit else time_out)
    tries = project.history("JobID", "TimelimitRaw", "State")
    assert tries[-1][-1] == "COMPLETED"
    assert interruptions(project) == 1
    if told.is_submitit:  # it queues the same job again
        assert len({job for job, *_ in tries}) == 1
        assert project.log("long/seed0").count("Requeued job") == 1
    else:  # another try, with more time
        assert [minutes for _, minutes, _ in tries] == ["1", "2"]
        assert "ended by SIGTERM" in project.read("output.txt")


def test_a_preempted_job_is_queued_again_by_slurm_and_goes_on(told):
    project = told(preemption)
    assert states(project) == (["PREEMPTED", "COMPLETED"], 1)
    assert interruptions(project) == 1


def test_a_job_whose_node_dies_goes_on_elsewhere_or_later(told):
    project = told(dead_node)
    assert states(project) == (["NODE_FAIL", "COMPLETED"], 1)
    assert interruptions(project) == 1


def test_a_cancelled_job_is_tried_again_and_goes_on(told):
    project = told(cancelled_job)
    assert states(project) == (["CANCELLED", "COMPLETED"], 2)
    assert interruptions(project) == 1


def test_ctrl_c_cancels_the_jobs_and_the_next_call_resumes(told):
    project = told(ctrl_c)
    assert project.status != 0
    assert project.unfinished
    assert states(project) == (["CANCELLED", "COMPLETED"], 2)
    assert interruptions(project) == 1


def test_the_jobs_of_a_killed_snakemake_are_not_submitted_twice(told):
    project = told(killed_snakemake)
    assert "--unlock" in project.locked
    if told.is_submitit:  # the second Snakemake waits for the job of the first
        assert f"external jobid '{project.history('JobID')[0][0]}'" in project.second
    else:
        assert "1 job(s) of an earlier call in this folder are still in SLURM's queue" in project.second
    assert "Nothing to be done" in project.again
    assert states(project) == (["COMPLETED"], 1)
    assert interruptions(project) == 0
