"""Probes of the loss landscape at chosen steps of a run.

After Santurkar, Tsipras, Ilyas and Madry, "How Does Batch Normalization Help Optimization?" (NeurIPS 2018): from the
weights before a step, and on that step's batch,

- walk along the negative gradient, and along the displacement that the optimizer is about to make, and see how the loss
  and the gradient change (section 3);
- let the layers below each layer take their step, and see how that layer's gradient changes: the internal covariate
  shift (definition 2.1).

Training continues bit for bit as if nothing had been looked at: all this takes place on other weights, on copies of the
batch-norm statistics and of the optimizer's state, with random numbers put back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cosine_similarity
from torch.nn.utils import get_total_norm

from ablation.training.device import autocast
from ablation.training.loop import Training
from ablation.training.meters import Clock, State
from ablation.training.outcome import LayerShift, ProbedStep, Walk
from ablation.training.steps import objective

Weights = dict[str, Tensor]
# The loss, (), and its gradient of the weights with these names; of all where there are none.
LossAndGradient = Callable[[Weights, Collection[str]], tuple[Tensor, Weights]]
OfSteps = dict[str, Tensor]


def walk(
    loss_and_gradient: LossAndGradient,
    weights: Weights,
    gradient: Weights,
    displacement: Weights,
    multiples: Sequence[float],
) -> OfSteps:
    """Go from `weights`, whose gradient is `gradient`, by each multiple of the displacement, always from the start.

    Returns the length of the displacement, (), and at each multiple, (multiples,) each, the loss there, and the l2 norm
    of the gradient there minus that at the start, and the cosine between the two.
    """
    losses, distances, cosines = [], [], []
    for multiple in multiples:
        moved = {name: each + multiple * displacement[name] for name, each in weights.items()}
        loss, there = loss_and_gradient(moved, ())
        losses.append(loss)
        distances.append(distance(there, gradient))
        cosines.append(cosine(there, gradient))
    length = get_total_norm(displacement.values())
    return {
        "length": length,
        "losses": torch.stack(losses),
        "gradient_distances": torch.stack(distances),
        "cosines": torch.stack(cosines),
    }


def covariate_shifts(
    loss_and_gradient: LossAndGradient,
    weights: Weights,
    gradient: Weights,
    displacement: Weights,
    layers: Mapping[str, Layer],
) -> OfSteps:
    """How the gradient of each layer but the first changes when the layers below have taken their step.

    Returns the l2 norm of the change over that of the gradient, and the cosine between the two, (layers - 1,) each.
    """
    moved, distances, cosines = dict(weights), [], []
    for below, layer in zip(layers.values(), list(layers.values())[1:], strict=False):
        moved |= {name: weights[name] + displacement[name] for name in below.all}
        _, after = loss_and_gradient(moved, layer.own)
        before = {name: gradient[name] for name in layer.own}
        distances.append(distance(after, before) / get_total_norm(before.values()))
        cosines.append(cosine(after, before))
    nothing = torch.empty(0)
    return {
        name: torch.stack(each) if each else nothing for name, each in (("distances", distances), ("cosines", cosines))
    }


def distance(there: Weights, here: Weights) -> Tensor:
    """The l2 norm of the difference of two gradients, ()."""
    return get_total_norm([there[name] - here[name] for name in here])


def cosine(there: Weights, here: Weights) -> Tensor:
    """The cosine between two gradients, ()."""
    one, other = (torch.cat([each[name].flatten() for name in here]) for each in (there, here))
    return cosine_similarity(one, other, dim=0)


@dataclass(frozen=True)
class Layer:
    """The names of a layer's own parameters, and of all that move with it: a batch norm behind it has no layer of its
    own."""

    own: tuple[str, ...]
    all: tuple[str, ...]


def layers_of(model: nn.Module) -> dict[str, Layer]:
    """The layers of a network by name, as it declares them one after the other: modules with a matrix or a kernel."""
    layers: dict[str, Layer] = {}
    first: tuple[str, ...] = ()
    for name, module in model.named_modules():
        own = tuple(f"{name}.{each}".lstrip(".") for each, _ in module.named_parameters(recurse=False))
        if any(each.ndim >= 2 for each in module.parameters(recurse=False)):
            layers[name or "all"] = Layer(own, first + own)
            first = ()
        elif layers:
            last, layer = layers.popitem()
            layers[last] = Layer(layer.own, layer.all + own)
        else:
            first += own
    return layers


def objective_of_batch(training: Training, inputs: Tensor, labels: Tensor) -> LossAndGradient:
    """The training objective on one batch as a function of the weights, in training mode: batch norm takes the batch's
    statistics, and dropout drops the same units at every point, those that the step itself will drop."""
    model, device = training.model, training.device

    def loss_and_gradient(weights: Weights, wanted: Collection[str] = ()) -> tuple[Tensor, Weights]:
        names = list(wanted or weights)
        leaves = {name: each.detach().requires_grad_(name in names) for name, each in weights.items()}
        statistics = {name: each.clone() for name, each in model.named_buffers()}
        with same_random_numbers(device), autocast(training.settings, device):
            logits = functional_call(model, (leaves, statistics), (inputs,))
            batch_loss = training.criterion(logits, labels)
        loss = objective(training.settings, batch_loss, leaves.values())
        gradient = torch.autograd.grad(loss, [leaves[name] for name in names])
        return loss.detach(), dict(zip(names, gradient, strict=True))

    return loss_and_gradient


def same_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Where random numbers are drawn that the training must draw again."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def optimizer_displacement(training: Training, weights: Weights, gradient: Weights) -> Weights:
    """What the optimizer is about to add to the weights: a copy of it, with its state, takes the step on copies."""
    copies = {name: nn.Parameter(each.detach().clone()) for name, each in weights.items()}
    for name, each in copies.items():
        each.grad = gradient[name].clone()
    if training.settings.grad_clip is not None:
        nn.utils.clip_grad_norm_(copies.values(), training.settings.grad_clip)
    optimizer = training.settings.optimizer.build(copies.values())
    optimizer.load_state_dict(deepcopy(training.optimizer.state_dict()))
    with same_random_numbers(training.device):
        optimizer.step()
    return {name: each.detach() - weights[name].detach() for name, each in copies.items()}


def look_around(training: Training, inputs: Tensor, labels: Tensor, multiples: Sequence[float]) -> dict[str, OfSteps]:
    """Both walks and the shifts, from the weights before a step and on its batch."""
    weights: Weights = {name: each.detach() for name, each in training.model.named_parameters()}
    loss_and_gradient = objective_of_batch(training, inputs, labels)
    loss, gradient = loss_and_gradient(weights, ())
    downhill = {name: -training.learning_rate * each for name, each in gradient.items()}
    step = optimizer_displacement(training, weights, gradient)
    return {
        "start": {"loss": loss, "gradient_norm": get_total_norm(gradient.values())},
        "gradient": walk(loss_and_gradient, weights, gradient, downhill, multiples),
        "optimizer": walk(loss_and_gradient, weights, gradient, step, multiples),
        "shifts": covariate_shifts(loss_and_gradient, weights, gradient, step, layers_of(training.model)),
    }


@dataclass
class Probe:
    """A callback of the training that looks around at every `every`-th step.

    `multiples` are those of the walks: of the learning rate along the negative gradient, and of the optimizer's step.
    """

    every: int
    multiples: Sequence[float]
    clock: Clock
    _seen: list[tuple[int, int, float, dict[str, OfSteps]]] = field(default_factory=list)
    _layers: list[str] = field(default_factory=list)

    def __call__(self, training: Training, inputs: Tensor, labels: Tensor) -> None:
        step = training.steps + 1
        if step % self.every:
            return
        with self.clock.measure("probing"):
            seen = look_around(training, inputs, labels, self.multiples)
        self._seen.append((step, training.epoch, training.learning_rate, seen))
        self._layers = list(layers_of(training.model))[1:]

    def state_dict(self) -> State:
        return {"seen": self._seen, "layers": self._layers}

    def load_state_dict(self, state: State) -> None:
        self._seen, self._layers = list(state["seen"]), list(state["layers"])

    def steps(self) -> list[ProbedStep]:
        """What was seen, step by step."""
        return [self._step(*each) for each in self._seen]

    def _step(self, step: int, epoch: int, learning_rate: float, seen: Mapping[str, OfSteps]) -> ProbedStep:
        start, gradient, optimizer, shifts = (
            numbers(seen[key]) for key in ("start", "gradient", "optimizer", "shifts")
        )
        by_layer: Iterable[tuple[str, float, float]] = zip(self._layers, *shifts.values(), strict=True)
        return ProbedStep(
            step=step,
            epoch=epoch,
            learning_rate=learning_rate,
            **start,
            walks={"gradient": Walk(**gradient), "optimizer": Walk(**optimizer)},
            shifts=tuple(LayerShift(layer=layer, distance=far, cosine=turned) for layer, far, turned in by_layer),
        )


def numbers(tensors: OfSteps) -> dict[str, Any]:
    """The values of tensors, fetched from the device."""
    return {name: each.tolist() for name, each in tensors.items()}
