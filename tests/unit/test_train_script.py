"""What `train.py` tells a user whose run cannot be trained."""

import json
import runpy
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

import train
from ablation.config.catalog import built_in
from ablation.config.settings import RunSettings, SpecError, complete, read_spec, spec, spec_json
from ablation.runs import directory as run_directory
from ablation.runs import job, train_run

SCRIPTS = Path(train.__file__).parent
SPEC = spec_json(RunSettings())
ARGUMENTS = ["train.py", "--run", "results/runs/adam/seed0", "--study", "s", "--data", "nowhere", "--spec"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(monkeypatch, tmp_path):
    """A run's folder is made where `train.py` is called."""
    monkeypatch.chdir(tmp_path)


def outcome(monkeypatch, spec=SPEC, *options):
    monkeypatch.setattr("sys.argv", [*ARGUMENTS, spec, *options])
    with pytest.raises(SystemExit) as ended:
        train.main()
    return str(ended.value)


def test_data_that_is_not_prepared_is_named(monkeypatch):
    message = outcome(monkeypatch)
    assert message.startswith("error: results/runs/adam/seed0: nowhere/data.json: cannot be read: ")
    assert "snakemake nowhere/data.json --force" in message


@pytest.mark.parametrize("end", ["sys.exit('error: \x1b[2Jgone')", "raise ValueError('\x1b[2Jgone')"])
def test_the_end_of_a_job_does_nothing_to_the_terminal(end):
    code = f"import sys\nfrom ablation.runs.leaving import leave_after\ndef work(): {end}\nleave_after(work)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.endswith("\\x1b[2Jgone\n")


def test_a_complete_spec_gives_the_settings_back():
    settings = complete({"model": {"activation": "elu", "filters": [2, 3, 4]}, "averaging": "swa", "grad_clip": None})
    assert read_spec(spec_json(settings), built_in()) == settings


def changed_spec(path, value=None):
    """The spec of the study's base configuration with one setting added or changed; with None, without it."""
    changed = spec(RunSettings())
    *above, key = path.split(".")
    inner = reduce(dict.__getitem__, above, changed)
    if value is None:
        del inner[key]
    else:
        inner[key] = value
    return json.dumps(changed)


@pytest.mark.parametrize(
    "path", ["epochs", "grad_clip", "averaging", "optimizer.weight_decay", "model.activation.negative_slope"]
)
def test_a_missing_setting_is_named(monkeypatch, path):
    with pytest.raises(SpecError, match=f"^the spec lacks {path}$"):
        read_spec(changed_spec(path), built_in())
    assert outcome(monkeypatch, changed_spec(path)) == f"error: results/runs/adam/seed0: the spec lacks {path}"


def test_all_missing_settings_are_named():
    missing = "optimizer.learning_rate, optimizer.momentum, optimizer.nesterov, optimizer.weight_decay"
    with pytest.raises(SpecError, match=f"^the spec lacks {missing}$"):
        read_spec(json.dumps(spec(RunSettings()) | {"optimizer": "sgd"}), built_in())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("epoch", 3),
        ("learning_rate", 0.1),
        ("optimizer.momentum", 0.9),
        ("model.activation.slope", 0.1),
        ("epochs", 0),
        ("optimizer.learning_rate", -1.0),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, path, value):
    with pytest.raises(ValidationError, match=f"for RunSettings\n{path}\n"):
        read_spec(changed_spec(path, value), built_in())
    message = outcome(monkeypatch, changed_spec(path, value))
    assert message.startswith("error: results/runs/adam/seed0: ")
    assert f"\n{path}\n" in message


def test_an_unknown_component_is_named_with_those_to_choose_from(monkeypatch):
    message = outcome(monkeypatch, changed_spec("optimizer.name", "sdg"))
    assert (
        "'sdg' is not a known optimizer; did you mean 'sgd'? choose one of adam, adamw, sgd, custom_sign_sgd" in message
    )


OWN_LOSS = """
from typing import Literal

from ablation.config.kinds import Loss


class Hinge(Loss):
    name: Literal["hinge"] = "hinge"
    display_name = "Hinge"
    margin: float = 1.0

    def build(self):
        import torch

        return torch.nn.MultiMarginLoss(margin=self.margin)
"""


def test_a_component_of_the_studys_own_is_known_from_its_file(monkeypatch, tmp_path):
    (tmp_path / "own.py").write_text(OWN_LOSS)
    hinge = changed_spec("loss", {"name": "hinge", "margin": 0.5})
    assert "'hinge' is not a known loss; choose one of cross_entropy, " in outcome(monkeypatch, hinge)
    # Known, so that the run gets as far as its data.
    assert "nowhere/data.json" in outcome(monkeypatch, hinge, "--components", str(tmp_path / "own.py"))


def test_a_component_file_that_cannot_be_run_is_named_with_its_line(monkeypatch, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("first = 1\n1 / 0\n")
    message = outcome(monkeypatch, SPEC, "--components", str(path))
    assert message.startswith("error: results/runs/adam/seed0: ")
    assert f"{path}:2: cannot be run: ZeroDivisionError: division by zero" in message


def test_an_error_of_a_component_does_nothing_to_the_terminal(tmp_path, capsys):
    path = tmp_path / "own.py"
    path.write_text(r"raise ValueError('\x1b[2Jgone')")
    with pytest.raises(ValueError, match="gone") as caught:
        runpy.run_path(str(path))
    text = job.explained(caught.value, Path("results/runs/adam/seed0/metrics.json"), [str(path)])
    assert "own.py:1: ValueError: " in text
    assert r"ValueError: \x1b[2Jgone" in capsys.readouterr().err


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_out_of_memory_names_the_run_and_the_command(monkeypatch, error):
    def too_large(*_):
        raise error

    monkeypatch.setattr(train_run, "train_run", too_large)
    message = outcome(monkeypatch)
    assert "results/runs/adam/seed0: out of memory" in message
    assert message.endswith("snakemake results/runs/adam/seed0/metrics.json")


def test_a_new_run_clears_what_an_earlier_one_left_but_its_log(tmp_path):
    old = ["metrics.json", "model.json", "history.csv", "best_model_ReLU_MSELoss_SGD_StepLR_1000.pth", "train.log"]
    for name in old:
        (tmp_path / name).touch()
    run_directory.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train.log"]
