"""Learning-rate schedulers, one step an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from ablation.config.kinds import MAX_EPOCHS, MAX_FLOAT, ImageShape, Scheduler

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from ablation.config.settings import RunSettings


class NoScheduler(Scheduler):
    """The learning rate stays as it is."""

    name: Literal["none"] = "none"
    display_name = "NoScheduler"

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        return None


class Step(Scheduler):
    """The learning rate times `gamma` after every `step_size` epochs."""

    name: Literal["step"] = "step"
    display_name = "StepLR"
    step_size: PositiveInt = Field(20, le=MAX_EPOCHS, description="epochs between two steps")
    gamma: float = Field(0.1, gt=0, le=1, description="factor of the learning rate at each step")

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import StepLR

        return StepLR(optimizer, self.step_size, self.gamma)


class Plateau(Scheduler):
    """The learning rate times `factor` where the held-out loss no longer falls."""

    name: Literal["plateau"] = "plateau"
    display_name = "ReduceLROnPlateau"
    patience: int = Field(5, ge=0, le=MAX_EPOCHS, description="epochs without improvement before a step")
    factor: float = Field(0.5, gt=0, lt=1, description="factor of the learning rate at each step")
    threshold: float = Field(0.001, ge=0, lt=1, description="relative fall of the loss that counts as improvement")
    cooldown: int = Field(2, ge=0, le=MAX_EPOCHS, description="epochs after a step in which none is counted")

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import ReduceLROnPlateau

        settings = self.model_dump(exclude={"name"})
        return ReduceLROnPlateau(optimizer, mode="min", threshold_mode="rel", **settings)


class Cosine(Scheduler):
    """Half a cosine from the learning rate to the minimum, over all epochs (Loshchilov and Hutter 2017)."""

    name: Literal["cosine"] = "cosine"
    display_name = "CosineAnnealingLR"
    min_learning_rate: float = Field(1e-5, ge=0, le=MAX_FLOAT, description="learning rate after the last epoch")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        if self.min_learning_rate > run.optimizer.learning_rate:
            above = f"above the optimizer's learning_rate, {run.optimizer.learning_rate}"
            raise ValueError(f"min_learning_rate {self.min_learning_rate} is {above}")

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import CosineAnnealingLR

        return CosineAnnealingLR(optimizer, T_max=epochs, eta_min=self.min_learning_rate)
