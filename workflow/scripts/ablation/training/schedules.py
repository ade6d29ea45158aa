"""Learning-rate schedules, one step an epoch, and stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, swa_utils
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau, StepLR

from ablation.settings import RunSettings


def build_scheduler(settings: RunSettings, optimizer: Optimizer) -> LRScheduler | None:
    """The scheduler that the settings name; the plateau is that of the held-out loss."""
    match settings.scheduler:
        case "none":
            return None
        case "step":
            return StepLR(optimizer, settings.step_size, settings.step_gamma)
        case "plateau":
            return ReduceLROnPlateau(
                optimizer,
                mode="min",
                patience=settings.plateau_patience,
                factor=settings.plateau_factor,
                threshold=0.001,
                threshold_mode="rel",
                cooldown=2,
            )
        case "cosine":
            return CosineAnnealingLR(optimizer, T_max=settings.epochs, eta_min=settings.min_learning_rate)


class WeightAverage:
    """Stochastic weight averaging (Izmailov et al. 2018) with torch.optim.swa_utils.

    From epoch `swa_start` on the weights are averaged at each epoch's end, while SWALR anneals the learning rate
    linearly to `swa_learning_rate` in place of the run's own schedule.
    """

    def __init__(self, settings: RunSettings, model: nn.Module, optimizer: Optimizer):
        self.start = settings.swa_start
        self.averaged = swa_utils.AveragedModel(model)
        self.scheduler = swa_utils.SWALR(
            optimizer, settings.swa_learning_rate, settings.swa_anneal_epochs, anneal_strategy="linear"
        )

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


class Schedule:
    """What happens to the learning rate at an epoch's end."""

    def __init__(self, settings: RunSettings, model: nn.Module, optimizer: Optimizer):
        self.scheduler = build_scheduler(settings, optimizer)
        self.average = WeightAverage(settings, model, optimizer) if settings.swa else None

    def end_epoch(self, epoch: int, model: nn.Module, heldout_loss: float) -> None:
        """Step once, after the epoch `epoch`, counted from 1."""
        if self.average is not None and epoch >= self.average.start:
            self.average.end_epoch(model)
        elif isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(heldout_loss)
        elif self.scheduler is not None:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts = {"scheduler": self.scheduler, "average": self.average}
        return {name: part for name, part in parts.items() if part is not None}
