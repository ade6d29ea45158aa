"""What recording every step costs, and what a probe costs: VGG-A, batch 128, on random images.

python tests/bench/landscape_cost.py [--device cuda] [--steps 4] [--rounds 5] [--json FILE]

Times are of the processor on a CPU and of the clock on a GPU, medians over rounds that alternate between the kinds.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from results import add_json, tell

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from ablation.config.settings import complete
from ablation.config.study import Probing
from ablation.runs.progress import device_name
from ablation.training.data import Data, ImageSet
from ablation.training.loop import Training, train_epoch
from ablation.training.meters import Clock
from ablation.training.probes import Probe

KINDS = ("plain", "recorded", "probed once")


def training_of(kind, images, device, steps):
    settings = complete(
        {
            "model": "vgg_a",
            "augmentation": "none",
            "grad_clip": None,
            "scheduler": "none",
            "record_steps": kind == "recorded",
        }
    )
    training = Training.start(settings, Data(images, images, images, 10, "test", "random"), 0, device)
    if kind == "probed once":
        training.callback = Probe(steps, Probing().step_sizes, Clock(device))
    return training


def seconds(training, images, device):
    """Of one epoch. A processor's own time is not disturbed by what else runs on it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    now = time.perf_counter if device.type == "cuda" else time.process_time
    start = now()
    train_epoch(training, images)  # ends with the device's queue empty: the averages are fetched
    if training.trace is not None:
        training.trace.end_epoch()
    spent = now() - start
    training.begin_next_epoch()
    return spent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    add_json(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    images_count = arguments.steps * 128
    pixels = torch.randint(0, 256, (images_count, 3, 32, 32), dtype=torch.uint8)
    images = ImageSet(pixels.to(arguments.device), (torch.arange(images_count) % 10).to(arguments.device))
    runs = {kind: training_of(kind, images, arguments.device, arguments.steps) for kind in KINDS}
    taken = {kind: [] for kind in KINDS}
    for turn in range(arguments.rounds + 1):
        for kind, training in runs.items():
            spent = seconds(training, images, arguments.device)
            if turn:  # the first round warms up
                taken[kind].append(spent)
    plain, recorded, probed = (statistics.median(taken[kind]) for kind in KINDS)
    step = plain / arguments.steps
    row = {
        "step s": step,
        "recording adds %": 100 * (recorded / plain - 1),
        "probe s": probed - plain,
        "probe, in steps": (probed - plain) / step,
        "step sizes of a probe": len(Probing().step_sizes),
    }
    tell([row], arguments.json, device=device_name(arguments.device))


if __name__ == "__main__":
    main()
