"""The training loop: settings, data and seed -> history, best and last weights, and how long it took.

Non-finite loss ends the run early as `diverged`; that is a result. Nothing is written here: see `run_directory.py`, and
`interruption.py` for what happens at safe points, where `Training.state_dict` holds all that the run needs to resume.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ablation.config.kinds import BatchAugmentation
from ablation.config.settings import RunSettings
from ablation.training.assessment import Assessment
from ablation.training.augment import normalise, plan_epoch, training_batches
from ablation.training.data import Data, ImageSet
from ablation.training.device import autocast
from ablation.training.meters import Clock, RunningAverages, State, StepTrace
from ablation.training.outcome import Score
from ablation.training.schedules import Schedule
from ablation.training.steps import Step, step_of

EVALUATION_BATCH = 500
Weights = dict[str, Tensor]
EpochRow = dict[str, float]


class Callback(Protocol):
    """Looks at the training before each step, and must leave it as it is."""

    def __call__(self, training: Training, inputs: Tensor, labels: Tensor) -> None: ...

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


class SafePoint(Protocol):
    """Called between two steps or batches of the evaluation, and after each epoch: may store the training, and may end
    it by raising."""

    def __call__(self, *, epoch_ended: bool = False) -> None: ...


def pass_by(*, epoch_ended: bool = False) -> None:
    """A safe point where nothing happens."""


@dataclass
class Outcome:
    """What a run came to. Weights are those of the best epoch and of the average, on the CPU.

    `test` is how the best ones do on the test images.
    """

    history: list[EpochRow] = field(default_factory=list)
    diverged: bool = False
    best: Score | None = None
    last: Score | None = None
    averaged: Score | None = None
    best_weights: Weights | None = None
    averaged_weights: Weights | None = None
    test: Assessment | None = None

    def state_dict(self) -> State:
        """What is known at a safe point: neither divergence nor the average."""
        best, last = (None if score is None else score.model_dump() for score in (self.best, self.last))
        return {"history": self.history, "best": best, "last": last, "best_weights": self.best_weights}

    def load_state_dict(self, state: State) -> None:
        self.history, self.best_weights = state["history"], state["best_weights"]
        self.best, self.last = (None if state[key] is None else Score(**state[key]) for key in ("best", "last"))


@dataclass
class Training:
    """All that changes while a run trains, and the settings that say how.

    `epoch` is the one in progress, counted from 1; when all are done, it is one more than there are. `step` counts the
    steps taken in it, `steps` those of the whole run, `interruptions` how often it resumed from a checkpoint.
    `epoch_start` is the generator's state before the epoch was drawn. `trace` is set where the settings ask for one.
    """

    settings: RunSettings
    device: torch.device
    model: nn.Module
    criterion: Callable[[Tensor, Tensor], Tensor]
    augmentation: BatchAugmentation
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    generator: torch.Generator
    running: RunningAverages
    epoch_start: Tensor
    trace: StepTrace | None = None
    callback: Callback | None = None
    safe_point: SafePoint = pass_by
    outcome: Outcome = field(default_factory=Outcome)
    epoch: int = 1
    step: int = 0
    steps: int = 0
    interruptions: int = 0

    @classmethod
    def start(cls, settings: RunSettings, data: Data, seed: int, device: torch.device) -> Training:
        """Everything at its beginning, drawn from the seed."""
        torch.manual_seed(seed)
        model = settings.model.build(data.image_shape, data.classes)
        model = model.to(device).to(memory_format=torch.channels_last)
        optimizer = settings.optimizer.build(model.parameters())
        generator = torch.Generator().manual_seed(seed)
        steps_per_epoch = math.ceil(len(data.train) / settings.batch_size)
        return cls(
            settings=settings,
            device=device,
            model=model,
            criterion=settings.loss.build(),
            augmentation=settings.augmentation.build(),
            optimizer=optimizer,
            schedule=Schedule(settings, model, optimizer),
            generator=generator,
            running=RunningAverages(device),
            epoch_start=generator.get_state(),
            trace=StepTrace(steps_per_epoch, device) if settings.record_steps else None,
        )

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    @property
    def has_average_to_finish(self) -> bool:
        """Whether all epochs are done and the average is not."""
        return self.epoch > self.settings.epochs and self.schedule.average is not None

    def remaining_batches(self, images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch's training batches that no step has been taken on yet; the same ones whenever they are drawn."""
        self.generator.set_state(self.epoch_start)
        plan = plan_epoch(len(images), self.augmentation, self.generator, self.device)
        return training_batches(images, plan, self.augmentation, self.settings, start=self.step)

    @cached_property
    def _step(self) -> Step:
        return step_of(self)

    def take_step(self, inputs: Tensor, labels: Tensor) -> None:
        """One optimizer step on a batch."""
        self._step(inputs, labels)
        self.schedule.end_step()
        self.step += 1
        self.steps += 1

    def begin_next_epoch(self) -> None:
        self.epoch, self.step = self.epoch + 1, 0
        self.running.reset()
        self.epoch_start = self.generator.get_state()

    def state_dict(self) -> State:
        """All that a run needs to resume from a safe point as if nothing had happened."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.steps,
            "interruptions": self.interruptions,
            "epoch_start": self.epoch_start,
            "random": random_state(self.device),
            **{name: part.state_dict() for name, part in self._parts().items()},
        }

    def load_state_dict(self, state: State) -> None:
        """Go back to where `state_dict` was called, in a training that was started with the same settings."""
        self.epoch, self.step, self.steps = state["epoch"], state["step"], state["steps"]
        self.interruptions, self.epoch_start = state["interruptions"], state["epoch_start"]
        self.generator.set_state(self.epoch_start)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        set_random_state(state["random"], self.device)

    def _parts(self) -> dict[str, Any]:
        parts = {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "running": self.running,
            "outcome": self.outcome,
            "trace": self.trace,
            "callback": self.callback,
        }
        return {name: part for name, part in parts.items() if part is not None}


def random_state(device: torch.device) -> State:
    """The state of torch's own random numbers, which dropout takes."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None}


def set_random_state(state: State, device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def train(training: Training, data: Data, clock: Clock, report: Callable[[EpochRow], None]) -> Outcome:
    """Train all epochs that are left, keep the best one, and average weights where the settings say so."""
    outcome = training.outcome
    while training.epoch <= training.settings.epochs:
        row = train_and_evaluate(training, data, clock)
        outcome.history.append(row)
        if training.trace is not None:
            training.trace.end_epoch()
        report(row)
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["held_out_loss"])):
            outcome.diverged = True
            return outcome
        end_epoch(training, row)
    with clock.measure("evaluation"):
        finish_average(training, data)
        assess_best(training, data)
    return outcome


def end_epoch(training: Training, row: EpochRow) -> None:
    """Keep the epoch's weights where they are the best so far, and set the next learning rate."""
    outcome = training.outcome
    outcome.last = _score(*(row[key] for key in ("epoch", "held_out_loss", "held_out_accuracy", "test_accuracy")))
    if outcome.best is None or outcome.last.held_out_accuracy > outcome.best.held_out_accuracy:
        outcome.best, outcome.best_weights = outcome.last, weights_of(training.model)
    training.schedule.end_epoch(training.epoch, row["held_out_loss"])
    training.begin_next_epoch()
    training.safe_point(epoch_ended=True)


def train_and_evaluate(training: Training, data: Data, clock: Clock) -> EpochRow:
    """What is left of an epoch, and its line of the history."""
    learning_rate = training.learning_rate
    with clock.measure("training"):
        train_loss, train_accuracy = train_epoch(training, data.train)
    with clock.measure("evaluation"):
        held_out_loss, held_out_accuracy, test_accuracy = evaluate_held_out(training.model, data, training)
    return {
        "epoch": training.epoch,
        "learning_rate": learning_rate,
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "held_out_loss": held_out_loss,
        "held_out_accuracy": held_out_accuracy,
        "test_accuracy": test_accuracy,
    }


def train_epoch(training: Training, images: ImageSet) -> tuple[float, float]:
    """The rest of one pass over the training images: the pass's mean loss without the L1 penalty, and its accuracy."""
    training.model.train()
    for inputs, labels in training.remaining_batches(images):
        if training.callback is not None:
            training.callback(training, inputs, labels)
        training.take_step(inputs, labels)
        training.safe_point()
    return training.running.means()


def evaluate_held_out(model: nn.Module, data: Data, training: Training) -> tuple[float, float, float]:
    """Loss and accuracy on the held-out images, and accuracy on the test images where these are others."""
    loss, accuracy = evaluate(model, data.held_out, training)
    return loss, accuracy, accuracy if data.held_out_part == "test" else evaluate(model, data.test, training)[1]


@torch.no_grad()
def evaluate(model: nn.Module, images: ImageSet, training: Training) -> tuple[float, float]:
    """Mean loss and top-1 accuracy (%) of a network on images that are only normalised."""
    model.eval()
    running = RunningAverages(training.device)
    for batch, labels in batches_of(images):
        with autocast(training.settings, training.device):
            logits = model(normalise(batch, training.settings))
            loss = training.criterion(logits, labels)
        running.add(loss, logits, labels)
        training.safe_point()
    return running.means()


def batches_of(images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels as they are, in batches for an evaluation."""
    return zip(images.images.split(EVALUATION_BATCH), images.labels.split(EVALUATION_BATCH), strict=True)


def finish_average(training: Training, data: Data) -> None:
    """Complete and score the average, on copies: the training stays as it was after its last epoch."""
    average, outcome = training.schedule.average, training.outcome
    if average is None:
        return
    model = average.finish(stoppable_inputs(training, data.train))
    outcome.averaged = _score(training.settings.epochs, *evaluate_held_out(model, data, training))
    outcome.averaged_weights = weights_of(model)


@torch.no_grad()
def assess_best(training: Training, data: Data) -> None:
    """How the best weights do on the test images, on a copy of the model: the training stays as it was."""
    assert training.outcome.best_weights is not None, "some epoch was the best"
    model = deepcopy(training.model)
    model.load_state_dict(training.outcome.best_weights)
    model.eval()
    training.outcome.test = assessment = Assessment(data.classes, training.device)
    for images, labels in batches_of(data.test):
        with autocast(training.settings, training.device):
            logits = model(normalise(images, training.settings))
        assessment.add(logits.float().softmax(1), labels)
        training.safe_point()


def stoppable_inputs(training: Training, images: ImageSet) -> Iterator[Tensor]:
    """An epoch's inputs, with a safe point before each batch."""
    for inputs, _ in training.remaining_batches(images):
        training.safe_point()
        yield inputs


def _score(epoch: float, held_out_loss: float, held_out_accuracy: float, test_accuracy: float) -> Score:
    return Score(
        epoch=int(epoch),
        held_out_loss=held_out_loss,
        held_out_accuracy=held_out_accuracy,
        test_accuracy=test_accuracy,
    )


def weights_of(model: nn.Module) -> Weights:
    """A copy of the state dict on the CPU, each tensor in plain (contiguous) order."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
