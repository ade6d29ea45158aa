"""The activations of the reference, and of its future work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ablation.config.kinds import Activation

if TYPE_CHECKING:
    from torch import nn


class ReLU(Activation):
    """max(0, x)."""

    name: Literal["relu"] = "relu"
    display_name = "ReLU"

    def build(self) -> nn.Module:
        from torch import nn

        return nn.ReLU(inplace=True)


class LeakyReLU(Activation):
    """x above zero, `negative_slope` times x below."""

    name: Literal["leaky_relu"] = "leaky_relu"
    display_name = "LeakyReLU"
    negative_slope: float = Field(0.1, ge=0, lt=1, description="slope below zero")

    def build(self) -> nn.Module:
        from torch import nn

        return nn.LeakyReLU(self.negative_slope, inplace=True)


class ELU(Activation):
    """x above zero, exp(x) - 1 below (Clevert, Unterthiner and Hochreiter 2016)."""

    name: Literal["elu"] = "elu"
    display_name = "eLU"  # as the reference writes it

    def build(self) -> nn.Module:
        from torch import nn

        return nn.ELU(inplace=True)


class Swish(Activation):
    """x * sigmoid(x), also called SiLU (Ramachandran, Zoph and Le 2017)."""

    name: Literal["swish"] = "swish"
    display_name = "Swish"

    def build(self) -> nn.Module:
        from torch import nn

        return nn.SiLU()
