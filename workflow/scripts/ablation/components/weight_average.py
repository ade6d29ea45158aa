"""Averages of the weights (Izmailov et al. 2018; Polyak and Juditsky 1992) with torch.optim.swa_utils."""

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
        self.model = model
        self.averaged = swa_utils.AveragedModel(model)
        self.scheduler = swa_utils.SWALR(
            optimizer, settings.learning_rate, settings.anneal_epochs, anneal_strategy="linear"
        )

    def end_step(self) -> None:
        """Nothing: it takes in the weights of whole epochs."""

    def sets_learning_rate(self, epoch: int) -> bool:
        return epoch >= self.start

    def end_epoch(self) -> None:
        """Take the epoch's weights into the average and set the next learning rate."""
        self.averaged.update_parameters(self.model)
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


class ExponentialMovingAverage:
    """The mean of the weights after each step, of which each counts `decay` times as much as the one after it.

    Step t's weights come in with the share (1 - decay) / (1 - decay^t), as in Adam's corrected means: the first take
    the place of the random weights of the start. Done in place, after the step and outside its CUDA graph.
    """

    def __init__(self, decay: float, model: nn.Module):
        self.decay = decay
        self.model = model
        self.averaged = [parameter.detach().clone() for parameter in model.parameters()]
        self.steps = 0

    def end_step(self) -> None:
        self.steps += 1
        share = (1 - self.decay) / (1 - self.decay**self.steps)
        update = swa_utils.get_ema_multi_avg_fn(1 - share)
        update(self.averaged, list(self.model.parameters()), self.steps)

    def sets_learning_rate(self, epoch: int) -> bool:
        return False

    def end_epoch(self) -> None:
        """Nothing: the scheduler ends it."""

    def finish(self, inputs: Iterable[Tensor]) -> nn.Module:
        """A copy of the network with the averaged weights, its batch-norm statistics recomputed as for SWA."""
        model = deepcopy(self.model)
        with torch.no_grad():
            for parameter, average in zip(model.parameters(), self.averaged, strict=True):
                parameter.copy_(average)
            swa_utils.update_bn(inputs, model)
        return model

    def state_dict(self) -> dict[str, Any]:
        return {"averaged": self.averaged, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        for average, stored in zip(self.averaged, state["averaged"], strict=True):
            average.copy_(stored)
