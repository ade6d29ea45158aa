"""A small network that halves its images with or without a blur: the component of this example."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from ablation.config.kinds import Model


class ShapeNet(Model):
    """Blocks of convolution and halving, then the mean over each channel and a linear layer.

    With a blur before it, a halving depends less on where a shape lies (Zhang, Making Convolutional Networks
    Shift-Invariant Again, 2019).
    """

    name: Literal["shape_net"] = "shape_net"
    display_name = "ShapeNet"
    widths: tuple[PositiveInt, ...] = Field((8, 16, 32), min_length=1, description="channels of each block")
    blur: bool = Field(True, description="blur before each halving (Zhang 2019)")
    batch_norm: bool = Field(True, description="after each convolution")

    def check(self, run, images):
        if min(images.height, images.width) < 2 ** len(self.widths):
            raise ValueError(f"widths: {len(self.widths)} blocks are too many for images of {images.height} pixels")

    def build(self, images, classes):
        from torch import nn

        layers, inputs = [], images.channels
        for width in self.widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), *self.norm(width), nn.ReLU(), *self.halving(width)]
            inputs = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))

    def norm(self, width):
        from torch import nn

        return [nn.BatchNorm2d(width)] if self.batch_norm else []

    def halving(self, width):
        """Every second pixel; with `blur`, of the image under the kernel [1 2 1] in both directions."""
        import torch
        from torch import nn

        if not self.blur:
            return [nn.MaxPool2d(2)]
        blur = nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width, bias=False)
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        blur.weight = nn.Parameter(torch.outer(line, line).expand(width, 1, 3, 3).clone(), requires_grad=False)
        return [nn.MaxPool2d(2, stride=1), blur]
