"""A run's directory: how its weights' files are named, and how it is locked where the file system knows no locks."""

import errno
import fcntl
import os
from typing import Literal

import pytest

from ablation.config.kinds import Model
from ablation.config.settings import RunSettings, complete
from ablation.runs import directory as run_directory
from ablation.runs.directory import weights_name


@pytest.mark.parametrize(
    ("choice", "accuracy", "name"),
    [
        ({}, 88.42, "best_model_LeakyReLU_CrossEntropy_Adam_StepLR_8842.pth"),
        (
            {"loss": "label_smoothing", "scheduler": "cosine"},
            89.61,
            "best_model_LeakyReLU_LabelSmoothingCrossEntropy_Adam_CosineAnnealingLR_8961.pth",
        ),
        (
            {"model": {"activation": "relu"}, "loss": "mse", "scheduler": "cosine"},
            90.03,
            "best_model_ReLU_MSELoss_Adam_CosineAnnealingLR_9003.pth",
        ),
        (
            {"model": {"activation": "elu"}, "scheduler": "cosine"},
            87.45,
            "best_model_eLU_CrossEntropy_Adam_CosineAnnealingLR_8745.pth",
        ),
    ],
    ids=["adam", "label-smoothing", "mse", "elu"],
)
def test_weights_have_the_file_name_of_the_study(choice, accuracy, name):
    assert weights_name("best_model", complete(choice), accuracy) == name


class Linear(Model):
    """A model without an activation to choose."""

    name: Literal["linear"] = "linear"
    display_name = "Linear"


class Tanh(Linear):
    """A model whose activation is a word."""

    activation: str = "tanh"


@pytest.mark.parametrize("model", [Linear(), Tanh()], ids=["without", "a-word"])
def test_a_model_without_an_activation_of_the_catalog_has_its_own_name_there(model):
    name = weights_name("averaged_model", RunSettings(model=model), 51.0)
    assert name == "averaged_model_Linear_CrossEntropy_Adam_StepLR_5100.pth"


def test_a_file_system_without_locks_is_told_and_goes(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with run_directory.locked(tmp_path):
        assert (tmp_path / "run.lock").read_text().startswith("process ")
    assert "run.lock: cannot be locked (No locks available): make sure that only one job" in capsys.readouterr().out
