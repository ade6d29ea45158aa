"""What a run leaves behind: the weights' files, `history.csv`, `steps.npz` and, last of all, `metrics.json`."""

from __future__ import annotations

from pathlib import Path

import torch

from ablation.files import whole_file
from ablation.names import STUDY_NAMES
from ablation.settings import RunSettings
from ablation.training.loop import Weights


def weights_name(kind: str, settings: RunSettings, accuracy: float) -> str:
    """The study's file name: `<kind>_<Activation>_<Loss>_<Optimizer>_<Scheduler>_<accuracy in % * 100>.pth`."""
    choices = (settings.activation, settings.loss, settings.optimizer, settings.scheduler)
    return "_".join([kind, *(STUDY_NAMES[choice] for choice in choices), f"{round(accuracy * 100)}.pth"])


def clear(directory: Path) -> None:
    """Make the directory and take away what an earlier run with other settings left in it; the log stays."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("metrics.json", "history.csv", "steps.npz"):
        (directory / name).unlink(missing_ok=True)
    for weights in directory.glob("*_model_*.pth"):
        weights.unlink()


def save_weights(path: Path, weights: Weights) -> None:
    """Write a state dict whole; `torch.load(path, weights_only=True)` reads it."""
    with whole_file(path) as aside:
        torch.save(weights, aside)
