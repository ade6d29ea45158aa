"""The networks in torch, which the classes of `models.py` build."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ablation.config.kinds import Activation, ImageShape

if TYPE_CHECKING:
    from ablation.components.models import CNN, VGGA, ResNet


def convolution(inputs: int, outputs: int, settings: CNN | VGGA) -> list[nn.Module]:
    """Conv 3x3 -> [batch norm] -> activation: keeps height and width."""
    norm = [nn.BatchNorm2d(outputs)] if settings.batch_norm else []
    return [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, settings.activation.build()]


def flat_size(width: int, images: ImageShape, halvings: int) -> int:
    """Values that are left of an image of so many channels when it has been halved so often."""
    return width * (images.height // 2**halvings) * (images.width // 2**halvings)


def cnn(settings: CNN, images: ImageShape, classes: int) -> nn.Sequential:
    """Blocks of convolution and max pool, then two hidden linear layers with dropout and a linear one."""
    widths = (images.channels, *settings.filters)
    blocks = [
        layer
        for inputs, outputs in pairwise(widths)
        for layer in (*convolution(inputs, outputs, settings), nn.MaxPool2d(2))
    ]
    flat = flat_size(widths[-1], images, len(settings.filters))
    hidden = [
        layer
        for inputs, outputs in ((flat, 512), (512, 256))
        for layer in (nn.Linear(inputs, outputs), settings.activation.build(), nn.Dropout(settings.dropout))
    ]
    return nn.Sequential(*blocks, nn.Flatten(), *hidden, nn.Linear(256, classes))


def vgg(settings: VGGA, images: ImageShape, classes: int, dropout: float | None = None) -> nn.Module:
    """Stages of convolutions, each ending in a max pool, then two hidden linear layers and a linear one."""
    layers: list[nn.Module] = []
    inputs = images.channels
    for stage in settings.stages:
        for width in stage:
            outputs = scaled(width, settings.width_multiplier)
            layers += convolution(inputs, outputs, settings)
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    flat, hidden = flat_size(inputs, images, len(settings.stages)), scaled(settings.hidden, settings.width_multiplier)
    drop = [] if dropout is None else [nn.Dropout(dropout)]
    classifier = [
        layer for inputs in (flat, hidden) for layer in (*drop, nn.Linear(inputs, hidden), settings.activation.build())
    ]
    return nn.Sequential(*layers, nn.Flatten(), *classifier, nn.Linear(hidden, classes))


class BasicBlock(nn.Module):
    """Two convolutions with batch norm and, around them, the input, by a 1x1 convolution where its shape changes.

    (B, inputs, H, W) -> (B, outputs, H / stride, W / stride), rounded up.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Activation):
        super().__init__()
        self.path = nn.Sequential(
            *normalised(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)),
            activation.build(),
            *normalised(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)),
        )
        same = inputs == outputs and stride == 1
        shortcut = [] if same else normalised(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = activation.build()

    def forward(self, images: Tensor) -> Tensor:
        return self.activation(self.path(images) + self.shortcut(images))


def normalised(layer: nn.Conv2d) -> list[nn.Module]:
    """A convolution, and batch norm behind it."""
    return [layer, nn.BatchNorm2d(layer.out_channels)]


def resnet(settings: ResNet, images: ImageShape, classes: int) -> nn.Sequential:
    """A convolution, stages of basic blocks, the mean over each channel, and a linear layer."""
    widths = [scaled(width, settings.width_multiplier) for width in settings.stages]
    layers = [
        *normalised(nn.Conv2d(images.channels, widths[0], 3, padding=1, bias=False)),
        settings.activation.build(),
    ]
    inputs = widths[0]
    for stage, width in enumerate(widths):
        for block in range(settings.blocks):
            layers.append(BasicBlock(inputs, width, 2 if stage and not block else 1, settings.activation))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def scaled(width: int, multiplier: float) -> int:
    """A width times the width multiplier, at least 1."""
    return max(1, round(width * multiplier))


def xavier_normal(layer: nn.Module) -> None:
    """Xavier-normal weights (Glorot and Bengio 2010, with the normal distribution) and zero biases."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_normal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
