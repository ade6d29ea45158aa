"""The optimizers of the reference, and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ablation.config.kinds import MAX_FLOAT, ImageShape, Optimizer

if TYPE_CHECKING:
    import torch
    from torch.nn import Parameter

    from ablation.config.settings import RunSettings


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with weight decay as an L2 term in the gradient."""

    name: Literal["adam"] = "adam"
    display_name = "Adam"
    weight_decay: float = Field(1e-4, ge=0, le=MAX_FLOAT, description="factor of the weights in the gradient")

    def build(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        from torch.optim import Adam

        return Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    display_name = "AdamW"
    weight_decay: float = Field(
        1e-4, ge=0, le=MAX_FLOAT, description="share of the weights, times the learning rate, lost a step"
    )

    def build(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        from torch.optim import AdamW

        return AdamW(parameters, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, and weight decay as an L2 term in the gradient."""

    name: Literal["sgd"] = "sgd"
    display_name = "SGD"
    weight_decay: float = Field(1e-4, ge=0, le=MAX_FLOAT, description="factor of the weights in the gradient")
    momentum: float = Field(0.9, ge=0, lt=1, description="decay of the running sum of gradients")
    nesterov: bool = Field(False, description="step along the gradient and the sum that follows, not the sum alone")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")

    def build(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        from torch.optim import SGD

        return SGD(
            parameters,
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=True,
        )


class CustomSignSGD(Optimizer):
    """The reference's own: the sign of the decayed gradient, then momentum (section 2)."""

    name: Literal["custom_sign_sgd"] = "custom_sign_sgd"
    display_name = "CustomSignSGD"
    weight_decay: float = Field(
        1e-4, ge=0, le=MAX_FLOAT, description="factor of the weights in the gradient, inside the sign"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="decay of the running average of signs")

    def build(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        from ablation.components.sign_sgd import SignSGD

        return SignSGD(parameters, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)
