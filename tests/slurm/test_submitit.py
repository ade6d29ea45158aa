"""Jobs through submitit on a real SLURM: what `submit.py` and packs of seeds do, and a job that needs more memory."""

import re

import pytest

from .conftest import SubmititProject

STUDY = """\
base: {model: {filters: [2, 3, 4]}, epochs: 2}
jobs: {mem_mb: 2500}
variants: {adam: {}, sgd: {optimizer: sgd}, slow: {optimizer: {learning_rate: 1.0e-5}}}
"""


@pytest.fixture
def project(new_project):
    project = new_project("submitit", STUDY, kind=SubmititProject)
    config = project.folder / "config/study.yaml"
    config.write_text(config.read_text().replace("seeds: [0]", "seeds: [0, 1]"))
    return project


def test_submit_py_trains_as_one_array_what_snakemake_then_finds_done(project):
    status, output = project.submit("--variants", "adam", "sgd", "--parallel", "3")
    assert status == 0, output
    (array,) = set(re.findall(r"^  (\d+)_[0-2]  tiny-train-", output, re.MULTILINE))
    assert f"scancel {array}" in output
    again = project.submit("--variants", "adam", "sgd", "--seeds", "1")[1]
    assert again.count("is in the queue already") + again.count("is finished") == 2
    project.wait_for_jobs()
    assert project.history("State") == [["COMPLETED"]] * 3, "an array of three jobs, one of which trains two runs"
    assert project.submit("--variants", "adam")[1].count("is finished") == 2
    status, output = project.run("report")
    assert status == 0, output
    assert sorted(re.findall(r"\] (.+): ", output)) == ["slow, seed 0", "slow, seed 1"]
    assert "6 of 6 runs completed" in project.read("results/report.md")


def test_packs_of_seeds(project):
    config = project.folder / "config/study.yaml"
    config.write_text(config.read_text().replace("mem_mb: 2500", "mem_mb: 2500, pack_seeds: true"))
    status, output = project.submit("--variants", "adam")
    assert status == 0, output
    project.wait_for_jobs()
    status, output = project.run("results/runs/adam/seed0/metrics.json", "results/runs/sgd/seed1/metrics.json")
    assert status == 0, output
    assert project.snakemake_log().count("Training ") == 1
    jobs = project.history("JobName", "AllocTRES", "State")
    assert [name for name, *_ in jobs] == ["tiny-train", "tiny-train-sgd"]
    for _, resources, state in jobs:
        assert {"cpu=2", "mem=5000M", "gres/gpu=1"} <= set(resources.split(","))
        assert state == "COMPLETED"
    for run in ("adam/seed0", "adam/seed1", "sgd/seed0", "sgd/seed1"):
        assert "epoch   2/2" in project.read(f"results/runs/{run}/train.log")


def test_a_job_out_of_memory_says_so_and_is_tried_with_more(project):
    config = project.folder / "config/study.yaml"
    config.write_text(config.read_text().replace("mem_mb: 2500", "mem_mb: 500").replace("epochs: 2", "epochs: 100"))
    status, output = project.run("results/runs/adam/seed0/metrics.json")
    assert status == 0, output
    tries = project.history("ReqMem", "State")
    assert [memory for memory, _ in tries] == ["500M", "1000M", "1500M"][: len(tries)]
    assert tries[0][1] != "COMPLETED"
    assert tries[-1][1] == "COMPLETED"
    assert f"tiny-train-adam-seed0: {tries[0][1]}; its log is results/logs/submitit/" in output
    assert "exceeded memory limit" in project.log("adam/seed0").lower()
