"""Averages of the weights over epochs or steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ablation.config.kinds import MAX_EPOCHS, MAX_FLOAT, Averaging, ImageShape, WeightAverage

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from ablation.config.settings import RunSettings


class NoAveraging(Averaging):
    """There is no average."""

    name: Literal["none"] = "none"
    display_name = "NoAveraging"

    def build(self, model: nn.Module, optimizer: Optimizer) -> WeightAverage | None:
        return None


class SWA(Averaging):
    """Stochastic weight averaging (Izmailov et al. 2018), in place of the scheduler from its first epoch on."""

    name: Literal["swa"] = "swa"
    display_name = "SWA"
    start: PositiveInt = Field(40, le=MAX_EPOCHS, description="first epoch, counted from 1, whose weights are averaged")
    learning_rate: PositiveFloat = Field(
        5e-4, le=MAX_FLOAT, description="where the learning rate goes from the first epoch on"
    )
    anneal_epochs: PositiveInt = Field(10, le=MAX_EPOCHS, description="epochs in which it gets there, linearly")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        if self.start > run.epochs:
            raise ValueError(f"start {self.start} is after the last epoch, {run.epochs}")
        if run.scheduler.name == "one_cycle":
            raise ValueError(f"from epoch {self.start} on it takes the place of one_cycle, which then never falls")

    def build(self, model: nn.Module, optimizer: Optimizer) -> WeightAverage | None:
        from ablation.components.weight_average import StochasticWeightAverage

        return StochasticWeightAverage(self, model, optimizer)


class EMA(Averaging):
    """Exponential moving average of the weights after each step (Polyak and Juditsky 1992); the scheduler stays."""

    name: Literal["ema"] = "ema"
    display_name = "EMA"
    decay: float = Field(0.999, gt=0, lt=1, description="weight of the average beside that of a step's weights")

    def build(self, model: nn.Module, optimizer: Optimizer) -> WeightAverage | None:
        from ablation.components.weight_average import ExponentialMovingAverage

        return ExponentialMovingAverage(self.decay, model)
