"""Runs that can be ended at any moment: a signal asks for the end, and the run stops at its next safe point."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

import torch

from ablation.runs.checkpoint import Checkpoints
from ablation.runs.energy import EnergyMeter
from ablation.training.loop import Training
from ablation.training.meters import Clock

# The scheduler's warnings ahead of the end (SLURM's and submitit's), an ordinary `kill`, and Ctrl-C.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
# EX_TEMPFAIL of sysexits.h: not done, and the same command later resumes.
RESUME_LATER = 75


class RunInterruptedError(Exception):
    """The run ended at a safe point, because a signal asked for it."""


@dataclass
class Listener:
    """Notes the first signal that asks for the end, and passes every one on to the processes `children`."""

    received: signal.Signals | None = None
    children: list[int] = field(default_factory=list)

    def listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)
        self.pass_on(number)

    def pass_on(self, number: int) -> None:
        for child in self.children:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(child, number)


@dataclass
class SafePoints:
    """Called wherever the training is whole: writes a checkpoint where one is due, and ends where a signal asks for it.

    One is due `seconds` after the last one, and at the end of an epoch. Epochs that take but a moment, as on a GPU,
    share one, so that at most a tenth of `seconds` is lost there. Where no step was taken since the last one, as during
    an evaluation, that one still holds.
    """

    training: Training
    clock: Clock
    energy: EnergyMeter
    checkpoints: Checkpoints
    listener: Listener
    seconds: float
    _stored: tuple[int, int] = field(init=False)
    _stored_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._note_stored()

    def __call__(self, *, epoch_ended: bool = False) -> None:
        asked = self.listener.received
        moved = self._stored != (self.training.epoch, self.training.step)
        if moved and (asked is not None or self._is_due(epoch_ended)):
            self.store()
        if asked is not None:
            raise RunInterruptedError(f"ended by {asked.name} after {self.training.steps} steps")

    def _is_due(self, epoch_ended: bool) -> bool:
        if self.training.has_average_to_finish:
            return True
        pause = self.seconds / 10 if epoch_ended else self.seconds
        return time.monotonic() - self._stored_at >= pause

    def store(self) -> None:
        """Write a checkpoint, whose time counts for no other part of the run."""
        with self.clock.measure("checkpoints"):
            self.checkpoints.write(
                {
                    "training": self.training.state_dict(),
                    "clock": self.clock.state_dict(),
                    "energy": self.energy.state_dict(),
                    "threads": torch.get_num_threads(),
                }
            )
        self._note_stored()

    def _note_stored(self) -> None:
        self._stored = (self.training.epoch, self.training.step)
        self._stored_at = time.monotonic()
