"""How training images are augmented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ablation.config.kinds import Augmentation, BatchAugmentation, ImageShape

if TYPE_CHECKING:
    from ablation.config.settings import RunSettings


class NoAugmentation(Augmentation):
    """The images stay as they are."""

    name: Literal["none"] = "none"
    display_name = "NoAugmentation"

    def build(self) -> BatchAugmentation:
        from ablation.components.flip_crop import Unchanged

        return Unchanged()


class FlipCrop(Augmentation):
    """The reference's: a horizontal flip, then a crop out of the image with zeros around it."""

    name: Literal["flip_crop"] = "flip_crop"
    display_name = "FlipCrop"
    flip: float = Field(0.5, ge=0, le=1, description="probability of the flip")
    padding: NonNegativeInt = Field(4, le=1023, description="pixels of zeros on each side, before the crop")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        smallest = min(images.height, images.width)
        if self.padding >= smallest:
            raise ValueError(f"padding {self.padding} can move all of an image of {smallest} pixels out of the crop")

    def build(self) -> BatchAugmentation:
        from ablation.components.flip_crop import FlipThenCrop

        return FlipThenCrop(self.flip, self.padding)


class RandAugment(FlipCrop):
    """Flip and crop, then so many of torchvision's 14 operations, drawn for each image (Cubuk et al. 2020)."""

    name: Literal["rand_augment"] = "rand_augment"  # type: ignore[assignment]
    display_name = "RandAugment"
    operations: PositiveInt = Field(2, le=14, description="how many an image undergoes, one after another")
    magnitude: NonNegativeInt = Field(9, le=30, description="how strong they are, from 0 to 30")

    def build(self) -> BatchAugmentation:
        from ablation.components.rand_augment import FlipCropThenOperations

        return FlipCropThenOperations(super().build(), self.operations, self.magnitude)
