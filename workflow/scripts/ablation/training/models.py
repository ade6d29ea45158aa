"""The networks of the study."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ablation.settings import RunSettings

IMAGE_SIZE = 32


def activation(settings: RunSettings) -> nn.Module:
    """relu, leaky_relu with the slope of the settings, or elu (alpha 1)."""
    match settings.activation:
        case "relu":
            return nn.ReLU(inplace=True)
        case "leaky_relu":
            return nn.LeakyReLU(settings.negative_slope, inplace=True)
        case "elu":
            return nn.ELU(inplace=True)


def block(inputs: int, outputs: int, settings: RunSettings) -> list[nn.Module]:
    """Conv 3x3 -> [batch norm] -> activation -> max pool: halves height and width."""
    norm = [nn.BatchNorm2d(outputs)] if settings.batch_norm else []
    return [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, activation(settings), nn.MaxPool2d(2)]


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


def build_model(settings: RunSettings, classes: int) -> nn.Module:
    """The network that the settings name."""
    match settings.model:
        case "cnn":
            return CNN(settings, classes)


def parameter_count(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def l1_norm(model: nn.Module) -> Tensor:
    """Sum of the absolute values of all parameters."""
    first, *rest = (parameter.abs().sum() for parameter in model.parameters())
    return sum(rest, start=first)
