"""A tiny study from config to report, and what a user then asks of it."""

import getpass
import json
import re
import shutil
import socket
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

RUNS = [(variant, seed) for variant in ("adam", "sgd", "exploding") for seed in (0, 1)]

# One of each kind of file that a study leaves.
WRITTEN = {
    *(
        "metrics.json",
        "history.csv",
        "train.log",
        "run.lock",
        "data.json",
        "train_images.npy",
        "study.json",
        "study.log",
    ),
    *("optimizers.csv", "optimizers.svg", "optimizers.png", "runs.csv", "report.md"),
}


def record(project, variant, seed):
    return json.loads(project.read(f"results/runs/{variant}/seed{seed}/metrics.json"))


def test_every_run_leaves_what_it_should(finished):
    assert finished.result.returncode == 0, finished.result.stdout
    for variant, seed in RUNS:
        found = record(finished, variant, seed)
        parameters = 167_421 if variant != "exploding" else 167_421 - 2 * (2 + 3 + 4)  # without batch norm
        assert (found["variant"], found["seed"], found["parameters"]) == (variant, seed, parameters)
        assert found["status"] == ("diverged" if variant == "exploding" else "completed")
        assert found["cost"]["images_per_second"] > 0
        assert len(found["origin"]["data_digest"]) == len(found["origin"]["code_digest"]) == 16
        history = pd.read_csv(finished.folder / f"results/runs/{variant}/seed{seed}/history.csv")
        assert list(history["epoch"]) == list(range(1, found["epochs"] + 1))


def test_best_model_has_the_study_s_file_name_and_loads_without_pickle(finished):
    found = record(finished, "adam", 0)
    accuracy = round(found["best"]["test_accuracy"] * 100)
    assert found["best_model"] == f"best_model_LeakyReLU_CrossEntropy_Adam_StepLR_{accuracy}.pth"
    weights = torch.load(finished.folder / "results/runs/adam/seed0" / found["best_model"], weights_only=True)
    assert sum(tensor.numel() for name, tensor in weights.items() if name.endswith(("weight", "bias"))) == 167_421


def test_the_log_has_a_line_an_epoch_with_the_time_left(finished):
    lines = finished.read("results/runs/adam/seed0/train.log").splitlines()
    epochs = [line for line in lines if line.startswith("epoch")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert all(line.endswith("left") and "images/s" in line for line in epochs)


def test_tables_are_the_mean_and_spread_of_the_runs(finished):
    table = pd.read_csv(finished.folder / "results/tables/optimizers.csv").set_index("variant")
    accuracies = pd.Series([record(finished, "adam", seed)["best"]["test_accuracy"] for seed in (0, 1)])
    assert table.loc["adam", "n"] == 2
    assert table.loc["adam", "mean"] == pytest.approx(accuracies.mean(), abs=1e-4)
    assert table.loc["adam", "std"] == pytest.approx(accuracies.std(), abs=1e-4)
    assert table.loc["adam", "difference"] == pytest.approx(accuracies.mean() - 88.42, abs=1e-4)
    assert (table.loc["exploding", "n"], table.loc["exploding", "diverged"]) == (0, 2)


def test_a_run_in_two_tables_is_trained_once(finished):
    assert finished.result.stdout.count("Training adam, seed 0") == 1
    again = pd.read_csv(finished.folder / "results/tables/again.csv")
    first = pd.read_csv(finished.folder / "results/tables/optimizers.csv")
    assert again.loc[0, "mean"] == first.loc[0, "mean"]


def test_the_report_has_it_all(finished):
    report = finished.read("results/report.md")
    assert "4 of 6 runs completed" in report
    assert "A decision of the tiny study." in report
    assert "**Diverged** (2)" in report
    assert "`exploding`, seed 1, in epoch 1" in report
    table = pd.read_csv(finished.folder / "results/tables/optimizers.csv").iloc[0]
    assert f"{table['mean']:.2f} ± {table['std']:.2f}" in report
    for name in ("optimizers", "again"):
        assert f"(figures/{name}.png)" in report
        assert (finished.folder / f"results/figures/{name}.png").stat().st_size > 10_000
        assert "</svg>" in finished.read(f"results/figures/{name}.svg")


def test_a_finished_study_has_nothing_to_do(finished):
    for target in ([], ["report"], ["results/runs/sgd/seed0/metrics.json"]):
        assert "Nothing to be done" in finished.snakemake("-n", *target).stdout


@pytest.fixture
def copied(finished, tmp_path):
    """The finished project, to change."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    project = object.__new__(type(finished))
    project.folder = tmp_path / "copy"
    return project


def test_one_run_is_made_again_by_its_target(copied):
    shutil.rmtree(copied.folder / "results/runs/sgd/seed1")
    result = copied.snakemake("results/runs/sgd/seed1/metrics.json")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("Training ") == 1
    assert record(copied, "sgd", 1)["seed"] == 1


def test_a_failed_run_does_not_stop_a_report_that_names_it(copied):
    for path in ("results/runs/sgd/seed1/metrics.json", "results/report.md"):
        (copied.folder / path).unlink()
    result = copied.snakemake("report", "--config", "partial=true")
    assert result.returncode == 0, result.stdout
    assert "Training" not in result.stdout
    report = copied.read("results/report.md")
    assert "3 of 6 runs completed" in report
    assert "**Missing** (1)" in report
    assert "`snakemake results/runs/sgd/seed1/metrics.json --configfile config/tiny.yaml`" in report


def test_a_failing_run_keeps_the_others_and_says_how_to_go_on(copied):
    shutil.rmtree(copied.folder / "results/runs")
    labels = copied.folder / "results/data/digits/test_labels.npy"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-8])
    result = copied.snakemake("--keep-going", "results/runs/adam/seed0/metrics.json")
    assert result.returncode != 0
    assert "error: results/runs/adam/seed0: results/data/digits/test_labels.npy: cannot be read" in result.stdout
    assert "snakemake results/runs/<variant>/seed<k>/metrics.json --configfile config/tiny.yaml" in result.stdout
    assert not (copied.folder / "results/runs/adam/seed0/metrics.json").exists()


def test_nothing_tells_of_the_environment_the_user_or_the_place(finished):
    assert finished.snakemake("--report", "report.html").returncode == 0
    files = [path for path in (finished.folder / "results").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= WRITTEN
    private = [finished.secret, "SOME_TOKEN", str(finished.folder), str(Path.home()), str(Path(sys.prefix).parent)]
    for path in (*files, finished.folder / "report.html"):
        content = path.read_bytes()
        assert not [text for text in private if text.encode() in content], path
    words = re.compile(rf"\b({re.escape(socket.gethostname())}|{re.escape(getpass.getuser())})\b")
    for path in files:
        if path.suffix in (".json", ".csv", ".md", ".log", ".lock"):
            assert not words.search(path.read_text()), path


def test_the_html_report_holds_tables_and_figures(finished):
    result = finished.snakemake("--report", "report.html")
    assert result.returncode == 0, result.stdout
    page = finished.read("report.html")
    for name in ("optimizers.svg", "optimizers.csv", "again.svg", "runs.csv", "report.md"):
        assert name in page


def test_a_study_of_any_size_is_written(project):
    """No command line, which the system limits, holds it."""
    config = project.folder / "config/tiny.yaml"
    config.write_text(config.read_text().replace("notes: [", f"notes: [{'x' * 300_000}, "))
    result = project.snakemake("results/study.json", "--config", "title=From the command line")
    assert result.returncode == 0, result.stdout
    study = json.loads(project.read("results/study.json"))
    assert len(study["notes"][0]) == 300_000
    assert study["title"] == "From the command line"
    assert project.snakemake("-n", "results/study.json", "--config", "title=From the command line").returncode == 0
