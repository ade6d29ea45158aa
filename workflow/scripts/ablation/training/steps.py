"""A training step: inputs and labels -> one optimizer step on the objective, eagerly or as a captured CUDA graph.

All that a step does is done on the device, its measures too: nothing in it waits for the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ablation.config.settings import RunSettings
from ablation.training.device import autocast

if TYPE_CHECKING:
    from ablation.training.loop import Training

Step = Callable[[Tensor, Tensor], None]
# In which optimizer and libraries set up what they keep from step to step.
EAGER_STEPS = 3


class CaptureError(RuntimeError):
    """A part of the step cannot be captured as a CUDA graph."""


def step_of(training: Training) -> Step:
    """The function that takes a step: on a GPU a captured one, unless the settings ask for eager ones."""
    if training.device.type == "cuda" and training.settings.execution == "captured":
        return CapturedStep(training)
    return EagerStep(training)


class EagerStep:
    """Takes a step operation by operation."""

    def __init__(self, training: Training):
        self.training = training

    def __call__(self, inputs: Tensor, labels: Tensor) -> None:
        training = self.training
        logits, loss = logits_and_loss(training, inputs, labels)
        update(training, loss)
        training.running.add(loss, logits, labels)


class CapturedStep:
    """Replays a step that was captured once as a CUDA graph, so that the host launches one graph a step and not some
    200 kernels.

    The first steps, and a smaller last batch, are taken eagerly. The graph holds what the optimizer is set to, so it is
    captured again when that has changed, as at a new learning rate.
    """

    def __init__(self, training: Training):
        self.optimizer = training.optimizer
        self.eager = EagerStep(training)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs = self.labels = torch.empty(0)
        self._eager_steps = 0
        self._captured_for: list[dict[str, Any]] = []

    def __call__(self, inputs: Tensor, labels: Tensor) -> None:
        if self._eager_steps < EAGER_STEPS or not self._fits(inputs):
            self._eager_steps += 1
            self.eager(inputs, labels)
            return
        if self.graph is None or self._captured_for != hyperparameters(self.optimizer):
            self._capture(inputs, labels)
        assert self.graph is not None
        self.inputs.copy_(inputs)
        self.labels.copy_(labels)
        self.graph.replay()

    def _fits(self, inputs: Tensor) -> bool:
        return self.graph is None or self.inputs.shape == inputs.shape

    def _capture(self, inputs: Tensor, labels: Tensor) -> None:
        """Note the operations of a step without carrying them out."""
        if self.graph is None:
            self.inputs, self.labels = inputs.clone(), labels.clone()
        self._captured_for = hyperparameters(self.optimizer)
        before, graph = self.graph, torch.cuda.CUDAGraph()
        graph.capture_begin(pool=before.pool() if before else None, capture_error_mode="thread_local")
        try:
            with capturable(self.optimizer):
                self.eager(self.inputs, self.labels)
            graph.capture_end()
        except RuntimeError as error:
            raise CaptureError(
                f"the step cannot be captured as a CUDA graph: {str(error).splitlines()[0]}. Something in it waits for "
                "the host, as `.item()` does; set execution: eager"
            ) from error
        self.graph = graph


class capturable:  # noqa: N801
    """While a graph is captured, optimizers that ask for it know that no step may wait for the host."""

    def __init__(self, optimizer: torch.optim.Optimizer):
        self.groups = [group for group in optimizer.param_groups if "capturable" in group]
        self.before = [group["capturable"] for group in self.groups]

    def __enter__(self) -> None:
        for group in self.groups:
            group["capturable"] = True

    def __exit__(self, *_: object) -> None:
        for group, before in zip(self.groups, self.before, strict=True):
            group["capturable"] = before


def hyperparameters(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """What the optimizer is set to, group by group."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def logits_and_loss(training: Training, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """What the network says, (B, classes), and the batch's mean loss, in the precision of the settings."""
    with autocast(training.settings, training.device):
        logits = training.model(inputs)
        return logits, training.criterion(logits, labels)


def update(training: Training, loss: Tensor) -> None:
    """One optimizer step on the objective, with the gradient's norm clipped."""
    parameters, settings = list(training.model.parameters()), training.settings
    training.optimizer.zero_grad(set_to_none=True)
    objective(settings, loss, parameters).backward()
    if training.trace is not None or settings.grad_clip is not None:
        record_and_clip(training, loss, parameters)
    training.optimizer.step()


def record_and_clip(training: Training, loss: Tensor, parameters: list[nn.Parameter]) -> None:
    """Note loss and gradient norm where the run has a trace, then clip the gradient where the settings say so."""
    gradient_norm = nn.utils.get_total_norm([each.grad for each in parameters if each.grad is not None])
    if training.trace is not None:
        training.trace.add(loss, gradient_norm)
    if training.settings.grad_clip is not None:
        nn.utils.clip_grads_with_norm_(parameters, training.settings.grad_clip, gradient_norm)


def objective(settings: RunSettings, loss: Tensor, parameters: Iterable[Tensor]) -> Tensor:
    """What the gradient is that of: the loss plus the L1 penalty."""
    return loss + settings.l1_lambda * l1_norm(parameters) if settings.l1_lambda else loss


def l1_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of the absolute values of all parameters."""
    first, *rest = (parameter.abs().sum() for parameter in parameters)
    return sum(rest, start=first)
