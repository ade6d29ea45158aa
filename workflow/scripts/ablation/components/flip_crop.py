"""The reference's flip, then crop, of a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


def draw(count: int, flip: float, padding: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Which images are mirrored, and where the crop starts in the padded image, from top and left: (count,) each."""
    mirrored = torch.rand(count, generator=generator) < flip
    offsets = torch.randint(0, 2 * padding + 1, (2, count), generator=generator)
    return mirrored, *offsets


@dataclass(frozen=True)
class FlipThenCrop:
    """Mirrors an image with probability `flip`, and cuts it out of itself with `padding` zeros on each side."""

    flip: float
    padding: int

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return draw(count, self.flip, self.padding, generator)

    def __call__(self, images: Tensor, *drawn: Tensor) -> Tensor:
        flip, top, left = drawn
        height, width = images.shape[-2:]
        padded = pad(images, [self.padding] * 4)
        rows = top[:, None] + torch.arange(height, device=images.device)
        columns = left[:, None] + torch.arange(width, device=images.device)
        # The padding is symmetric, so a column of the mirrored image is one of the original counted from the right.
        columns = torch.where(flip[:, None], width + 2 * self.padding - 1 - columns, columns)
        batch = torch.arange(len(images), device=images.device)[:, None, None]
        return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class Unchanged:
    """Leaves the images as they are. It draws what flip and crop draws, so that a seed brings the images in
    the same order with and without it."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return draw(count, 0.5, 4, generator)

    def __call__(self, images: Tensor, *drawn: Tensor) -> Tensor:
        return images
