"""What a checkpoint costs: its size, and the seconds to write and to read it, for the study's networks.

python tests/bench/checkpoint_cost.py [--device cuda] [--folder results] [--rounds 5] [--json FILE]

`--folder` lies on the file system to be measured. Medians over the rounds; a checkpoint's writing ends on the disk.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from results import add_json, tell

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from ablation.config.settings import complete
from ablation.runs.checkpoint import Checkpoints
from ablation.runs.progress import device_name
from ablation.training.data import Data, ImageSet
from ablation.training.loop import Training, weights_of
from ablation.training.meters import Clock
from ablation.training.steps import update

NETWORKS = {
    "CNN (64, 128, 256)": complete({}),
    "CNN (128, 256, 512)": complete({"model": {"filters": [128, 256, 512]}}),
    "the same with SWA": complete({"model": {"filters": [128, 256, 512]}, "averaging": "swa"}),
    "VGG-A with BN": complete({"model": "vgg_a"}),
}


def trained(settings, device):
    """A training after one step, so that the optimizer has its state, and with a best epoch."""
    inputs, labels = torch.randn(128, 3, 32, 32, device=device), torch.arange(128, device=device) % 10
    images = ImageSet(inputs, labels)
    training = Training.start(settings, Data(images, images, images, 10, "test", "random"), 0, device)
    start = time.perf_counter()
    update(training, training.criterion(training.model(inputs), labels))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    training.outcome.best_weights = weights_of(training.model)
    return training, time.perf_counter() - start


def measured(work, rounds):
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--folder", type=Path, default=Path("results"))
    parser.add_argument("--rounds", type=int, default=5)
    add_json(parser)
    arguments = parser.parse_args()
    rows = []
    for name, settings in NETWORKS.items():
        training, step = trained(settings, arguments.device)
        clock = Clock(arguments.device)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            checkpoints = Checkpoints(Path(folder), {"seed": 0})
            writing = measured(
                lambda: checkpoints.write({"training": training.state_dict(), "clock": clock.state_dict()}),  # noqa: B023
                arguments.rounds,
            )
            reading = measured(checkpoints.read, arguments.rounds)
            size = checkpoints.newest.stat().st_size / 2**20
        rows.append({"network": name, "MiB": size, "write s": writing, "read s": reading, "first step s": step})
    tell(rows, arguments.json, device=device_name(arguments.device))


if __name__ == "__main__":
    main()
