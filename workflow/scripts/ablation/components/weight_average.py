"""Stochastic weight averaging (Izmailov et al. 2018) with torch.optim.swa_utils."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, swa_utils

if TYPE_CHECKING:
    from ablation.components.averagings import SWA


class StochasticWeightAverage:
    """The mean of the weights at the end of each epoch from `start` on, while SWALR anneals the learning rate linearly
    to another, in place of the run's own schedule."""

    def __init__(self, settings: SWA, model: nn.Module, optimizer: Optimizer):
        self.start = settings.start
        self.averaged = swa_utils.AveragedModel(model)
        self.scheduler = swa_utils.SWALR(
            optimizer, settings.learning_rate, settings.anneal_epochs, anneal_strategy="linear"
        )

    def begins(self, epoch: int) -> bool:
        return epoch >= self.start

    def end_epoch(self, model: nn.Module) -> None:
        """Take the epoch's weights into the average and set the next learning rate."""
        self.averaged.update_parameters(model)
        self.scheduler.step()

    def finish(self, inputs: Iterable[Tensor]) -> nn.Module:
        """A copy of the averaged network, its batch-norm statistics recomputed over one epoch of training inputs."""
        averaged = deepcopy(self.averaged)
        with torch.no_grad():
            swa_utils.update_bn(inputs, averaged)
        return averaged.module

    def state_dict(self) -> dict[str, Any]:
        return {"averaged": self.averaged.state_dict(), "scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.averaged.load_state_dict(state["averaged"])
        self.scheduler.load_state_dict(state["scheduler"])
