"""The networks of the study."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from torch import Tensor, nn

from ablation.settings import RunSettings

IMAGE_SIZE = 32
VGG_A_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
# Widths of the convolutions, stage by stage, and of the two hidden linear layers.
VGG_WIDTHS: dict[str, tuple[tuple[tuple[int, ...], ...], int]] = {
    "vgg_a": (VGG_A_STAGES, 512),
    "vgg_a_dropout": (VGG_A_STAGES, 512),
    "vgg_a_light": (((16,), (32,)), 128),
}


def activation(settings: RunSettings) -> nn.Module:
    """relu, leaky_relu with the slope of the settings, or elu (alpha 1)."""
    match settings.activation:
        case "relu":
            return nn.ReLU(inplace=True)
        case "leaky_relu":
            return nn.LeakyReLU(settings.negative_slope, inplace=True)
        case "elu":
            return nn.ELU(inplace=True)


def convolution(inputs: int, outputs: int, settings: RunSettings) -> list[nn.Module]:
    """Conv 3x3 -> [batch norm] -> activation: keeps height and width."""
    norm = [nn.BatchNorm2d(outputs)] if settings.batch_norm else []
    return [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, activation(settings)]


def block(inputs: int, outputs: int, settings: RunSettings) -> list[nn.Module]:
    """A convolution, then max pool: halves height and width."""
    return [*convolution(inputs, outputs, settings), nn.MaxPool2d(2)]


class CNN(nn.Sequential):
    """The study's network (section 1): a block per width in `filters`, then 512-256-classes.

    Inputs (B, 3, 32, 32) normalised, outputs logits (B, classes).
    """

    def __init__(self, settings: RunSettings, classes: int = 10):
        widths = (3, *settings.filters)
        blocks = [layer for inputs, outputs in pairwise(widths) for layer in block(inputs, outputs, settings)]
        side = IMAGE_SIZE // 2 ** len(settings.filters)
        hidden = [
            layer
            for inputs, outputs in ((widths[-1] * side * side, 512), (512, 256))
            for layer in (nn.Linear(inputs, outputs), activation(settings), nn.Dropout(settings.dropout))
        ]
        super().__init__(*blocks, nn.Flatten(), *hidden, nn.Linear(256, classes))


class VGG(nn.Sequential):
    """VGG for 32x32 images (study, section 4; Simonyan and Zisserman 2015, configuration A).

    Stages of convolutions, each stage ending in a max pool, then three linear layers; `vgg_a_dropout` has dropout
    before the first two. Every hidden width is multiplied by `width_multiplier`. Only `vgg_a` starts from
    Xavier-normal weights and zero biases; the others start as torch does, as in the course's template.

    Inputs (B, 3, 32, 32) normalised, outputs logits (B, classes).
    """

    def __init__(self, settings: RunSettings, classes: int = 10):
        stages, hidden = VGG_WIDTHS[settings.model]
        dropout = [nn.Dropout(settings.dropout)] if settings.model == "vgg_a_dropout" else []
        layers: list[nn.Module] = []
        inputs = 3
        for stage in stages:
            for width in stage:
                outputs = scaled(width, settings)
                layers += convolution(inputs, outputs, settings)
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        flat, hidden = inputs * (IMAGE_SIZE // 2 ** len(stages)) ** 2, scaled(hidden, settings)
        classifier = [
            layer for inputs in (flat, hidden) for layer in (*dropout, nn.Linear(inputs, hidden), activation(settings))
        ]
        super().__init__(*layers, nn.Flatten(), *classifier, nn.Linear(hidden, classes))
        if settings.model == "vgg_a":
            self.apply(xavier_normal)


def scaled(width: int, settings: RunSettings) -> int:
    """A width times the width multiplier, at least 1."""
    return max(1, round(width * settings.width_multiplier))


def xavier_normal(layer: nn.Module) -> None:
    """Xavier-normal weights (Glorot and Bengio 2010, with the normal distribution) and zero biases."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_normal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def build_model(settings: RunSettings, classes: int) -> nn.Module:
    """The network that the settings name."""
    match settings.model:
        case "cnn":
            return CNN(settings, classes)
        case "vgg_a" | "vgg_a_light" | "vgg_a_dropout":
            return VGG(settings, classes)


def parameter_count(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def l1_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of the absolute values of all parameters."""
    first, *rest = (parameter.abs().sum() for parameter in parameters)
    return sum(rest, start=first)
