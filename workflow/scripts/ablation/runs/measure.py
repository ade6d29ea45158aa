"""How long an epoch takes on this machine, by a few steps on random images of the right shape."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from ablation.config.kinds import ImageShape
from ablation.config.settings import RunSettings
from ablation.data.arrays import Description
from ablation.runs.lazy_compiler import load_compiler_lazily
from ablation.training.data import Data, ImageSet
from ablation.training.device import prepare_device
from ablation.training.loop import EVALUATION_BATCH, Training, evaluate, train_epoch

# Batches of a measured pass: the first pass, in which torch chooses its algorithms, does not count.
BATCHES = 4
SECONDS = 1.0


def epoch_seconds(settings: RunSettings, data: Description, shape: ImageShape, device: torch.device) -> float:
    """Seconds of an epoch on data like these: the training steps, then the evaluation."""
    load_compiler_lazily()
    prepare_device(settings, device)
    images = _random_images(settings.batch_size * BATCHES, shape, len(data.classes), device)
    training = Training.start(settings, _only(images, len(data.classes)), 0, device)
    held_out = _random_images(EVALUATION_BATCH, shape, len(data.classes), device)

    def train_pass() -> None:
        training.step = 0
        train_epoch(training, images)

    step = _seconds_of(train_pass, device) / BATCHES
    batch = _seconds_of(lambda: evaluate(training.model, held_out, training), device)
    evaluated = data.counts.get("validation", 0) + data.counts["test"]
    steps = math.ceil(data.counts["train"] / settings.batch_size)
    return steps * step + evaluated / EVALUATION_BATCH * batch


def _random_images(count: int, shape: ImageShape, classes: int, device: torch.device) -> ImageSet:
    size = (count, shape.channels, shape.height, shape.width)
    images = torch.randint(256, size, dtype=torch.uint8, device=device)
    return ImageSet(images, torch.randint(classes, (count,), device=device))


def _only(images: ImageSet, classes: int) -> Data:
    return Data(train=images, held_out=images, test=images, classes=classes, held_out_part="test", digest="")


def _seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """The mean time of a call, over about a second of them, after a first one."""
    work()
    _wait_for(device)
    start, calls, seconds = time.perf_counter(), 0, 0.0
    while not calls or seconds < SECONDS:
        work()
        _wait_for(device)
        calls, seconds = calls + 1, time.perf_counter() - start
    return seconds / calls


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
