"""The reference's networks in torch, which the classes of `models.py` build."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from ablation.config.kinds import ImageShape

if TYPE_CHECKING:
    from ablation.components.models import CNN, VGGA


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


def scaled(width: int, multiplier: float) -> int:
    """A width times the width multiplier, at least 1."""
    return max(1, round(width * multiplier))


def xavier_normal(layer: nn.Module) -> None:
    """Xavier-normal weights (Glorot and Bengio 2010, with the normal distribution) and zero biases."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_normal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
