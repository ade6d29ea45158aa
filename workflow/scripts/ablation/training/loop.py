"""The training loop: settings, data and seed -> history, best and last weights, and how long it took.

Non-finite loss ends the run early as `diverged`; that is a result. Nothing is written here: see `run_directory.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

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
        self.seconds = {"training": 0.0, "evaluation": 0.0}

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


@dataclass
class Training:
    """All that changes while a run trains, and the settings that say how."""

    settings: RunSettings
    device: torch.device
    model: nn.Module
    criterion: Loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    generator: torch.Generator

    @classmethod
    def start(cls, settings: RunSettings, classes: int, seed: int, device: torch.device) -> Training:
        """Everything at its beginning, drawn from the seed."""
        torch.manual_seed(seed)
        model = build_model(settings, classes).to(device).to(memory_format=torch.channels_last)
        optimizer = build_optimizer(settings, model.parameters())
        schedule = Schedule(settings, model, optimizer)
        generator = torch.Generator().manual_seed(seed)
        return cls(settings, device, model, build_loss(settings), optimizer, schedule, generator)

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
    learning_rate = training.learning_rate
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
        logits = training.model(inputs)
        loss = training.criterion(logits, labels)
        update(training, loss)
        totals.add(loss, logits, labels)
    return totals.means()


def update(training: Training, loss: Tensor) -> None:
    """One optimizer step on the loss plus the L1 penalty, with the gradient's norm clipped."""
    settings = training.settings
    if settings.l1_lambda:
        loss = loss + settings.l1_lambda * l1_norm(training.model)
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if settings.grad_clip is not None:
        nn.utils.clip_grad_norm_(training.model.parameters(), settings.grad_clip)
    training.optimizer.step()


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
