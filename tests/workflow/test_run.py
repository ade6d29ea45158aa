"""A tiny study from config to report, and what a user then asks of it."""

import getpass
import json
import re
import shlex
import shutil
import socket
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from . import conftest

RUNS = [(variant, seed) for variant in ("adam", "sgd", "exploding") for seed in (0, 1)]

# One of each kind of file that a study leaves.
WRITTEN = {
    *(
        "metrics.json",
        "model.json",
        "history.csv",
        "train.log",
        "run.lock",
        "data.json",
        "train_images.npy",
        "study.json",
        "study.log",
    ),
    *("optimizers.csv", "optimizers.svg", "optimizers.png", "runs.csv", "report.md"),
    *("report.html", "optimizers.tex", "optimizers-curves.svg", "confusion.png", "filters.png", "confusion.csv"),
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
    others = pd.Series([record(finished, "sgd", seed)["best"]["test_accuracy"] for seed in (0, 1)])
    assert table.loc["sgd", "difference"] == pytest.approx(others.mean() - accuracies.mean(), abs=1e-4)
    # With a few images of each class, nothing compares with the reference.
    assert table["reported"].isna().all()
    assert (table.loc["exploding", "n"], table.loc["exploding", "diverged"]) == (0, 2)


def test_a_run_in_two_tables_is_trained_once(finished):
    assert finished.result.stdout.count("] adam, seed 0: ") == 1
    again = pd.read_csv(finished.folder / "results/tables/again.csv")
    first = pd.read_csv(finished.folder / "results/tables/optimizers.csv")
    assert again.loc[0, "mean"] == first.loc[0, "mean"]


def test_the_report_has_it_all(finished):
    report = finished.read("results/report.md")
    assert "4 of 6 runs completed" in report
    assert "A decision of the tiny study." in report
    assert "**Diverged** (2)" in report
    assert "`exploding`, seeds 0, 1, in epoch 1" in report
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
    return finished.copy(tmp_path / "copy")


def test_one_run_is_made_again_by_its_target(copied):
    shutil.rmtree(copied.folder / "results/runs/sgd/seed1")
    result = copied.snakemake("results/runs/sgd/seed1/metrics.json")
    assert result.returncode == 0, result.stdout
    assert "1 run to train, and 0 steps" in result.stdout
    assert record(copied, "sgd", 1)["seed"] == 1


def test_a_failed_run_does_not_stop_a_report_that_names_it(copied):
    for path in ("results/runs/sgd/seed1/metrics.json", "results/report.md"):
        (copied.folder / path).unlink()
    result = copied.snakemake("report", "--config", "partial=true")
    assert result.returncode == 0, result.stdout
    assert "to train" not in result.stdout
    report = copied.read("results/report.md")
    assert "3 of 6 runs completed" in report
    assert "**Missing** (1)" in report
    assert "`snakemake results/runs/sgd/seed1/metrics.json --configfile config/tiny.yaml`" in report


def test_a_partial_report_of_changed_settings_trains_nothing_and_names_the_outdated(copied):
    config = copied.folder / "config/tiny.yaml"
    config.write_text(config.read_text().replace("sgd: {optimizer: sgd}", "sgd: {optimizer: sgd, epochs: 3}"))
    result = copied.snakemake("report", "--config", "partial=true")
    assert result.returncode == 0, result.stdout
    assert "to train" not in result.stdout
    report = copied.read("results/report.md")
    assert "**Outdated** (2)" in report
    assert "`sgd`, seeds 0, 1, made with other settings: epochs 2 → 3" in report
    assert "2 runs, made with other settings: epochs 2 → 3: sgd" in copied.snakemake("-n").stdout


@pytest.mark.parametrize(
    "lost",
    [
        *("runs/sgd/seed1/metrics.json", "tables/optimizers.csv", "tables/runs.csv", "study.json"),
        *("figures/again.svg", "figures/again.png", "figures/again-curves.png", "report.md", "report.html"),
    ],
)
def test_whatever_file_is_lost_is_made_again(copied, lost):
    (copied.folder / "results" / lost).unlink()
    assert "Nothing to be done" not in copied.snakemake("-n").stdout


def test_lost_files_come_back_without_training_what_is_there(copied):
    lost = [copied.folder / "results" / path for path in ("figures/again.png", "tables/optimizers.csv")]
    for path in lost:
        path.unlink()
    result = copied.snakemake("report")
    assert "to train" not in result.stdout
    assert all(path.exists() for path in lost), result.stdout


def test_a_report_of_an_earlier_config_is_refused(copied):
    """Snakemake itself advises to compare time stamps alone, which no value of `--config` has."""
    config = copied.folder / "config/tiny.yaml"
    config.write_text(config.read_text().replace("  sgd: {", "  new: {epochs: 1}\n  sgd: {"))
    by_time = ["--rerun-triggers", "mtime"]
    result = copied.snakemake(*by_time)
    assert result.returncode != 0
    assert "run the same command again: rm results/study.json" in result.stdout
    assert "to train" not in result.stdout
    (copied.folder / "results/study.json").unlink()
    result = copied.snakemake(*by_time)
    assert result.returncode == 0, result.stdout
    assert "6 of 8 runs completed" in copied.read("results/report.md")


def test_a_failed_run_is_told_once_with_reason_log_and_commands_that_work(copied):
    shutil.rmtree(copied.folder / "results/runs")
    labels = copied.folder / "results/data/digits/test_labels.npy"
    labels.write_bytes(labels.read_bytes()[:-8])
    run = "results/runs/adam/seed0"
    result = copied.snakemake("--keep-going", f"{run}/metrics.json")
    assert result.returncode != 0
    told = result.stdout[result.stdout.index("Failed: ") :].splitlines()
    assert told[0] == f"Failed: {run}/metrics.json"
    assert told[1].startswith("  results/data/digits/test_labels.npy: cannot be read: ")
    prepare = told[1].partition("Prepare the data again: snakemake ")[2]
    assert told[2] == f"  log:   {run}/train.log"
    rerun = told[3].removeprefix("  rerun: snakemake ")
    assert "train.py" not in result.stdout
    for command in (prepare, rerun):
        *arguments, configfile, config = command.split()
        assert (configfile, config) == ("--configfile", "config/tiny.yaml")
        assert copied.snakemake(*arguments).returncode == 0
    assert record(copied, "adam", 0)["status"] == "completed"


def test_the_whole_of_a_failure_is_in_snakemake_s_log_and_shown_on_demand(copied):
    (copied.folder / "results/runs/adam/seed0/metrics.json").unlink()
    (copied.folder / "results/data/digits/test_labels.npy").write_bytes(b"")
    result = copied.snakemake("--show-failed-logs", "results/runs/adam/seed0/metrics.json")
    assert "Error in rule train" in result.stdout
    assert "python workflow/scripts/train.py --run" in result.stdout
    assert "Error in rule train" in copied.snakemake_log()


def test_advised_commands_name_what_config_set(copied):
    (copied.folder / "results/runs/sgd/seed1/metrics.json").unlink()
    override = 'override={"epochs": 1}'
    assert copied.snakemake("report", "--config", "partial=true", override).returncode == 0
    (command,) = re.findall("`snakemake (results/runs/sgd/seed1/.*)`; log", copied.read("results/report.md"))
    assert command.split(" --")[1:] == ["configfile config/tiny.yaml", 'config \'override={"epochs": "1"}\'']
    assert "1 run, no result yet: sgd (seed 1)" in copied.snakemake("-n", *shlex.split(command)).stdout


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


def test_figures_are_made_and_jobs_run_without_a_home_to_write_to(copied, monkeypatch):
    monkeypatch.setitem(conftest.ENVIRONMENT, "HOME", "/proc/1")
    (copied.folder / "results/runs/adam/seed0/metrics.json").unlink()
    result = copied.snakemake()
    assert result.returncode == 0, result.stdout
    assert (copied.folder / "results/runs/adam/seed0/metrics.json").exists()
    assert "Traceback" not in result.stdout
