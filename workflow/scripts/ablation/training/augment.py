"""An epoch's order and augmentation, and its batches: uint8 images -> normalised inputs.

All random numbers of an epoch are drawn on the CPU from one generator and moved to the device together, so that the
order of the images and their augmentation are the same on every device, and no step waits for the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ablation.config.kinds import BatchAugmentation
from ablation.config.settings import RunSettings
from ablation.training.data import ImageSet

# A GPU waits longer for each of many small operations than it works on them; a processor's cache holds one batch.
BATCHES_AT_ONCE = {"cuda": 32}


@dataclass(frozen=True)
class EpochPlan:
    """The order of the images in one epoch, (N,), and what the augmentation drew for each, (N, ...), on the device."""

    order: Tensor
    drawn: tuple[Tensor, ...]


def plan_epoch(
    count: int, augmentation: BatchAugmentation, generator: torch.Generator, device: torch.device
) -> EpochPlan:
    """Draw one epoch: a permutation, then what the augmentation needs."""
    order = torch.randperm(count, generator=generator)
    drawn = augmentation.draw(count, generator)
    return EpochPlan(order.to(device), tuple(each.to(device) for each in drawn))


def normalise(images: Tensor, settings: RunSettings) -> Tensor:
    """uint8 images in 0..255 -> float32 in channels-last order, with the channel mean and std of the settings."""
    scale, shift = _scale_and_shift(settings.mean, settings.std, images.device)
    return images.to(torch.float32, memory_format=torch.channels_last).mul_(scale).sub_(shift)


@cache
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """(x / 255 - mean) / std as x * scale - shift, (1, C or 1, 1, 1) each, copied to the device once."""
    means, stds = (torch.tensor(each).view(1, -1, 1, 1) for each in (mean, std))
    return (1 / (255 * stds)).to(device), (means / stds).to(device)


def training_batches(
    images: ImageSet, plan: EpochPlan, augmentation: BatchAugmentation, settings: RunSettings, start: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of (inputs, labels) from batch `start` on, the last batch smaller where the count demands it.

    Several batches are prepared at once where that pays.
    """
    size = settings.batch_size
    at_once = size * BATCHES_AT_ONCE.get(plan.order.device.type, 1)
    for first in range(start * size, len(plan.order), at_once):
        chosen, *drawn = (each[first : first + at_once] for each in (plan.order, *plan.drawn))
        inputs = normalise(augmentation(images.images[chosen], *drawn), settings)
        yield from zip(inputs.split(size), images.labels[chosen].split(size), strict=True)
