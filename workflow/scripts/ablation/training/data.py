"""Prepared arrays -> image sets that stay in memory, on the device, for the whole run.

In: the folder that `datasets.prepare` wrote. Out: `Data`. Fails with `PreparedDataError` when the arrays are not those
that `data.json` describes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class PreparedDataError(ValueError):
    """The prepared arrays are missing, damaged or not those of `data.json`."""


@dataclass(frozen=True)
class ImageSet:
    """Images (N, 3, 32, 32) as uint8 and labels (N,) as int64, both on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """Training images, the images that choose the best epoch, and the test images (the same, without a split)."""

    train: ImageSet
    heldout: ImageSet
    test: ImageSet
    classes: int
    held_out: str
    digest: str


def load_data(folder: Path, device: torch.device) -> Data:
    """Read all sets into the device's memory."""
    try:
        description = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        sets = {name: _load_set(folder, name, count, device) for name, count in description["counts"].items() if count}
    except (OSError, KeyError, ValueError) as error:
        raise PreparedDataError(f"{folder}: cannot be read: {error}. Delete the folder to prepare it anew") from error
    held_out = description["held_out"]
    classes = len(description["classes"])
    return Data(sets["train"], sets[held_out], sets["test"], classes, held_out, description["digest"])


def _load_set(folder: Path, name: str, count: int, device: torch.device) -> ImageSet:
    images, labels = (np.load(folder / f"{name}_{part}.npy", mmap_mode="r") for part in ("images", "labels"))
    if images.dtype != np.uint8 or images.shape != (count, 3, 32, 32) or labels.shape != (count,):
        raise ValueError(f"{name} holds {images.shape[0]} images {images.shape[1:]}, expected {count} of (3, 32, 32)")
    return ImageSet(_on_device(images, device), _on_device(labels, device).long())


def _on_device(array: Any, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array)).to(device)
