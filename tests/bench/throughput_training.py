"""Images a second of training, of the reference's loop and of ours, and how many runs an hour side by side.

python tests/bench/throughput_training.py [--device cuda] [--networks small wide vgg] [--json FILE] ...

The reference's loop is our own writing of it: a DataLoader that augments each image with torchvision's transforms, in
float32 as torch has it, and `.item()` after each step. Ours is that of `training/loop.py`, eager, captured as a CUDA
graph, and with the network compiled. The bound is the same step on one batch that is already there. All are measured
in turns, several times, and the medians are told.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from results import add_json, tell
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow/scripts"))
from ablation.config.settings import RunSettings, complete
from ablation.runs.progress import device_name
from ablation.training.data import Data, ImageSet
from ablation.training.device import autocast, prepare_device
from ablation.training.loop import Training

NETWORKS = {
    "small": {"model": {"name": "cnn"}},
    "wide": {"model": {"name": "cnn", "filters": [128, 256, 512]}},
    "vgg": {"model": {"name": "vgg_a", "batch_norm": True}},
}
BATCH = 128
SECONDS_SIDE_BY_SIDE = 3
IMAGES_OF_RUN = 50 * 50_000
Steps = Callable[[int], None]


def settings_of(network: str, **changes: object) -> RunSettings:
    return complete(NETWORKS[network] | changes)


def random_data(count: int, device: torch.device) -> Data:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    train = ImageSet(images.to(device), torch.randint(0, 10, (count,), generator=generator).to(device))
    return Data(train, train, train, 10, "test", "random")


class Images(Dataset):
    """What torchvision's CIFAR10 does for each image."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor):
        self.images, self.labels = images.permute(0, 2, 3, 1).numpy(), labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(32, padding=4),
                transforms.ToTensor(),
                transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def reference_steps(network: str, data: Data, device: torch.device, workers: int) -> Steps:
    """The reference's loop, without end: epoch after epoch."""
    settings = settings_of(network)
    model = settings.model.build(data.image_shape, data.classes).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    images = Images(data.train.images.cpu(), data.train.labels.cpu())
    loader = DataLoader(
        images, BATCH, shuffle=True, drop_last=True, num_workers=workers, pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )  # fmt: skip

    def without_end() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    batches = without_end()

    def take(count: int) -> None:
        prepare_device(settings, device)
        torch.backends.cuda.matmul.fp32_precision = "ieee"  # as torch has it, with TF32 in convolutions alone
        for _ in range(count):
            inputs, labels = (each.to(device) for each in next(batches))
            optimizer.zero_grad()
            logits = model(inputs)
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()
            logits.argmax(1).eq(labels).sum().item()

    return take


def our_steps(settings: RunSettings, data: Data, device: torch.device, *, compiled: bool = False) -> Steps:
    """Our loop, without end."""
    prepare_device(settings, device)
    training = Training.start(settings, data, 0, device)
    if compiled:
        training.model = torch.compile(training.model)

    def without_end() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from (batch for batch in training.remaining_batches(data.train) if len(batch[1]) == BATCH)
            training.begin_next_epoch()

    batches = without_end()

    def take(count: int) -> None:
        prepare_device(settings, device)
        for _ in range(count):
            training.take_step(*next(batches))

    return take


def bound_steps(settings: RunSettings, data: Data, device: torch.device) -> Steps:
    """The same step, again and again on one batch."""
    prepare_device(settings, device)
    training = Training.start(settings, data, 0, device)
    inputs, labels = next(training.remaining_batches(data.train))

    def take(count: int) -> None:
        prepare_device(settings, device)
        for _ in range(count):
            training.take_step(inputs, labels)

    return take


def seconds(steps: Steps, count: int, device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    steps(count)
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(ways: dict[str, Steps], arguments: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Images a second, the median of several turns of each way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    counts = {}
    for name, steps in ways.items():
        warm_up = time.perf_counter()
        seconds(steps, 8, device)
        took = seconds(steps, 8, device) / 8
        counts[name] = max(4, min(1000, round(arguments.seconds / took)))
        print(f"  {name}: warm after {time.perf_counter() - warm_up:.1f} s", file=sys.stderr, flush=True)
    for _ in range(arguments.turns):
        for name, steps in ways.items():
            found[name].append(counts[name] * BATCH / seconds(steps, counts[name], device))
    return {name: statistics.median(rates) for name, rates in found.items()}


def ways_of(network: str, data: Data, arguments: argparse.Namespace, device: torch.device) -> dict[str, Steps]:
    ways = {"reference": reference_steps(network, data, device, arguments.workers)}
    for precision in arguments.precisions:
        best = settings_of(network, precision=precision)
        ways[f"{precision} eager"] = our_steps(
            settings_of(network, precision=precision, execution="eager"), data, device
        )
        if device.type == "cuda":
            ways[f"{precision} captured"] = our_steps(best, data, device)
            exact = settings_of(network, precision=precision, deterministic=True)
            ways[f"{precision} deterministic"] = our_steps(exact, data, device)
        if network in arguments.compiled:
            ways[f"{precision} compiled"] = our_steps(best, data, device, compiled=True)
        ways[f"{precision} bound"] = bound_steps(best, data, device)
    return ways


def matrix_rate(device: torch.device, precision: str) -> float:
    """TFLOP/s of a large product."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    prepare_device(complete({"precision": precision}), device)
    size = 8192 if device.type == "cuda" else 2048
    one, other = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))

    def products(count: int) -> None:
        for _ in range(count):
            one @ other

    products(3)
    return 2 * size**3 * 10 / seconds(products, 10, device) / 1e12


def flop_per_image(network: str) -> float:
    """Of a training step: two operations for a multiplication and its addition; backward twice as many as forward."""
    model = settings_of(network).model.build(random_data(1, torch.device("cpu")).image_shape, 10).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    return 3.0 * counter.get_total_flops()


def train_some(precision: str, device: torch.device, barrier: Barrier, found: Queue) -> None:
    """One of several processes: train some seconds, and tell the images a second."""
    data = random_data(10_000, device)
    steps = our_steps(settings_of("small", precision=precision), data, device)
    steps(8)
    synchronize(device)
    barrier.wait()
    start, taken = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS_SIDE_BY_SIDE:
        steps(10)
        synchronize(device)
        taken += 10
    found.put(taken * BATCH / (time.perf_counter() - start))


def side_by_side(count: int, precision: str, device: torch.device) -> float:
    """Images a second of so many processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, found = context.Barrier(count), context.Queue()
    children = [context.Process(target=train_some, args=(precision, device, barrier, found)) for _ in range(count)]
    for child in children:
        child.start()
    total = sum(found.get(timeout=120) for _ in children)
    for child in children:
        child.join()
    return total


def streams_rate(count: int, precision: str, data: Data, device: torch.device) -> float:
    """Images a second of so many trainings in one process, each on a stream of its own."""
    streams = [torch.cuda.Stream(device) for _ in range(count)]
    trainings = []
    for stream in streams:
        with torch.cuda.stream(stream):
            trainings.append(our_steps(settings_of("small", precision=precision), data, device))

    def take(steps: int) -> None:
        for _ in range(steps):
            for stream, step in zip(streams, trainings, strict=True):
                with torch.cuda.stream(stream):
                    step(1)

    take(8)
    steps = max(8, round(2 / seconds(take, 8, device) * 8))
    return steps * count * BATCH / seconds(take, steps, device)


def stacked_rate(count: int, data: Data, device: torch.device) -> float:
    """Images a second of so many seeds as one network whose weights are stacked, by torch.func; captured on a GPU.

    In tf32: below bf16's autocast, torch cannot map batch norm over several networks.
    """
    settings = settings_of("small", precision="tf32")
    prepare_device(settings, device)
    trainings = [Training.start(settings, data, seed, device) for seed in range(count)]
    for each in trainings:
        each.model.to(memory_format=torch.contiguous_format)  # all that torch maps over several networks
    model = trainings[0].model
    parameters, buffers = stack_module_state([each.model for each in trainings])
    optimizer = settings.optimizer.build(list(parameters.values()))
    for group in optimizer.param_groups:
        group["capturable"] = device.type == "cuda"

    def loss_of(weights, statistics, inputs, labels):
        with autocast(settings, device):
            return nn.functional.cross_entropy(functional_call(model, (weights, statistics), (inputs,)), labels)

    gradients = vmap(grad_and_value(loss_of), randomness="different")
    batches = [next(each.remaining_batches(data.train)) for each in trainings]
    inputs, labels = (torch.stack([each.contiguous() for each in parts]) for parts in zip(*batches, strict=True))

    def step() -> None:
        found, _ = gradients(parameters, buffers, inputs, labels)
        for name, each in parameters.items():
            each.grad = found[name]
        optimizer.step()

    return count * BATCH * steps_a_second(step, device)


def steps_a_second(step: Callable[[], None], device: torch.device) -> float:
    """Of a step on the same batch again and again; captured on a GPU."""
    for _ in range(3):
        step()
    replay = step
    if device.type == "cuda":
        graph = torch.cuda.CUDAGraph()
        graph.capture_begin(capture_error_mode="thread_local")
        step()
        graph.capture_end()
        replay = graph.replay

    def take(steps: int) -> None:
        for _ in range(steps):
            replay()

    take(3)
    took = seconds(take, 5, device) / 5
    steps = max(5, round(2 / took))
    return steps / seconds(take, steps, device)


def row(network: str, way: str, rate: float, *, reference: float | None = None, runs: int = 1) -> dict[str, Any]:
    """A line of the table: what so many runs at once do together."""
    return {
        "runs at once": runs,
        "network": network,
        "way": way,
        "images/s": rate,
        "x reference": reference and rate / reference,
        "TFLOP/s": rate * flop_per_image(network) / 1e12,
        "runs an hour": rate * 3600 / IMAGES_OF_RUN,
    }


def rows_alone(network: str, data: Data, arguments: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    rates = measure(ways_of(network, data, arguments, device), arguments, device)
    return [row(network, way, rate, reference=rates["reference"]) for way, rate in rates.items()]


def rows_side_by_side(
    count: int, data: Data, arguments: argparse.Namespace, device: torch.device
) -> list[dict[str, Any]]:
    rates = {f"{each} processes": side_by_side(count, each, device) for each in arguments.precisions}
    if device.type == "cuda":
        rates |= {f"{each} streams": streams_rate(count, each, data, device) for each in arguments.precisions}
    rates["tf32 stacked"] = stacked_rate(count, data, device)
    return [row("small", way, rate, runs=count) for way, rate in rates.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--precisions", nargs="*", default=["tf32", "bf16"], choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--compiled", nargs="*", default=[], choices=NETWORKS, help="networks to compile as well")
    parser.add_argument("--side-by-side", nargs="*", type=int, default=[], metavar="RUNS")
    parser.add_argument("--workers", type=int, default=8, help="of the reference's loader")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each turn")
    parser.add_argument("--turns", type=int, default=5)
    add_json(parser)
    arguments = parser.parse_args()
    device, rows = torch.device(arguments.device), []
    if device.type == "cpu":
        torch.set_num_threads(1)
    data = random_data(arguments.images, device)
    rows += [
        {"network": "matrix product", "way": each, "TFLOP/s": matrix_rate(device, each)}
        for each in arguments.precisions
    ]
    # After each part, so that what is measured is kept when the time is over.
    for network in arguments.networks:
        rows += rows_alone(network, data, arguments, device)
        tell(rows, arguments.json, device=device_name(device))
    for count in arguments.side_by_side:
        rows += rows_side_by_side(count, data, arguments, device)
        tell(rows, arguments.json, device=device_name(device))


if __name__ == "__main__":
    main()
