"""What is measured while a run trains: seconds, loss and accuracy, and every step. Each can be stored and restored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

State = dict[str, Any]


class Clock:
    """Seconds spent in named parts of the run, with the device's queue drained where one part ends and another begins.

    A part within another stops the outer one. `wall` counts from the making of the clock, and over interruptions.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds = {"training": 0.0, "evaluation": 0.0, "probing": 0.0, "checkpoints": 0.0}
        self._part: str | None = None
        self._since = self._started = time.perf_counter()

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        outer = self._part
        self._switch(part)
        yield
        self._switch(outer)

    @property
    def wall(self) -> float:
        return time.perf_counter() - self._started

    def state_dict(self) -> State:
        self._switch(self._part)
        return {"seconds": dict(self.seconds), "wall": self.wall}

    def load_state_dict(self, state: State) -> None:
        self.seconds = dict(state["seconds"])
        self._started -= state["wall"]

    def _switch(self, part: str | None) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self._part is not None:
            self.seconds[self._part] += now - self._since
        self._part, self._since = part, now


class RunningAverages:
    """Loss and accuracy summed on the device, read once at the end."""

    def __init__(self, device: torch.device):
        # Of the losses, the images classified rightly, and the images.
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in the mean loss, logits (B, classes) and labels (B,) of a batch."""
        losses, correct, images = self.sums
        losses.add_(loss.detach(), alpha=len(labels))
        correct.add_((logits.detach().argmax(1) == labels).sum())
        images.add_(len(labels))

    def reset(self) -> None:
        """Start at zero again."""
        self.sums.zero_()

    def means(self) -> tuple[float, float]:
        """Mean loss, and top-1 accuracy in percent."""
        loss, correct, images = self.sums.tolist()
        return loss / images, 100 * correct / images

    def state_dict(self) -> State:
        return {"sums": self.sums}

    def load_state_dict(self, state: State) -> None:
        self.sums.copy_(state["sums"])


class StepTrace:
    """Loss and gradient norm of every step, collected on the device and fetched once an epoch of so many steps."""

    def __init__(self, steps: int, device: torch.device):
        self.epochs: list[np.ndarray] = []
        self._rows = torch.empty(steps, 2, device=device)
        # On the device, since a captured step cannot ask the host where to write.
        self._next = torch.zeros(1, dtype=torch.int64, device=device)

    def add(self, loss: Tensor, gradient_norm: Tensor) -> None:
        """Take in a step's mean loss and the l2 norm of its gradient before clipping."""
        self._rows.index_copy_(0, self._next, torch.stack((loss.detach(), gradient_norm))[None])
        self._next += 1

    def end_epoch(self) -> None:
        """Fetch the epoch's steps as (steps, 2)."""
        self.epochs.append(self._taken().cpu().numpy())
        self._next.zero_()

    def state_dict(self) -> State:
        return {"epochs": [torch.from_numpy(epoch) for epoch in self.epochs], "pending": self._taken()}

    def load_state_dict(self, state: State) -> None:
        self.epochs = [epoch.numpy() for epoch in state["epochs"]]
        self._next.fill_(len(state["pending"]))
        self._rows[: len(state["pending"])] = state["pending"]

    def _taken(self) -> Tensor:
        return self._rows[: int(self._next)].clone()
