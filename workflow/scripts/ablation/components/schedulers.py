"""Learning-rate schedulers, one step an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from ablation.config.kinds import MAX_EPOCHS, MAX_FLOAT, ImageShape, Scheduler

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from ablation.config.settings import RunSettings


def check_minimum(run: RunSettings, minimum: float) -> None:
    """Refuse a schedule whose learning rate would have to rise to its minimum.

    Raises:
        ValueError: the minimum is above the optimizer's learning rate.
    """
    if minimum > run.optimizer.learning_rate:
        above = f"above the optimizer's learning_rate, {run.optimizer.learning_rate}"
        raise ValueError(f"min_learning_rate {minimum} is {above}")


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
    min_learning_rate: float = Field(1e-6, ge=0, le=MAX_FLOAT, description="learning rate below which no step leads")
    threshold: float = Field(1e-4, ge=0, lt=1, description="relative fall of the loss that counts as improvement")
    cooldown: int = Field(0, ge=0, le=MAX_EPOCHS, description="epochs after a step in which none is counted")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        check_minimum(run, self.min_learning_rate)

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import ReduceLROnPlateau

        return ReduceLROnPlateau(
            optimizer,
            mode="min",
            factor=self.factor,
            patience=self.patience,
            threshold=self.threshold,
            threshold_mode="rel",
            cooldown=self.cooldown,
            min_lr=self.min_learning_rate,
        )


class Cosine(Scheduler):
    """Half a cosine from the learning rate to the minimum, over all epochs (Loshchilov and Hutter 2017)."""

    name: Literal["cosine"] = "cosine"
    display_name = "CosineAnnealingLR"
    min_learning_rate: float = Field(1e-5, ge=0, le=MAX_FLOAT, description="learning rate after the last epoch")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        check_minimum(run, self.min_learning_rate)

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import CosineAnnealingLR

        return CosineAnnealingLR(optimizer, T_max=epochs, eta_min=self.min_learning_rate)


class WarmRestarts(Scheduler):
    """Half a cosine from the learning rate to the minimum, again and again, each over more epochs than the last
    (SGDR, Loshchilov and Hutter 2017)."""

    name: Literal["warm_restarts"] = "warm_restarts"
    display_name = "CosineAnnealingWarmRestarts"
    period: PositiveInt = Field(10, le=MAX_EPOCHS, description="epochs to the first restart")
    period_factor: PositiveInt = Field(2, le=100, description="how many times as long each period is as the last")
    min_learning_rate: float = Field(0.0, ge=0, le=MAX_FLOAT, description="learning rate before each restart")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        check_minimum(run, self.min_learning_rate)
        if self.period >= run.epochs:
            raise ValueError(f"period {self.period} leaves no restart in {run.epochs} epochs")

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

        return CosineAnnealingWarmRestarts(optimizer, self.period, self.period_factor, self.min_learning_rate)


class OneCycle(Scheduler):
    """Up to the learning rate and down to almost nothing, each along a cosine (Smith and Topin 2018); by epoch.

    The paper changes the rate at each step. Here it changes once an epoch, as with every scheduler: on a GPU, a step is
    captured again at each new rate. The momentum stays as it is.
    """

    name: Literal["one_cycle"] = "one_cycle"
    display_name = "OneCycleLR"
    warm_up: float = Field(0.3, gt=0, lt=1, description="share of the epochs in which the learning rate rises")
    first_divisor: float = Field(25.0, ge=1, le=MAX_FLOAT, description="learning rate over that of the first epoch")
    last_divisor: float = Field(1e4, ge=1, le=MAX_FLOAT, description="rate of the first epoch over that of the last")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        if self.warm_up * run.epochs <= 1:
            raise ValueError(f"warm_up {self.warm_up} of {run.epochs} epochs is not more than one; set a larger share")

    def build(self, optimizer: Optimizer, epochs: int) -> LRScheduler | None:
        from torch.optim.lr_scheduler import OneCycleLR

        return OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=epochs,
            pct_start=self.warm_up,
            cycle_momentum=False,
            div_factor=self.first_divisor,
            final_div_factor=self.last_divisor,
        )
