"""Jobs through submitit on a real SLURM: what becomes of them when SLURM or the user ends them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from ..workflow.conftest import Project

RUN = "results/runs/sgd/seed0"
LONG = """\
study: long
data: {name: digits, train_images_per_class: 10}
seeds: [0]
jobs: {mem_mb: 2000, runtime: 10}
base: {filters: [2, 3, 4], epochs: 250, optimizer: sgd, scheduler: none}
variants: {sgd: {}}
"""


def call(command, folder, **options):
    """A command as users type it, with SLURM's commands on the PATH; both streams are its output."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


class SlurmProject(Project):
    """A checkout whose profile is that of the test cluster."""

    def __init__(self, folder, **site):
        super().__init__(folder)
        (folder / "config" / "long.yaml").write_text(LONG)
        lines = "".join(f"  {key}: {value}\n" for key, value in ({"slurm_account": "lab"} | site).items())
        self.edit("profiles/submitit/config.yaml", "default-resources:\n", f"default-resources:\n{lines}")

    def edit(self, path, old, new):
        text = self.read(path)
        assert old in text
        (self.folder / path).write_text(text.replace(old, new))

    def start(self, *arguments, config="config/long.yaml"):
        """Snakemake through submitit, in a group of its own, as in a terminal."""
        command = ["-m", "snakemake", "--profile", "profiles/submitit", *arguments, "--configfile", config]
        return call(command, self.folder, start_new_session=True)

    def run(self, *arguments, config="config/long.yaml"):
        """The same, to its end: status and output."""
        process = self.start(*arguments, config=config)
        output, _ = process.communicate(timeout=400)
        return process.returncode, output

    def submit(self, *arguments):
        process = call(["workflow/scripts/submit.py", *arguments], self.folder)
        output, _ = process.communicate(timeout=100)
        return process.returncode, output

    def job_id(self):
        """The id of the only job, once there is one."""
        folder = self.folder / ".snakemake" / "submitit"
        until(lambda: list(folder.glob("*.json")))
        return next(folder.glob("*.json")).stem

    def trains(self):
        """Whether the run has got somewhere."""
        log = self.folder / RUN / "train.log"
        return log.exists() and "epoch 10/" in log.read_text()


def until(happened, seconds=120):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)


def slurm(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def state(job_id):
    return slurm("sacct", "-X", "-n", "-P", "-o", "State", "-j", job_id).strip()


def record(project, run=RUN):
    return json.loads(project.read(f"{run}/metrics.json"))


@pytest.fixture
def project(cluster, tmp_path):
    return SlurmProject(tmp_path)


def test_the_tiny_study_runs_as_jobs_with_a_gpu_each(project):
    status, output = project.run(config="config/tiny.yaml")
    assert status == 0, output
    assert "4 of 6 runs completed" in project.read("results/report.md")
    ids = re.findall(r"Submitted job \d+ with external jobid '(\d+)'", output)
    rows = slurm("sacct", "-X", "-n", "-P", "-o", "JobName,AllocTRES,State", "-j", ",".join(ids)).splitlines()
    assert len(rows) == 6
    assert "tiny-train-exploding-seed1" in {row.split("|")[0] for row in rows}
    assert all("gres/gpu=1" in row and row.endswith("COMPLETED") for row in rows)


def test_submit_py_trains_as_one_array_what_snakemake_then_finds_done(project):
    status, output = project.submit("--variants", "adam", "sgd", "--parallel", "3", "--configfile", "config/tiny.yaml")
    assert status == 0, output
    (array,) = set(re.findall(r"^  (\d+)_[0-3]  tiny-train-", output, re.MULTILINE))
    assert f"scancel {array}" in output
    until(lambda: not slurm("squeue", "-h", "-j", array))
    assert state(array).split() == ["COMPLETED"] * 4
    status, output = project.submit("--variants", "adam", "--configfile", "config/tiny.yaml")
    assert status == 0
    assert output.count("is finished") == 2
    status, output = project.run("report", config="config/tiny.yaml")
    assert status == 0, output
    assert sorted(re.findall(r"Training (.+)", output)) == ["exploding, seed 0", "exploding, seed 1"]
    assert "4 of 6 runs completed" in project.read("results/report.md")


def test_a_preempted_job_goes_on_from_its_checkpoint_bit_for_bit(cluster, tmp_path):
    project = SlurmProject(tmp_path, slurm_partition="low")
    snakemake = project.start(f"{RUN}/metrics.json")
    job = project.job_id()
    until(project.trains)
    slurm("sbatch", "-A", "lab", "-p", "high", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 5")
    output, _ = snakemake.communicate(timeout=300)
    assert snakemake.returncode == 0, output
    assert "goes on from a checkpoint" in project.read(f"{RUN}/train.log")
    assert slurm("sacct", "-D", "-X", "-n", "-P", "-o", "State", "-j", job).split() == ["PREEMPTED", "COMPLETED"]
    assert record(project)["cost"]["interruptions"] == 1
    interrupted = project.read(f"{RUN}/history.csv")
    assert project.snakemake("--force", f"{RUN}/metrics.json", config="config/long.yaml").returncode == 0
    assert project.read(f"{RUN}/history.csv") == interrupted


def test_a_job_near_its_time_limit_is_requeued_and_goes_on(project):
    snakemake = project.start(f"{RUN}/metrics.json")
    job = project.job_id()
    until(project.trains)
    slurm("scancel", "--signal=USR2", job)  # as SLURM does 90 seconds before the limit
    output, _ = snakemake.communicate(timeout=300)
    assert snakemake.returncode == 0, output
    assert "goes on from a checkpoint" in project.read(f"{RUN}/train.log")
    assert record(project)["cost"]["interruptions"] == 1


def test_a_cancelled_job_fails_and_the_next_call_goes_on(project):
    snakemake = project.start("--retries", "0", f"{RUN}/metrics.json")
    job = project.job_id()
    until(project.trains)
    slurm("scancel", job)
    output, _ = snakemake.communicate(timeout=100)
    assert snakemake.returncode == 1
    assert f"job {job}, long-train-sgd-seed0: CANCELLED; its log is " in output
    assert (project.folder / RUN / "checkpoint.pt").exists()
    status, output = project.run(f"{RUN}/metrics.json")
    assert status == 0, output
    assert "goes on from a checkpoint" in project.read(f"{RUN}/train.log")


def test_ctrl_c_cancels_the_jobs(project):
    snakemake = project.start(f"{RUN}/metrics.json")
    job = project.job_id()
    until(project.trains)
    os.killpg(snakemake.pid, signal.SIGINT)
    snakemake.communicate(timeout=100)
    assert snakemake.returncode == 1
    until(lambda: state(job).startswith("CANCELLED"))
    assert (project.folder / RUN / "checkpoint.pt").exists()


def test_a_killed_snakemake_finds_its_jobs_again(project):
    snakemake = project.start(f"{RUN}/metrics.json")
    job = project.job_id()
    until(project.trains)
    os.killpg(snakemake.pid, signal.SIGKILL)
    snakemake.communicate()
    assert call(["-m", "snakemake", "--unlock", "--configfile", "config/long.yaml"], project.folder).wait() == 0
    status, output = project.run(f"{RUN}/metrics.json")
    assert status == 0, output
    assert state(job) == "COMPLETED"
    assert len(list((project.folder / ".snakemake" / "submitit").glob("*.json"))) == 1
    assert record(project)["cost"]["interruptions"] == 0


def test_a_job_out_of_memory_says_so_and_is_tried_with_more(project):
    project.edit("config/long.yaml", "mem_mb: 2000", "mem_mb: 150")
    project.edit("config/long.yaml", "epochs: 250", "epochs: 2")
    status, output = project.run("--retries", "1", f"{RUN}/metrics.json")
    first, second = (slurm("sacct", "-X", "-n", "-P", "-o", "ReqMem", "-j", job).strip() for job in ids(output))
    assert (first, second) == ("150M", "300M")
    assert "OUT_OF_MEMORY; its log is" in output
    assert status == 1


def ids(output):
    return re.findall(r"with external jobid '(\d+)'", output)


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        ({"slurm_partition": "gpuu"}, "invalid partition specified"),
        ({"slurm_account": "nobody"}, "Invalid account"),
        ({"gres": "gpu:a100:1"}, "Invalid generic resource"),
    ],
)
def test_what_slurm_refuses_is_said_before_anything_is_queued(cluster, tmp_path, site, reason):
    project = SlurmProject(tmp_path, **site)
    for status, output in (project.run(), project.submit("--configfile", "config/long.yaml")):
        assert status == 1
        assert "No job was submitted: SLURM refuses a job of rule train" in output
        assert reason.lower() in output.lower()
        assert "profiles/submitit/config.yaml" in output
        assert "Traceback" not in output
    assert not list((project.folder / ".snakemake").glob("submitit/*.json"))
