"""Each run has a status, and only results of current runs can enter a table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ablation.analysis.runs import COLUMNS, load_results, load_runs, read_study
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.runs.records import RunRecord, read_record, write_record

Finish = Callable[..., RunRecord]
RESULTS = ["best_accuracy", "last_accuracy", "averaged_accuracy", "parameters", "wall_seconds", "device", "code"]


def of(runs: pd.DataFrame, variant: str, seed: int) -> pd.Series:
    return runs.set_index(["variant", "seed"]).loc[(variant, seed)]


def test_one_row_a_run_in_the_order_of_the_matrix(study: Study, finish: Finish) -> None:
    finish("sgd", 1)
    runs = load_runs(study)
    assert list(runs.columns) == list(COLUMNS)
    assert [Run(*pair) for pair in zip(runs["variant"], runs["seed"], strict=True)] == matrix.runs(study)
    assert list(runs["status"]) == ["missing"] * 4 + ["completed"] + ["missing"] * 4


def test_figures_of_a_completed_run(study: Study, finish: Finish) -> None:
    finish("swa", 2, best=81.25, last=80.5, averaged=82.75)
    run = of(load_runs(study), "swa", 2)
    assert (run.best_accuracy, run.last_accuracy, run.averaged_accuracy) == (81.25, 80.5, 82.75)
    assert (run.best_epoch, run.epochs, run.parameters) == (3, 4, 2_603_274)
    assert (run.wall_seconds, run.images_per_second, run.peak_memory_bytes) == (3600, 1200, 3 * 2**30)
    assert (run.device, run.threads, run.git_commit, run.data_digest) == ("processor A", 1, "c1", "e1")
    assert run.versions == "python 3 torch 2"
    assert run.directory == "results/runs/swa/seed2"


def test_diverged_before_the_first_epoch_ended(study: Study, finish: Finish) -> None:
    finish("adam", 0, best=None, last=None, status="diverged", epochs=1)
    run = of(load_runs(study), "adam", 0)
    assert (run.status, run.epochs) == ("diverged", 1)
    assert pd.isna(run.best_accuracy)
    assert pd.isna(run.best_epoch)


def test_a_run_of_other_settings_is_outdated_and_shows_no_figures(study_with: Callable, finish: Finish) -> None:
    finish("adam", 0)
    changed = study_with(base={"epochs": 4, "model": {"dropout": 0.3}})
    run = of(load_runs(changed), "adam", 0)
    assert run.status == "outdated"
    assert run.problem == "made with other settings: model.dropout 0.5 → 0.3"
    assert run[RESULTS].isna().all()


def test_a_run_of_another_component_is_outdated(study_with: Callable, finish: Finish) -> None:
    finish("adam", 0)
    changed = study_with(base={"epochs": 4, "model": {"activation": "relu"}})
    activations = "model.activation leaky_relu → relu, model.activation.negative_slope 0.1 → (not set)"
    assert of(load_runs(changed), "adam", 0).problem == f"made with other settings: {activations}"


def test_a_setting_that_the_run_does_not_have_outdates_nothing(study_with: Callable, finish: Finish) -> None:
    finish("adam", 0)
    finish("sgd", 0)
    runs = load_runs(study_with(override={"optimizer": {"momentum": 0.5}}))
    assert of(runs, "adam", 0).status == "completed"
    assert of(runs, "sgd", 0).problem == "made with other settings: optimizer.momentum 0.9 → 0.5"


def test_a_run_of_earlier_code_is_marked_and_keeps_its_figures(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    finish("adam", 1, best=81.5, origin={"code_digest": "0123456789abcdef"})
    runs = load_runs(study)
    assert of(runs, "adam", 0).code == "current"
    assert tuple(of(runs, "adam", 1)[["status", "code", "best_accuracy"]]) == ("completed", "earlier", 81.5)


def test_code_of_other_components_is_earlier(study: Study, finish: Finish) -> None:
    record = finish("sgd", 0)
    finish("adam", 0, origin={"code_digest": record.origin.code_digest})
    assert of(load_runs(study), "adam", 0).code == "earlier"


def damaged(study: Study, name: str) -> str:
    """The problem of adam's seed 0, whose file of that name is damaged; seed 1 has its results all the same."""
    results = load_results(study)
    run, other = of(results.runs, "adam", 0), of(results.runs, "adam", 1)
    assert (run.status, other.status, other.best_accuracy) == ("damaged", "completed", 81.5)
    assert run[RESULTS].isna().all()
    assert list(results.histories) == [("adam", 1)]
    assert f"results/runs/adam/seed0/{name}" in run.problem
    assert "\n" not in run.problem
    return str(run.problem)


@pytest.fixture
def two_runs(finish: Finish) -> Path:
    """The folder of adam's seed 0, beside that of seed 1."""
    finish("adam", 1, best=81.5)
    finish("adam", 0)
    return Path(Run("adam", 0).directory)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"record_version": 5}', "[" * 100_000, "\x00\x01"])
def test_a_damaged_record_is_named_and_shows_no_figures(study: Study, two_runs: Path, text: str) -> None:
    (two_runs / "metrics.json").write_text(text)
    damaged(study, "metrics.json")


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "\x00\x01", "epoch,learning_rate\n"])
def test_a_damaged_history_is_named_and_its_run_shows_no_figures(study: Study, two_runs: Path, text: str) -> None:
    (two_runs / "history.csv").write_text(text)
    problem = damaged(study, "history.csv")
    assert problem.endswith("`snakemake results/runs/adam/seed0/metrics.json --force` reruns it")


def test_one_changed_digit_is_noticed(study: Study, two_runs: Path) -> None:
    path = two_runs / "metrics.json"
    path.write_text(path.read_text().replace('"test_accuracy": 80.0', '"test_accuracy": 90.0'))
    assert "its checksum is another" in damaged(study, "metrics.json")


def test_another_layout_of_the_same_record_is_the_same(study: Study, two_runs: Path) -> None:
    path = two_runs / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert of(load_runs(study), "adam", 0).best_accuracy == 80


@pytest.mark.parametrize("name", ["metrics.json", "history.csv"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink(path.name, path)])
def test_what_is_no_file_is_damaged_and_nobody_waits_for_it(
    study: Study, two_runs: Path, name: str, make: Callable
) -> None:
    (two_runs / name).unlink()
    make(two_runs / name)
    assert "cannot be read: " in damaged(study, name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": 2**63}, "parameters: Input should be less than 9223372036854775808"),
        ({"epochs": -1}, "epochs: Input should be greater than or equal to 0"),
        ({"cost": {"peak_memory_bytes": 2**63}}, "cost.peak_memory_bytes: Input should be less than"),
        ({"cost": {"wall_seconds": -1.0}}, "cost.wall_seconds: Input should be greater than or equal to 0"),
        ({"best": {"test_accuracy": 100.5}}, "best: Value error, an accuracy is a percentage, from 0 to 100"),
        ({"last": {"held_out_accuracy": -0.1}}, "last: Value error, an accuracy is a percentage, from 0 to 100"),
        ({"best": {"epoch": 2**63}}, "it names an epoch that the run does not have"),
        ({"last": {"epoch": 5}}, "it names an epoch that the run does not have"),
    ],
)
def test_figures_that_cannot_be_are_damaged_whatever_their_checksum(
    study: Study, two_runs: Path, changes: dict, said: str
) -> None:
    record = read_record(two_runs / "metrics.json")
    for key, value in changes.items():
        new = getattr(record, key).model_copy(update=value) if isinstance(value, dict) else value
        record = record.model_copy(update={key: new})
    write_record(two_runs / "metrics.json", record)
    assert said in damaged(study, "metrics.json")


def test_a_record_of_version_2_is_named_as_such(study: Study, finish: Finish) -> None:
    """Its spec is flat, and its settings are not compared with nested ones."""
    record = finish("adam", 0).model_dump(mode="json")
    record |= {"record_version": 2, "spec": {"optimizer": "adam", "learning_rate": 0.001, "epochs": 4}}
    path = Run("adam", 0).metrics
    Path(path).write_text(json.dumps(record))
    run = of(load_runs(study), "adam", 0)
    assert run.status == "damaged"
    assert run.problem.startswith(f"{path}: is a record of version 2, and this code reads version 6: delete it")
    assert run[RESULTS].isna().all()


def test_the_record_of_another_run_is_damaged(study: Study, finish: Finish) -> None:
    finish("adam", 1)
    finish("adam", 0)
    shutil.copy(Run("adam", 1).metrics, Run("adam", 0).metrics)
    run = of(load_runs(study), "adam", 0)
    assert run.status == "damaged"
    assert "seed 1" in run.problem


@pytest.mark.parametrize("name", ["x; rm -rf ~", "../x", "\x1b[2J"])
def test_a_record_of_a_study_that_none_can_be_called_is_damaged(study: Study, finish: Finish, name: str) -> None:
    finish("adam", 0, study=name)
    assert of(load_runs(study), "adam", 0).status == "damaged"


def test_completed_without_an_accuracy_is_damaged(study: Study, finish: Finish) -> None:
    finish("adam", 0, last=None, status="completed")
    assert of(load_runs(study), "adam", 0).status == "damaged"


def test_history_is_read_back(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    history = load_results(study).histories["adam", 0]
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert list(history["held_out_loss"]) == [2.0, 1.5, 1.2, 1.0]


def test_history_of_a_run_that_diverged(study: Study, finish: Finish, history_rows: Callable) -> None:
    finish("adam", 0, history=history_rows([2.0, float("nan")], [40.0, 10.0]))
    assert load_results(study).histories["adam", 0]["train_loss"].isna().tolist() == [False, True]


def test_history_with_words_for_numbers(study: Study, finish: Finish, history_rows: Callable) -> None:
    finish("adam", 0, history=[*history_rows([2.0], [40.0]), {"epoch": "two"}])
    problem = of(load_runs(study), "adam", 0).problem
    assert "holds no epochs of a run: could not convert string 'two' to float64" in problem


def test_a_study_written_as_json_is_read_back_whole(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(study.model_dump_json(exclude_unset=True))
    assert read_study(path) == study
    assert read_study(path).matrix == study.matrix
    assert read_study(path).variants == study.variants


@pytest.mark.parametrize(("text", "problem"), [(None, "cannot be read"), ('{"study": 1}', "no valid study")])
def test_no_study(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "study.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=problem):
        read_study(path)


def test_analysis_never_imports_torch() -> None:
    scripts = Path(__file__).parents[2] / "workflow/scripts"
    code = (
        "import sys, compare, plot_curves, write_report\n"
        "from ablation.config.settings import complete\n"
        "from ablation.runs.provenance import training_digest\n"
        "training_digest(complete({}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=scripts, check=False).returncode == 0
