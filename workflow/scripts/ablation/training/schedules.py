"""What happens to the learning rate, and to an average of the weights, at the end of a step and of an epoch."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ablation.config.settings import RunSettings


class Schedule:
    """The run's scheduler and its average, each where there is one."""

    def __init__(self, settings: RunSettings, model: nn.Module, optimizer: Optimizer):
        self.scheduler = settings.scheduler.build(optimizer, settings.epochs)
        self.average = settings.averaging.build(model, optimizer)

    def end_step(self) -> None:
        """After each step of the optimizer."""
        if self.average is not None:
            self.average.end_step()

    def end_epoch(self, epoch: int, held_out_loss: float) -> None:
        """Step once, after the epoch `epoch`, counted from 1."""
        if self.average is not None and self.average.sets_learning_rate(epoch):
            self.average.end_epoch()
        elif isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(held_out_loss)
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
