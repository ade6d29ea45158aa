"""A small residual network (He, Zhang, Ren and Sun 2016), in plain torch."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two convolutions with batch norm, and around them the input, by a 1x1 convolution where its shape changes.

    (B, inputs, H, W) -> (B, outputs, H / stride, W / stride), rounded up.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Callable[[], nn.Module]):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            activation(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.activation = activation()

    def forward(self, images: Tensor) -> Tensor:
        return self.activation(self.path(images) + self.shortcut(images))


class ResidualNetwork(nn.Sequential):
    """Images (B, channels, H, W) -> logits (B, classes)."""

    def __init__(self, channels: int, widths: Sequence[int], classes: int, activation: Callable[[], nn.Module]):
        first = nn.Sequential(nn.Conv2d(channels, widths[0], 3, padding=1), activation())
        stages = [ResidualBlock(widths[0], widths[0], 1, activation)]
        for inputs, outputs in pairwise(widths):
            stages += [ResidualBlock(inputs, outputs, 2, activation), ResidualBlock(outputs, outputs, 1, activation)]
        super().__init__(first, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
