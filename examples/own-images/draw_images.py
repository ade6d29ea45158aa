"""Draw the images of this example, shapes of any size, place and shade on noise. Your own photographs take their place.

python examples/own-images/draw_images.py FOLDER     writes FOLDER/train/<shape>/0000.png, ..., FOLDER/test/<shape>/...
"""

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = 24
COUNTS = {"train": 150, "test": 100}
# Corners of each shape, on a circle; a star's every second one lies nearer to its middle.
SHAPES = {"circle": (60, 1.0), "triangle": (3, 1.0), "square": (4, 1.0), "star": (10, 0.45)}


def draw(shape: str, random: np.random.Generator) -> Image.Image:
    """A shape that is turned, moved and shaded by chance, brighter or darker than the noise around it."""
    corners, inner = SHAPES[shape]
    radius, turn = random.uniform(6, 10), random.uniform(0, 2 * math.pi)
    x, y = random.uniform(radius, SIZE - radius, 2)
    background, foreground = random.permutation([random.uniform(60, 120), random.uniform(140, 200)])
    image = Image.new("L", (SIZE, SIZE), int(background))
    points = []
    for corner in range(corners):
        angle, distance = turn + 2 * math.pi * corner / corners, radius * (inner if corner % 2 else 1)
        points.append((x + distance * math.cos(angle), y + distance * math.sin(angle)))
    ImageDraw.Draw(image).polygon(points, fill=int(foreground))
    noise = random.normal(0, 20, (SIZE, SIZE))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder, random = parser.parse_args().folder, np.random.default_rng(0)
    for part, count in COUNTS.items():
        for shape in SHAPES:
            (folder / part / shape).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                draw(shape, random).save(folder / part / shape / f"{index:04}.png")


if __name__ == "__main__":
    main()
