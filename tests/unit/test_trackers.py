"""Finished runs in experiment trackers: every value arrives, once, whatever the run came to."""

from __future__ import annotations

import json
import math
import runpy
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from ablation.config.study import Study
from ablation.runs.records import RunRecord
from ablation.training.outcome import TestScores as Scores

Finish = Callable[..., RunRecord]
# Exports to a tracker, with further arguments, and gives what was printed, and on standard error.
Export = Callable[..., tuple[str, str]]
Curves = dict[str, dict[int, float]]
SCRIPT = Path(__file__).parents[2] / "workflow/scripts/export_runs.py"
NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture
def study(study_with: Callable[..., Study]) -> Study:
    return study_with(base={"epochs": 4, "record_steps": True})


@pytest.fixture
def export(study: Study, finish: Finish, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Export:
    """Beside a run that completed and one that diverged."""
    finish("adam", 0, test=Scores(class_accuracy=(90.0, None, 70.0), calibration_error=2.5))
    Path("results/study.json").write_text(study.model_dump_json(exclude_unset=True))

    def run(*arguments: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["export_runs.py", *arguments])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr()

    return run


def export_to_wandb(*arguments: str) -> str:
    """Export in a process of its own, at whose end W&B has written everything; what was printed."""
    command = [sys.executable, SCRIPT, "wandb", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def diverged(finish: Finish, history_rows: Callable) -> None:
    """The run sgd/seed1: its losses became infinite, then no number."""
    rows = history_rows([2.0, 1e300, INFINITE, NAN], [40.0, 10.0, 10.0, 10.0])
    finish("sgd", 1, best=40.0, last=None, history=rows, losses=(2.0, INFINITE, NAN))


def expected_curves(run: str) -> Curves:
    """What the files of a run say, by the name of the curve."""
    history = pd.read_csv(f"results/runs/{run}/history.csv").set_index("epoch")
    with np.load(f"results/runs/{run}/steps.npz", allow_pickle=False) as arrays:
        steps = pd.DataFrame({name: arrays[name] for name in ("step", "loss", "gradient_norm")}).set_index("step")
    assert len(history.columns) == 6
    return {
        f"{axis}/{name}": table[name].to_dict()
        for axis, table in {"epoch": history, "step": steps}.items()
        for name in table
    }


FIGURES = {
    "best_accuracy": 80,
    "last_accuracy": 79,
    "best_epoch": 3,
    "calibration_error": 2.5,
    "class_accuracy/0": 90,
    "class_accuracy/2": 70,
    "train_seconds": 1500,
    "parameters": 2_603_274,
}
SETTINGS = {
    "variant": "adam",
    "seed": 0,
    "status": "completed",
    "optimizer": "adam",
    "optimizer.learning_rate": 0.001,
    "grad_clip": 1.0,
    "record_steps": True,
    "model.filters": "[64, 128, 256]",
}


def events(path: Path) -> Iterator[Event]:
    """The records of an event file: length, checksum, content, checksum."""
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def curves(path: Path) -> Curves:
    """The scalars of an event file by their tag, each step once."""
    found: Curves = defaultdict(dict)
    for event in events(path):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                assert event.step not in found[value.tag]
                found[value.tag][event.step] = value.simple_value
    return found


def assert_same(found: Curves, expected: Curves) -> None:
    """As 32-bit floats, which is what event files hold, and where each NaN is the same."""
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert list(found[name]) == list(values)
        with np.errstate(over="ignore"):
            pair = [np.array([*each.values()]).astype(np.float32) for each in (found[name], values)]
        np.testing.assert_array_equal(*pair)


def event_file(run: str, folder: str = "results/tensorboard") -> Path:
    (file,) = Path(folder, run).iterdir()
    return file


def split(found: Curves) -> tuple[Curves, dict[str, float]]:
    """The curves, and the final figures by name."""
    final = {name for name in found if name.startswith("final/")}
    figures = {name.removeprefix("final/"): value for name in final for value in found[name].values()}
    return {name: values for name, values in found.items() if name not in final}, figures


def test_event_files_hold_every_value(export: Export, diverged: None) -> None:
    printed, errors = export("tensorboard")
    assert printed == "2 run(s) exported; this shows them: tensorboard --logdir results/tensorboard\n"
    for run in ("adam/seed0", "sgd/seed1"):
        assert_same(split(curves(event_file(run)))[0], expected_curves(run))
    assert errors.splitlines()[:2] == ["skipped adam/seed1: missing", "skipped adam/seed2: missing"]
    assert len(errors.splitlines()) == 7


def test_event_files_hold_the_final_figures_at_the_last_epoch(export: Export) -> None:
    export("tensorboard")
    found = curves(event_file("adam/seed0"))
    assert split(found)[1].items() >= FIGURES.items()
    assert list(found["final/best_accuracy"]) == [4]
    assert "final/class_accuracy/1" not in found


def test_event_files_hold_the_settings_as_hyperparameters(export: Export, diverged: None) -> None:
    export("tensorboard")
    found = {}
    for run in ("adam/seed0", "sgd/seed1"):
        plugins = [value.metadata.plugin_data for each in events(event_file(run)) for value in each.summary.value]
        data = [HParamsPluginData.FromString(each.content) for each in plugins if each.plugin_name == "hparams"]
        settings = data[0].session_start_info.hparams
        found[run] = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in settings.items()}
        assert data[1].session_end_info.status == 1
    assert found["adam/seed0"].items() >= SETTINGS.items()
    assert found["sgd/seed1"].items() >= {"status": "diverged", "optimizer": "sgd", "grad_clip": "null"}.items()


def test_times_are_those_of_training(export: Export) -> None:
    export("tensorboard")
    times = [(event.step, event.wall_time) for event in events(event_file("adam/seed0"))]
    assert times[2:6] == [(1, 375), (2, 750), (3, 1125), (4, 1500)]
    assert times[6:8] == [(1, 750), (2, 1500)]


def test_exporting_twice_gives_the_same_bytes_once(export: Export, diverged: None) -> None:
    export("tensorboard")
    file = event_file("sgd/seed1")
    first = file.read_bytes()
    file.with_name(f".1.{file.name}").write_bytes(first)  # of an export that was killed
    export("tensorboard")
    export("tensorboard", "--output", "other", "sgd/seed1")
    assert event_file("sgd/seed1").read_bytes() == event_file("sgd/seed1", "other").read_bytes() == first


def test_a_new_result_replaces_the_earlier_one(export: Export, finish: Finish, history_rows: Callable) -> None:
    export("tensorboard")
    finish("adam", 0, history=history_rows([3.0], [20.0]))
    export("tensorboard")
    assert_same(split(curves(event_file("adam/seed0")))[0], expected_curves("adam/seed0"))


def test_only_the_named_runs_are_exported(export: Export, diverged: None) -> None:
    printed, errors = export("tensorboard", "sgd/seed1", "--output", "here", "sgd/seed1", "sgd/seed0")
    assert printed.startswith("1 run(s) exported; this shows them: tensorboard --logdir here")
    assert errors == "skipped sgd/seed0: missing\n"
    assert [str(path) for path in Path("here").glob("*/*")] == ["here/sgd/seed1"]


def test_damaged_and_outdated_runs_are_skipped_and_named(export: Export, finish: Finish, diverged: None) -> None:
    finish("adam", 1, spec={"epochs": 3})
    Path("results/runs/sgd/seed1/history.csv").write_text("epoch\n1\n")
    Path("results/runs/adam/seed0/steps.npz").unlink()
    printed, errors = export("tensorboard")
    assert printed == "no finished run to export\n"
    lines = errors.splitlines()
    assert lines[0].startswith("skipped adam/seed0: damaged: results/runs/adam/seed0/steps.npz cannot be read")
    assert lines[1].startswith("skipped adam/seed1: outdated: made with other settings")
    assert lines[4].startswith("skipped sgd/seed1: damaged: results/runs/sgd/seed1/history.csv is damaged")
    assert not Path("results/tensorboard").exists()


def test_steps_are_left_out_where_none_are_recorded(export: Export, finish: Finish, study_with: Callable) -> None:
    study = study_with()
    Path("results/study.json").write_text(study.model_dump_json(exclude_unset=True))
    finish("adam", 0, spec=json.loads(study.matrix.settings["adam"].model_dump_json()))
    export("tensorboard")
    assert not any(name.startswith("step/") for name in curves(event_file("adam/seed0")))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["tensorboard", "adm/seed0"], "error: no run 'adm/seed0' in this study; did you mean 'adam/seed0'?"),
        (["tensorboard", "?"], "error: no run '?' in this study; the first of 9 is 'adam/seed0'"),
        (["tensorboard", "--study", "none"], "error: none cannot be read: No such file or directory; `snakemake none`"),
        (["tensorboard", "--output", "results/study.json"], "error: results/study.json"),
    ],
)
def test_what_is_wrong_is_one_sentence(export: Export, arguments: list[str], error: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        export(*arguments)
    assert str(stopped.value.code).startswith(error)


@pytest.mark.parametrize("name", ["mlflow", "wandb", "tensorboardX"])
def test_a_missing_package_is_one_sentence(export: Export, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as stopped:
        export(name.lower().removesuffix("x"))
    assert str(stopped.value.code).startswith(f"error: {name} cannot be imported (")
    assert str(stopped.value.code).endswith(f"; `pip install {name}` installs it")


def mlflow_runs() -> Iterator[tuple[Any, Any]]:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    client = mlflow.MlflowClient("sqlite:///results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("small").experiment_id
    for run in client.search_runs([experiment], order_by=["tags.`ablation.run`"]):
        yield client, run


def test_mlflow_holds_every_value_once(export: Export, diverged: None) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    export("mlflow", "adam/seed0")
    for client, run in mlflow_runs():
        client.set_tag(run.info.run_id, "mlflow.runName", "the user's name")
    printed, _ = export("mlflow")
    assert printed.endswith("this shows them: mlflow ui --backend-store-uri sqlite:///results/mlflow/mlflow.db\n")
    assert [(run.info.run_name, run.info.status) for _, run in mlflow_runs()] == [
        ("adam/seed0", "FINISHED"),
        ("sgd/seed1", "FINISHED"),
    ]
    for client, run in mlflow_runs():
        found, figures = split(
            {
                name: {each.step: each.value for each in client.get_metric_history(run.info.run_id, name)}
                for name in run.data.metrics
            }
        )
        assert_same(found, expected_curves(run.info.run_name))
        if run.info.run_name == "adam/seed0":
            assert figures.items() >= FIGURES.items()
            assert run.data.params.items() >= {name: str(value) for name, value in SETTINGS.items()}.items()
            assert run.info.end_time - run.info.start_time == 1_500_000


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of an offline run: a log in blocks of 32 KiB, of pieces with checksum, length and kind."""
    from wandb.proto.wandb_internal_pb2 import Record  # noqa: PLC0415

    content, place, whole = path.read_bytes(), 7, b""
    while place < len(content):
        if 2**15 - place % 2**15 < 7:
            place += 2**15 - place % 2**15
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            yield Record.FromString(whole)
            whole = b""


def value_of(item: Any) -> tuple[str, Any]:
    return item.key or "/".join(item.nested_key), json.loads(item.value_json)


def test_wandb_holds_every_value_once(export: Export, diverged: None) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    export_to_wandb("adam/seed0")
    printed = export_to_wandb()
    assert printed.endswith("this shows them: wandb sync results/wandb/wandb/offline-run-*\n")
    files = {path.name: path for path in Path("results/wandb/wandb").glob("offline-run-*/*.wandb")}
    assert len(list(Path("results/wandb/wandb").glob("offline-run-*"))) == len(files)
    assert sorted(files) == ["run-small.adam.seed0.wandb", "run-small.sgd.seed1.wandb"]
    for run in ("adam/seed0", "sgd/seed1"):
        found: Curves = defaultdict(dict)
        records = list(wandb_records(files[f"run-small.{run.replace('/', '.')}.wandb"]))
        for row in [dict(map(value_of, each.history.item)) for each in records if each.HasField("history")]:
            for name, value in row.items():
                if "/" in name:
                    found[name][row[name.partition("/")[0]]] = value
        assert_same(found, expected_curves(run))


def test_wandb_holds_settings_and_figures(export: Export) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    export_to_wandb()
    (path,) = Path("results/wandb/wandb").glob("offline-run-*/*.wandb")
    records = list(wandb_records(path))
    about = next(each.run for each in records if each.HasField("run"))
    assert (about.run_id, about.display_name, about.project, about.run_group) == (
        "small.adam.seed0",
        "adam/seed0",
        "small",
        "adam",
    )
    assert dict(map(value_of, about.config.update)).items() >= SETTINGS.items()
    updates = [item for each in records if each.HasField("summary") for item in each.summary.update]
    summary = dict(map(value_of, updates))
    assert {name.removeprefix("final/"): value for name, value in summary.items()}.items() >= FIGURES.items()
    assert not any(math.isnan(value) for value in summary.values() if isinstance(value, float))
