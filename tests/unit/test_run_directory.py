"""A run's directory: how its weights' files are named, and how it is locked where the file system knows no locks."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Literal

import pytest
import torch

from ablation.config.kinds import Model
from ablation.config.loading import load_study
from ablation.config.settings import RunSettings
from ablation.runs import directory as run_directory
from ablation.runs.directory import weights_name
from ablation.runs.lock import locked

ROOT = Path(__file__).parents[2]


# Every name that the reference prints, by the variant of `config.yaml` that it is the file of. Its two short names,
# best_model_9153.pth and best_model_swa.pth, say less than ours.
PRINTED = {
    "adam": "LeakyReLU_CrossEntropy_Adam_StepLR_8842",
    "sgd": "LeakyReLU_CrossEntropy_SGD_StepLR_7858",
    "custom-sign-sgd": "LeakyReLU_CrossEntropy_CustomSignSGD_StepLR_8264",
    "wide-cross-entropy-step": "LeakyReLU_CrossEntropy_Adam_StepLR_8853",
    "wide-cross-entropy-plateau": "LeakyReLU_CrossEntropy_Adam_ReduceLROnPlateau_8844",
    "wide-cross-entropy-cosine": "LeakyReLU_CrossEntropy_Adam_CosineAnnealingLR_8898",
    "label-smoothing": "LeakyReLU_LabelSmoothingCrossEntropy_Adam_CosineAnnealingLR_8961",
    "focal": "LeakyReLU_FocalLoss_Adam_CosineAnnealingLR_8761",
    "mse": "ReLU_MSELoss_Adam_CosineAnnealingLR_9003",
    "cosine": "LeakyReLU_CrossEntropy_Adam_CosineAnnealingLR_8945",
    "cosine-relu": "ReLU_CrossEntropy_Adam_CosineAnnealingLR_8931",
    "cosine-elu": "eLU_CrossEntropy_Adam_CosineAnnealingLR_8745",
}


@pytest.mark.parametrize("variant", PRINTED)
def test_weights_have_the_file_name_that_the_reference_prints(variant):
    settings = load_study([ROOT / "config/config.yaml"]).matrix.settings[variant]
    accuracy = int(PRINTED[variant][-4:]) / 100
    assert weights_name("best_model", settings, accuracy) == f"best_model_{PRINTED[variant]}.pth"


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
    with locked(tmp_path):
        assert (tmp_path / "run.lock").read_text().startswith("process ")
    assert "run.lock: cannot be locked (No locks available): make sure that only one job" in capsys.readouterr().out


def test_weights_that_a_full_disk_does_not_take_are_named_and_the_old_ones_stay(tmp_path, full_disk):
    path = tmp_path / "best_model.pth"
    run_directory.save_weights(path, {"weight": torch.ones(3)})
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        run_directory.save_weights(path, {"weight": torch.zeros(1000)})
    assert caught.value.filename == str(path)
    assert torch.load(path, weights_only=True)["weight"].tolist() == [1, 1, 1]
    assert list(tmp_path.iterdir()) == [path]
