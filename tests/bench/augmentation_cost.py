"""Images a second that one processor thread augments, by each augmentation, and by torchvision's transforms one by one.

python tests/bench/augmentation_cost.py [--images 12800]

By wall time, and by the thread's own processor time, which tells more on a machine with other work.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow/scripts"))
from ablation.components.augmentations import FlipCrop, RandAugment
from ablation.config.kinds import BatchAugmentation

BATCH = 128
ONE_BY_ONE = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.RandAugment(2, 9)])
Work = Callable[[Tensor], object]


def in_batches(augmentation: BatchAugmentation) -> Work:
    def work(images: Tensor) -> None:
        drawn = augmentation.draw(len(images), torch.Generator().manual_seed(0))
        for batch, *part in zip(images.split(BATCH), *(each.split(BATCH) for each in drawn), strict=True):
            augmentation(batch, *part)

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12_800)
    count = parser.parse_args().images
    torch.set_num_threads(1)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    ways: dict[str, Work] = {choice.name: in_batches(choice.build()) for choice in (FlipCrop(), RandAugment())}
    ways["torchvision's rand_augment, image by image"] = lambda images: [ONE_BY_ONE(image) for image in images]
    for name, work in ways.items():
        work(images[:BATCH])
        wall, processor = time.perf_counter(), time.process_time()
        work(images)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(f"{name}: {count / wall:,.0f} images/s, {count / processor:,.0f} a processor second", flush=True)


if __name__ == "__main__":
    main()
