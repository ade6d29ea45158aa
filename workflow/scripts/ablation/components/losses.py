"""The losses of the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat

from ablation.config.kinds import MAX_FLOAT, Loss

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(Loss):
    """Negative log-probability of the right class."""

    name: Literal["cross_entropy"] = "cross_entropy"
    display_name = "CrossEntropy"

    def build(self) -> Callable[[Tensor, Tensor], Tensor]:
        from torch.nn.functional import cross_entropy

        return cross_entropy


class LabelSmoothing(Loss):
    """(1 - s) * nll + s * mean(-log p), as torch defines it (Szegedy et al. 2016)."""

    name: Literal["label_smoothing"] = "label_smoothing"
    display_name = "LabelSmoothingCrossEntropy"
    smoothing: float = Field(0.1, ge=0, lt=1, description="s, the share of the target that all classes get alike")

    def build(self) -> Callable[[Tensor, Tensor], Tensor]:
        from torch.nn.functional import cross_entropy

        return partial(cross_entropy, label_smoothing=self.smoothing)


class Focal(Loss):
    """alpha * (1 - pt)^gamma * cross entropy, with pt the probability of the right class (Lin et al. 2017, eq. 5)."""

    name: Literal["focal"] = "focal"
    display_name = "FocalLoss"
    alpha: PositiveFloat = Field(1.0, le=MAX_FLOAT, description="factor of the loss")
    gamma: float = Field(2.0, ge=0, le=100, description="how much less images count that are classified well")

    def build(self) -> Callable[[Tensor, Tensor], Tensor]:
        from ablation.components.loss_functions import focal

        return partial(focal, alpha=self.alpha, gamma=self.gamma)


class MSE(Loss):
    """Mean square of raw logits minus one-hot labels, over batch and classes."""

    name: Literal["mse"] = "mse"
    display_name = "MSELoss"

    def build(self) -> Callable[[Tensor, Tensor], Tensor]:
        from ablation.components.loss_functions import mse

        return mse
