"""Probes of the loss landscape along the negative gradient, at chosen steps of a run.

After Santurkar, Tsipras, Ilyas and Madry, "How Does Batch Normalization Help Optimization?" (NeurIPS 2018), section 3:
from the weights before a step, and on that step's batch, walk along the negative gradient by several step sizes, and
see how the loss and the gradient change. Training continues bit for bit as if nothing had been looked at: the walk
takes place on other weights and on copies of the batch-norm statistics, with random numbers put back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.utils import get_total_norm

from ablation.training.device import autocast
from ablation.training.loop import Training
from ablation.training.meters import Clock, State
from ablation.training.outcome import ProbedStep
from ablation.training.steps import objective

Weights = dict[str, Tensor]
LossAndGradient = Callable[[Weights], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class Walk:
    """Loss and gradient norm at the start, () each; at every step size the loss, and the l2 norm of the gradient there
    minus that at the start, (step sizes,) each."""

    loss: Tensor
    gradient_norm: Tensor
    losses: Tensor
    gradient_distances: Tensor


def walk(loss_and_gradient: LossAndGradient, weights: Weights, step_sizes: Sequence[float]) -> Walk:
    """Go from `weights` to `weights - step size * gradient`, for each step size always from the start."""
    loss, gradient = loss_and_gradient(weights)
    losses, distances = [], []
    for step_size in step_sizes:
        moved = {name: each - step_size * slope for (name, each), slope in zip(weights.items(), gradient, strict=True)}
        path_loss, path_gradient = loss_and_gradient(moved)
        losses.append(path_loss)
        distances.append(get_total_norm([there - here for there, here in zip(path_gradient, gradient, strict=True)]))
    return Walk(loss, get_total_norm(gradient), torch.stack(losses), torch.stack(distances))


def objective_of_batch(training: Training, inputs: Tensor, labels: Tensor) -> LossAndGradient:
    """The training objective on one batch as a function of the weights, in training mode: batch norm takes the batch's
    statistics, and dropout drops the same units at every point, those that the step itself will drop."""
    model, device = training.model, training.device
    gpus = [device] if device.type == "cuda" else []

    def loss_and_gradient(weights: Weights) -> tuple[Tensor, list[Tensor]]:
        leaves = {name: each.detach().requires_grad_() for name, each in weights.items()}
        statistics = {name: each.clone() for name, each in model.named_buffers()}
        with torch.random.fork_rng(gpus), autocast(training.settings, device):
            logits = functional_call(model, (leaves, statistics), (inputs,))
            batch_loss = training.criterion(logits, labels)
        loss = objective(training.settings, batch_loss, leaves.values())
        return loss.detach(), list(torch.autograd.grad(loss, list(leaves.values())))

    return loss_and_gradient


@dataclass
class Probe:
    """A callback of the training that walks along the negative gradient at every `every`-th step.

    `step_sizes` are multiples of the learning rate.
    """

    every: int
    step_sizes: Sequence[float]
    clock: Clock
    _walks: list[tuple[int, int, float, Walk]] = field(default_factory=list)

    def __call__(self, training: Training, inputs: Tensor, labels: Tensor) -> None:
        step = training.steps + 1
        if step % self.every:
            return
        with self.clock.measure("probing"):
            learning_rate = training.learning_rate
            weights: Weights = dict(training.model.named_parameters())
            sizes = [multiple * learning_rate for multiple in self.step_sizes]
            seen = walk(objective_of_batch(training, inputs, labels), weights, sizes)
        self._walks.append((step, training.epoch, learning_rate, seen))

    def state_dict(self) -> State:
        return {"walks": [(*place, vars(seen)) for *place, seen in self._walks]}

    def load_state_dict(self, state: State) -> None:
        self._walks = [(*place, Walk(**seen)) for *place, seen in state["walks"]]

    def steps(self) -> list[ProbedStep]:
        """What was seen, step by step."""
        return [
            ProbedStep(
                step=step,
                epoch=epoch,
                learning_rate=learning_rate,
                loss=seen.loss.item(),
                gradient_norm=seen.gradient_norm.item(),
                path_losses=seen.losses.tolist(),
                gradient_distances=seen.gradient_distances.tolist(),
            )
            for step, epoch, learning_rate, seen in self._walks
        ]
