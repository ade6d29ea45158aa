"""A whole study as SLURM jobs, and what a user then asks of it."""

import json
import signal
import subprocess
import sys

import pytest

from . import cluster as slurm
from .conftest import ENVIRONMENT, ClusterProject, SubmititProject

STUDY = """\
base:
  model: {name: vgg_a, width_multiplier: 0.05}
  optimizer: {weight_decay: 0.0}
  scheduler: none
  epochs: 2
  batch_size: 16
  grad_clip: null
  record_steps: true
variants:
  vgg:
    grid:
      model.batch_norm: {plain: false, bn: true}
      optimizer.learning_rate: {slow: 0.001, fast: 0.002}
    name: "{batch_norm}-{learning_rate}"
tables:
  models:
    title: Models
    rows: [{variant: plain-slow, label: VGG}, {variant: bn-slow, label: VGG with BN}]
landscape:
  title: Batch normalisation
  grid: vgg
  models: {plain: Plain, bn: With BN}
  band: [0.001, 0.002]
  probed: {adam: {learning_rate: 0.002}}
  probe: {every: 3, step_sizes: [1, 4]}
"""
TRAINED = ["plain-slow", "plain-fast", "bn-slow", "bn-fast"]
JOBS = [*(f"train-{variant}_0" for variant in TRAINED), "probe-plain-fast_0", "probe-bn-fast_0"]
GPUS = 4  # of the default partition

SHORT = """\
base: {model: {filters: [2, 3, 4]}, epochs: 2}
jobs: {mem_mb: 2500}
variants: {sound: {}, doomed: {optimizer: sgd}}
"""


@pytest.fixture(scope="module", params=[ClusterProject, SubmititProject])
def finished(new_project, request):
    """A project whose study has run through; tests only read it."""
    project = new_project("finished", STUDY, kind=request.param)
    project.status, project.output = project.run()
    return project


def test_the_whole_study_runs_and_is_reported(finished):
    assert finished.status == 0, finished.output
    assert "4 of 4 runs completed" in finished.read("results/report.md")
    for name in ("tables/models.csv", "landscape/bands.svg", "landscape/quantities.csv", "tables/runs.csv"):
        assert (finished.folder / "results" / name).stat().st_size > 0


def test_training_and_probing_are_jobs_with_a_gpu_each_and_nothing_else_is_a_job(finished):
    jobs = finished.history("JobName", "Comment", "AllocTRES", "TimelimitRaw", "State")
    if finished.profile == "slurm":
        assert all(name.startswith("ablation_") for name, *_ in jobs)
        names = [comment.removeprefix("rule_").replace("_wildcards_", "-") for _, comment, *_ in jobs]
    else:
        names = [name.removeprefix("tiny-").replace("-seed", "_") for name, *_ in jobs]
    assert sorted(names) == sorted(JOBS)
    for _, _, resources, minutes, state in jobs:
        assert {"cpu=1", "mem=3000M", "gres/gpu=1"} <= set(resources.split(","))
        assert (minutes, state) == ("240", "COMPLETED")


def test_no_more_jobs_run_at_a_time_than_there_are_gpus(finished):
    jobs = finished.history("Submit", "Start", "End")
    assert len(jobs) > GPUS
    # All waited for SLURM, none for Snakemake.
    assert max(submit for submit, _, _ in jobs) <= min(end for *_, end in jobs)
    for moment in {start for _, start, _ in jobs}:
        assert sum(start <= moment < end for _, start, end in jobs) <= GPUS


def test_slurm_s_log_of_a_run_lies_beside_the_run_s_own(finished):
    assert "Training plain-slow, seed 0" in finished.log("plain-slow/seed0")
    assert len(list((finished.folder / "results/probes/plain-fast/seed0/slurm").iterdir())) == 1


def test_a_finished_study_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run("-n")[1]
    assert "Nothing to be done" in finished.run()[1]


@pytest.mark.parametrize("kind", [ClusterProject, SubmititProject])
def test_a_failed_run_is_named_the_others_finish_and_its_target_reruns_it_alone(new_project, kind):
    project = new_project("doomed", SHORT, kind=kind)
    lock = project.folder / "results/runs/doomed/seed0/run.lock"
    lock.mkdir(parents=True)  # train.py cannot open it
    status, output = project.run("--retries", "0")
    assert status != 0
    assert (project.folder / "results/runs/sound/seed0/metrics.json").exists()
    assert "Failed: results/runs/doomed/seed0/metrics.json" in project.log("doomed/seed0")
    assert f"rerun: snakemake results/runs/doomed/seed0/metrics.json --profile {kind.profile}" in output

    status, output = project.run("report", "--config", "partial=true")
    assert status == 0, output
    assert "**Missing** (1)" in project.read("results/report.md")

    lock.rmdir()
    before = len(project.history("JobID"))
    status, output = project.run("results/runs/doomed/seed0/metrics.json")
    assert status == 0, output
    assert len(project.history("JobID")) == before + 1


@pytest.mark.parametrize(
    ("kind", "later"),
    [
        (ClusterProject, ("--signal=TERM@120", "--signal=TERM@120 --begin=now+1hour")),
        (SubmititProject, ("# qos: normal", 'slurm_extra: "--begin=now+1hour"')),
    ],
)
def test_the_status_tells_what_a_job_in_the_queue_waits_for(new_project, kind, later):
    project = new_project("queued", SHORT, [later], kind=kind)
    process = project.start("results/runs/sound/seed0/metrics.json")
    try:
        slurm.wait_for("a job in the queue", project.queue, 60)
        command = [sys.executable, "workflow/scripts/status.py", "--json"]
        found = subprocess.run(command, cwd=project.folder, env=ENVIRONMENT, capture_output=True, check=True)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    runs = {run["variant"]: (run["status"], run["detail"]) for run in json.loads(found.stdout)["runs"]}
    assert runs == {"sound": ("queued", "BeginTime"), "doomed": ("waiting", "")}


def test_a_job_out_of_memory_is_tried_again_with_more(new_project):
    project = new_project("memory", SHORT.replace("2500", "500").replace("epochs: 2", "epochs: 100"))
    status, output = project.run("results/runs/sound/seed0/metrics.json")
    assert status == 0, output
    tries = project.history("ReqMem", "State")
    assert [memory for memory, _ in tries] == ["500M", "1000M", "1500M"][: len(tries)]
    # Without cgroups, as here, SLURM ends the job and says why in its log; with them the state is OUT_OF_MEMORY.
    assert [tries[0][1], tries[-1][1]] == ["FAILED", "COMPLETED"]
    assert "exceeded memory limit" in project.log("sound/seed0").lower()
