"""Prepared arrays -> image sets that stay in memory, on the device, for the whole run.

In: the folder that `datasets.prepare` wrote. Out: `Data`. Fails with `PreparedDataError` when the arrays are not those
that `data.json` describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ablation.config.kinds import ImageShape
from ablation.data.arrays import Description, PreparedDataError, read_array, read_description

__all__ = ["Data", "ImageSet", "PreparedDataError", "load_data"]


@dataclass(frozen=True)
class ImageSet:
    """Images (N, C, H, W) as uint8 and labels (N,) as int64, both on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """Training images, the images that choose the best epoch, and the test images (the same, without a split)."""

    train: ImageSet
    held_out: ImageSet
    test: ImageSet
    classes: int
    held_out_part: str
    digest: str

    @property
    def image_shape(self) -> ImageShape:
        return ImageShape(*self.train.images.shape[1:])


def load_data(folder: Path, device: torch.device) -> Data:
    """Read all sets into the device's memory, each array checked against its digest."""
    description = read_description(folder)
    sets = {
        split: _load_set(folder, split, description, device) for split, count in description.counts.items() if count
    }
    return Data(
        train=sets["train"],
        held_out=sets[description.held_out_part],
        test=sets["test"],
        classes=len(description.classes),
        held_out_part=description.held_out_part,
        digest=description.digest,
    )


def _load_set(folder: Path, split: str, description: Description, device: torch.device) -> ImageSet:
    names = (f"{split}_images", f"{split}_labels")
    images, labels = (torch.from_numpy(read_array(folder, name, description.arrays[name])) for name in names)
    return ImageSet(images.to(device), labels.to(device))
