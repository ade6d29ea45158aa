"""Batched augmentation on tensors: the study's flip, then crop, drawn for a whole epoch at a time.

All random numbers of an epoch are drawn on the CPU from one generator and moved to the device together, so that the
order of the images and their augmentation are the same on every device, and no step waits for the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from ablation.settings import PerChannel, RunSettings
from ablation.training.data import ImageSet

PADDING = 4


@dataclass(frozen=True)
class EpochPlan:
    """The order of the images in one epoch and what happens to each: all (N,), on the device.

    `flip` tells which are mirrored, `top` and `left` where the crop starts in the padded image (0 to 2 * PADDING).
    """

    order: Tensor
    flip: Tensor
    top: Tensor
    left: Tensor


def plan_epoch(count: int, generator: torch.Generator, device: torch.device) -> EpochPlan:
    """Draw one epoch: a permutation, a flip with probability 0.5, and both offsets uniformly."""
    order = torch.randperm(count, generator=generator)
    flip = torch.rand(count, generator=generator) < 0.5
    offsets = torch.randint(0, 2 * PADDING + 1, (2, count), generator=generator)
    return EpochPlan(*(each.to(device) for each in (order, flip, *offsets)))


def flip_then_crop(images: Tensor, flip: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Mirror, pad with zeros by PADDING, cut out at (top, left): images (B, C, H, W) -> (B, C, H, W)."""
    height, width = images.shape[-2:]
    padded = pad(images, [PADDING] * 4)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    # The padding is symmetric, so a column of the mirrored image is one of the original counted from the right.
    columns = torch.where(flip[:, None], width + 2 * PADDING - 1 - columns, columns)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def normalise(images: Tensor, settings: RunSettings) -> Tensor:
    """uint8 images in 0..255 -> float32 in channels-last order, with the channel mean and std of the settings."""
    scale, shift = _scale_and_shift(settings.mean, settings.std, images.device)
    return images.to(torch.float32, memory_format=torch.channels_last).mul_(scale).sub_(shift)


@cache
def _scale_and_shift(mean: PerChannel, std: PerChannel, device: torch.device) -> tuple[Tensor, Tensor]:
    """(x / 255 - mean) / std as x * scale - shift, (1, 3, 1, 1) each, copied to the device once."""
    means, stds = (torch.tensor(each).view(1, 3, 1, 1) for each in (mean, std))
    return (1 / (255 * stds)).to(device), (means / stds).to(device)


def training_batches(
    images: ImageSet, plan: EpochPlan, settings: RunSettings, start: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of (inputs, labels) from batch `start` on, the last batch smaller where the count demands it."""
    drawn = (plan.order, plan.flip, plan.top, plan.left)
    parts = zip(*(each.split(settings.batch_size)[start:] for each in drawn), strict=True)
    for chosen, flip, top, left in parts:
        batch = images.images[chosen]
        if settings.augmentation == "flip_crop":
            batch = flip_then_crop(batch, flip, top, left)
        yield normalise(batch, settings), images.labels[chosen]
