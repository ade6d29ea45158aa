"""What a run leaves behind: the weights' files, `history.csv`, `steps.npz` and, last of all, `metrics.json`."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from ablation.config.kinds import Activation
from ablation.config.settings import RunSettings
from ablation.files import atomic_write
from ablation.training.loop import Weights


def weights_name(kind: str, settings: RunSettings, accuracy: float) -> str:
    """The reference's file name: `<kind>_<Activation>_<Loss>_<Optimizer>_<Scheduler>_<accuracy in % * 100>.pth`.

    A model without an activation to choose has its own name there.
    """
    activation = getattr(settings.model, "activation", None)
    first = activation if isinstance(activation, Activation) else settings.model
    choices = (first, settings.loss, settings.optimizer, settings.scheduler)
    return "_".join([kind, *(choice.display_name for choice in choices), f"{round(accuracy * 100)}.pth"])


def clear(directory: Path) -> None:
    """Remove what an earlier run left in the directory; the log stays."""
    for name in (
        "metrics.json",
        "finished.json",
        "probe.json",
        "history.csv",
        "steps.npz",
        "confusion.csv",
        "filters.npy",
        "model.json",
    ):
        (directory / name).unlink(missing_ok=True)
    for weights in directory.glob("*_model_*.pth"):
        weights.unlink()


def save_filters(path: Path, weights: Weights) -> bool:
    """Write the kernels of the first convolution, (out, in, height, width), where it takes images as they are; whether
    there is one."""
    kernels = next((each for each in weights.values() if each.ndim == 4), None)
    if kernels is None or kernels.shape[1] not in (1, 3):
        return False
    with atomic_write(path) as aside, open(aside, "wb") as file:
        np.save(file, kernels.float().numpy(), allow_pickle=False)
    return True


def save_weights(path: Path, weights: Weights) -> None:
    """Write a state dict whole; `torch.load(path, weights_only=True)` reads it."""
    # To a full disk torch would not say why it cannot write; and it would write the name of the file, which changes.
    torch.save(weights, buffer := BytesIO())
    with atomic_write(path) as aside:
        aside.write_bytes(buffer.getbuffer())
