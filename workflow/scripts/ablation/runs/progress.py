"""What a run tells while it trains, and the machine it trains on."""

from __future__ import annotations

import platform
import resource
import time
from dataclasses import dataclass, field

import torch

from ablation.runs.log import duration
from ablation.training.loop import EpochRow, Training


@dataclass
class Progress:
    """Prints a line an epoch, with the time left at the pace so far."""

    epochs: int
    images: int
    done: int = 0
    best: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, training: Training, images: int) -> Progress:
        """The progress of a training at its beginning or after an interruption."""
        best = training.outcome.best
        return cls(training.settings.epochs, images, training.epoch - 1, best.held_out_accuracy if best else 0.0)

    def __call__(self, row: EpochRow) -> None:
        epoch, elapsed = int(row["epoch"]), time.perf_counter() - self.started
        epochs_now = epoch - self.done
        self.best = max(self.best, row["held_out_accuracy"])
        print(
            f"epoch {epoch:3d}/{self.epochs}"
            f"  lr {row['learning_rate']:.2e}"
            f"  train {row['train_loss']:.4f} {row['train_accuracy']:5.2f} %"
            f"  held out {row['held_out_loss']:.4f} {row['held_out_accuracy']:5.2f} %"
            f"  best {self.best:5.2f} %"
            f"  {epochs_now * self.images / elapsed:,.0f} images/s"
            f"  {duration(elapsed / epochs_now * (self.epochs - epoch))} left",
            flush=True,
        )


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def threads_on(device: torch.device) -> int | None:
    """The threads that compute on a processor, whose number changes how sums are rounded; None on a GPU."""
    return None if device.type == "cuda" else torch.get_num_threads()


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on the GPU, or the process on the host."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
