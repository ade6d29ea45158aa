"""Several seeds of a variant in one job: the same results, in fewer jobs."""

import json
import shutil

import pytest

PACKED = ["--config", 'jobs={"pack_seeds": true}']
RUNS = [(variant, seed) for variant in ("adam", "sgd", "exploding") for seed in (0, 1)]

LOG = "results/runs/{}/seed{}/train.log"


@pytest.fixture(scope="module")
def packed(tmp_path_factory, new_project):
    """A project whose tiny study was trained with all seeds of a variant in a job."""
    project = new_project(tmp_path_factory.mktemp("packed"))
    project.result = project.snakemake(*PACKED)
    assert project.result.returncode == 0, project.result.stdout
    return project


def results(project, variant, seed):
    record = json.loads(project.read(f"results/runs/{variant}/seed{seed}/metrics.json"))
    return {key: value for key, value in record.items() if key not in ("cost", "checksum")}


def test_packed_runs_have_the_results_of_single_ones(packed, finished):
    assert packed.result.stdout.count("] ") == 6
    assert packed.snakemake_log().count("Training ") == 3
    assert "Training adam, all seeds" in packed.snakemake_log()
    for run in RUNS:
        assert results(packed, *run) == results(finished, *run)
    assert "epoch   2/2" in packed.read("results/runs/sgd/seed1/train.log")


def test_packing_trains_nothing_again(packed, finished):
    assert "Nothing to be done" in packed.snakemake("-n").stdout
    assert "Nothing to be done" in finished.snakemake("-n", *PACKED).stdout


def test_a_finished_run_is_not_trained_again_with_its_neighbour(packed):
    shutil.rmtree(packed.folder / "results/runs/sgd/seed1")
    result = packed.snakemake("results/runs/sgd/seed1/metrics.json", *PACKED)
    assert result.returncode == 0, result.stdout
    assert "was finished by an earlier job" in packed.read("results/runs/sgd/seed0/train.log")
    assert "epoch   2/2" in packed.read("results/runs/sgd/seed1/train.log")


@pytest.mark.parametrize("force", [["results/runs/sgd/seed0/metrics.json", "--force"], ["-R", "train"]])
def test_what_is_forced_is_trained_again(packed, force):
    lengths = {run: len(packed.read(LOG.format(*run))) for run in RUNS}
    result = packed.snakemake(*force, *PACKED)
    assert result.returncode == 0, result.stdout
    forced = [run for run in RUNS if "-R" in force or run[0] == "sgd"]
    news = {run: packed.read(LOG.format(*run))[lengths[run] :] for run in RUNS}
    assert [run for run in RUNS if news[run] and "was finished by an earlier job" not in news[run]] == forced


def test_the_rule_has_the_same_name_whatever_a_job_trains(packed):
    result = packed.snakemake("-np", "-R", "train", "--set-resources", "train:checkpoint_seconds=7", *PACKED)
    assert result.stdout.count(" --checkpoint-seconds 7 ") == 3, result.stdout


def test_seeds_of_a_table_are_trained_one_by_one(packed):
    seeds = 'tables={"again": {"seeds": [2, 3]}}'
    more = [*PACKED, seeds]
    result = packed.snakemake("-np", *more)
    assert result.returncode == 0, result.stdout
    assert {line.split(": ")[1] for line in result.stdout.splitlines() if "Training " in line} == {
        "Training adam, seed 2",
        "Training adam, seed 3",
    }
    result = packed.snakemake("results/tables/again.csv", *more)
    assert result.returncode == 0, result.stdout
    assert "adam,Adam again,True,4," in packed.read("results/tables/again.csv")
    # Packed or not, nothing is trained again.
    for options in (more, ["--config", seeds]):
        assert "Training" not in packed.snakemake("-np", *options).stdout
