"""The training loop: settings, data and seed -> history, best and last weights, and how long it took.

Non-finite loss ends the run early as `diverged`; that is a result. Nothing is written here: see `run_directory.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ablation.records import Score
from ablation.settings import RunSettings
from ablation.training.augment import normalise, plan_epoch, training_batches
from ablation.training.data import Data, ImageSet
from ablation.training.losses import Loss, build_loss
from ablation.training.models import build_model, l1_norm
from ablation.training.optimizers import build_optimizer
from ablation.training.schedules import Schedule

EVALUATION_BATCH = 500
Weights = dict[str, Tensor]
EpochRow = dict[str, float]


class Clock:
    """Seconds spent in named parts of the run, with the device's queue drained at both ends."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds = {"training": 0.0, "evaluation": 0.0, "probing": 0.0}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        start = self._now()
        yield
        self.seconds[part] += self._now() - start

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class Totals:
    """Loss and accuracy summed on the device, read once at the end."""

    def __init__(self, device: torch.device):
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)
        self.count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in the mean loss, logits (B, classes) and labels (B,) of a batch."""
        correct = (logits.detach().argmax(1) == labels).sum()
        self.sums += torch.stack((loss.detach().double() * len(labels), correct.double()))
        self.count += len(labels)

    def means(self) -> tuple[float, float]:
        """Mean loss, and top-1 accuracy in percent."""
        loss, correct = self.sums.tolist()
        return loss / self.count, 100 * correct / self.count


class StepTrace:
    """Loss and gradient norm of every step, collected on the device and fetched once an epoch."""

    def __init__(self) -> None:
        self.epochs: list[np.ndarray] = []
        self._pending: list[Tensor] = []

    def add(self, loss: Tensor, gradient_norm: Tensor) -> None:
        """Take in a step's mean loss and the l2 norm of its gradient before clipping."""
        self._pending.append(torch.stack((loss.detach(), gradient_norm)))

    def end_epoch(self) -> None:
        """Fetch the epoch's steps as (steps, 2)."""
        self.epochs.append(torch.stack(self._pending).cpu().numpy())
        self._pending = []


class Observer(Protocol):
    """Looks at the training before each step, and must leave it as it is."""

    def __call__(self, training: Training, inputs: Tensor, labels: Tensor) -> None: ...


@dataclass
class Training:
    """All that changes while a run trains, and the settings that say how.

    `steps` counts the steps taken. `trace` is there where the settings ask for one.
    """

    settings: RunSettings
    device: torch.device
    model: nn.Module
    criterion: Loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    generator: torch.Generator
    trace: StepTrace | None = None
    observer: Observer | None = None
    epoch: int = 0
    steps: int = 0

    @classmethod
    def start(cls, settings: RunSettings, classes: int, seed: int, device: torch.device) -> Training:
        """Everything at its beginning, drawn from the seed."""
        torch.manual_seed(seed)
        model = build_model(settings, classes).to(device).to(memory_format=torch.channels_last)
        optimizer = build_optimizer(settings, model.parameters())
        schedule = Schedule(settings, model, optimizer)
        generator = torch.Generator().manual_seed(seed)
        trace = StepTrace() if settings.record_steps else None
        return cls(settings, device, model, build_loss(settings), optimizer, schedule, generator, trace)

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def epoch_batches(self, images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
        """A newly drawn epoch of training batches."""
        return training_batches(images, plan_epoch(len(images), self.generator, self.device), self.settings)


@dataclass
class Outcome:
    """What a run came to. Weights are those of the best and last epoch and of the SWA average, on the CPU."""

    history: list[EpochRow] = field(default_factory=list)
    diverged: bool = False
    best: Score | None = None
    last: Score | None = None
    averaged: Score | None = None
    best_weights: Weights | None = None
    averaged_weights: Weights | None = None


def train(training: Training, data: Data, clock: Clock, report: Callable[[EpochRow], None]) -> Outcome:
    """Train for all epochs, keep the best one, and average weights where the settings say so."""
    outcome = Outcome()
    for epoch in range(1, training.settings.epochs + 1):
        row = train_and_evaluate(training, data, clock, epoch)
        outcome.history.append(row)
        report(row)
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["heldout_loss"])):
            outcome.diverged = True
            break
        outcome.last = _score(*(row[key] for key in ("epoch", "heldout_loss", "heldout_accuracy", "test_accuracy")))
        if outcome.best is None or outcome.last.heldout_accuracy > outcome.best.heldout_accuracy:
            outcome.best, outcome.best_weights = outcome.last, weights_of(training.model)
        training.schedule.end_epoch(epoch, training.model, row["heldout_loss"])
    with clock.measure("evaluation"):
        finish_average(training, data, outcome)
    return outcome


def train_and_evaluate(training: Training, data: Data, clock: Clock, epoch: int) -> EpochRow:
    """One epoch and its line of the history."""
    training.epoch, learning_rate = epoch, training.learning_rate
    with clock.measure("training"):
        train_loss, train_accuracy = train_epoch(training, data.train)
    with clock.measure("evaluation"):
        heldout_loss, heldout_accuracy, test_accuracy = evaluate_heldout(training.model, data, training)
    return {
        "epoch": epoch,
        "learning_rate": learning_rate,
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "heldout_loss": heldout_loss,
        "heldout_accuracy": heldout_accuracy,
        "test_accuracy": test_accuracy,
    }


def train_epoch(training: Training, images: ImageSet) -> tuple[float, float]:
    """One pass over the training images: mean loss without the L1 penalty, and accuracy, both met on the way."""
    training.model.train()
    totals = Totals(training.device)
    for inputs, labels in training.epoch_batches(images):
        if training.observer is not None:
            training.observer(training, inputs, labels)
        logits = training.model(inputs)
        loss = training.criterion(logits, labels)
        update(training, loss)
        totals.add(loss, logits, labels)
    if training.trace is not None:
        training.trace.end_epoch()
    return totals.means()


def update(training: Training, loss: Tensor) -> None:
    """One optimizer step on the objective, with the gradient's norm clipped."""
    parameters, settings = list(training.model.parameters()), training.settings
    training.optimizer.zero_grad(set_to_none=True)
    objective(settings, loss, parameters).backward()
    if training.trace is not None or settings.grad_clip is not None:
        record_and_clip(training, loss, parameters)
    training.optimizer.step()
    training.steps += 1


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


def evaluate_heldout(model: nn.Module, data: Data, training: Training) -> tuple[float, float, float]:
    """Loss and accuracy on the held-out images, and accuracy on the test images where these are others."""
    loss, accuracy = evaluate(model, data.heldout, training)
    return loss, accuracy, accuracy if data.held_out == "test" else evaluate(model, data.test, training)[1]


@torch.no_grad()
def evaluate(model: nn.Module, images: ImageSet, training: Training) -> tuple[float, float]:
    """Mean loss and top-1 accuracy (%) of a network on images that are only normalised."""
    model.eval()
    totals = Totals(training.device)
    parts = zip(images.images.split(EVALUATION_BATCH), images.labels.split(EVALUATION_BATCH), strict=True)
    for batch, labels in parts:
        logits = model(normalise(batch, training.settings))
        totals.add(training.criterion(logits, labels), logits, labels)
    return totals.means()


def finish_average(training: Training, data: Data, outcome: Outcome) -> None:
    """Complete the SWA average and score it."""
    average = training.schedule.average
    if average is None or outcome.diverged:
        return
    model = average.finish(inputs for inputs, _ in training.epoch_batches(data.train))
    outcome.averaged = _score(training.settings.epochs, *evaluate_heldout(model, data, training))
    outcome.averaged_weights = weights_of(model)


def _score(epoch: float, heldout_loss: float, heldout_accuracy: float, test_accuracy: float) -> Score:
    return Score(
        epoch=int(epoch),
        heldout_loss=heldout_loss,
        heldout_accuracy=heldout_accuracy,
        test_accuracy=test_accuracy,
    )


def weights_of(model: nn.Module) -> Weights:
    """A copy of the state dict on the CPU, each tensor in plain (contiguous) order."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
