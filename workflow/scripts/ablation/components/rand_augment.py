"""torchvision's RandAugment of a whole batch at once, each image with operations of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import v2

from ablation.config.kinds import BatchAugmentation

# Only its operations: it would draw one for all images of a batch, from torch's own random numbers.
TORCHVISION = v2.RandAugment()
# Each operation with the sign of its magnitude; to those without one, both are the same.
CHOICES = [(name, sign) for name in TORCHVISION._AUGMENTATION_SPACE for sign in (1, -1)]


def apply(images: Tensor, choice: int, magnitude: int) -> Tensor:
    """One operation of torchvision on all images, (B, C, H, W) uint8."""
    name, sign = CHOICES[choice]
    values_of, signed = TORCHVISION._AUGMENTATION_SPACE[name]
    values = values_of(TORCHVISION.num_magnitude_bins, *images.shape[-2:])
    value = 0.0 if values is None else float(values[magnitude]) * (sign if signed else 1)
    return TORCHVISION._apply_image_or_video_transform(
        images, name, value, interpolation=TORCHVISION.interpolation, fill=TORCHVISION._fill
    )


@dataclass(frozen=True)
class FlipCropThenOperations:
    """Augments by flip and crop, then by so many operations, which all images that drew the same undergo together."""

    flip_crop: BatchAugmentation
    operations: int
    magnitude: int

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        flip_crop = self.flip_crop.draw(count, generator)
        return *flip_crop, torch.randint(len(CHOICES), (count, self.operations), generator=generator)

    def __call__(self, images: Tensor, *drawn: Tensor) -> Tensor:
        *flip_crop, choices = drawn
        images = self.flip_crop(images, *flip_crop)
        for chosen in choices.unbind(1):
            sizes = chosen.bincount(minlength=len(CHOICES)).tolist()
            for choice, group in enumerate(chosen.argsort().split(sizes)):
                if len(group):
                    images[group] = apply(images[group], choice, self.magnitude)
        return images
