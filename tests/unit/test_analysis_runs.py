"""Each run has a status, and only results of current runs can enter a table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ablation.analysis.runs import COLUMNS, load_history, load_runs, read_study
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.runs.records import RecordError, RunRecord, write_history

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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"record_version": 4}'])
def test_a_damaged_record_is_named_and_shows_no_figures(study: Study, finish: Finish, text: str) -> None:
    finish("adam", 0)
    Path(Run("adam", 0).metrics).write_text(text)
    run = of(load_runs(study), "adam", 0)
    assert run.status == "damaged"
    assert "results/runs/adam/seed0/metrics.json" in run.problem
    assert run[RESULTS].isna().all()


def test_a_record_of_version_2_is_named_as_such(study: Study, finish: Finish) -> None:
    """Its spec is flat, and its settings are not compared with nested ones."""
    record = finish("adam", 0).model_dump(mode="json")
    record |= {"record_version": 2, "spec": {"optimizer": "adam", "learning_rate": 0.001, "epochs": 4}}
    path = Run("adam", 0).metrics
    Path(path).write_text(json.dumps(record))
    run = of(load_runs(study), "adam", 0)
    assert run.status == "damaged"
    assert run.problem.startswith(f"{path}: is a record of version 2, and this code reads version 4: delete it")
    assert run[RESULTS].isna().all()


def test_the_record_of_another_run_is_damaged(study: Study, finish: Finish) -> None:
    finish("adam", 1)
    finish("adam", 0)
    shutil.copy(Run("adam", 1).metrics, Run("adam", 0).metrics)
    run = of(load_runs(study), "adam", 0)
    assert run.status == "damaged"
    assert "seed 1" in run.problem


def test_completed_without_an_accuracy_is_damaged(study: Study, finish: Finish) -> None:
    finish("adam", 0, last=None)
    assert of(load_runs(study), "adam", 0).status == "damaged"


def test_history_is_read_back(finish: Finish) -> None:
    finish("adam", 0)
    history = load_history(Run("adam", 0))
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert list(history["held_out_loss"]) == [2.0, 1.5, 1.2, 1.0]


@pytest.mark.parametrize("cell", ["", "nan"])
def test_history_with_a_loss_that_is_no_number(finish: Finish, cell: str) -> None:
    finish("adam", 0)
    path = Path(Run("adam", 0).directory, "history.csv")
    path.write_text(path.read_text().replace(",1.0,", f",{cell},"))
    assert load_history(Run("adam", 0))["held_out_loss"].isna().tolist() == [False, False, False, True]


def test_history_of_a_run_that_diverged_as_it_is_written(finish: Finish, history_rows: Callable) -> None:
    finish("adam", 0)
    rows = history_rows([2.0, float("nan")], [40.0, 10.0])
    write_history(Path(Run("adam", 0).directory, "history.csv"), rows)
    assert load_history(Run("adam", 0))["train_loss"].isna().tolist() == [False, True]


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "\x00\x01", "epoch,learning_rate\n"])
def test_damaged_history(finish: Finish, text: str) -> None:
    finish("adam", 0)
    Path(Run("adam", 0).directory, "history.csv").write_text(text)
    with pytest.raises(RecordError, match=r"results/runs/adam/seed0/history\.csv"):
        load_history(Run("adam", 0))


def test_history_with_words_for_numbers(finish: Finish) -> None:
    finish("adam", 0)
    path = Path(Run("adam", 0).directory, "history.csv")
    path.write_text(path.read_text().replace("60.0", "sixty"))
    with pytest.raises(RecordError, match="sixty"):
        load_history(Run("adam", 0))


def test_missing_history(finish: Finish) -> None:
    finish("adam", 0)
    with pytest.raises(RecordError, match=r"seed1/history\.csv is missing"):
        load_history(Run("adam", 1))


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
