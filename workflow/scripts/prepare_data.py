"""Prepare a study's data: prepare_data.py --data '{"name": "digits"}' --output results/data/digits

In: the config's `data` section as JSON. Out: a folder of arrays and `data.json`. Data that cannot be used, or a file
that cannot be read or written, ends it with status 1 and one line saying why.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ablation.config.study import DataConfig
from ablation.data.arrays import read_description
from ablation.data.prepare import prepare
from ablation.errors import errors_for_users


def main() -> None:
    arguments = _arguments()
    with errors_for_users():
        prepare(arguments.data, arguments.output, arguments.identity)
        print(_summary(arguments.output))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write a study's images and labels as arrays.")
    parser.add_argument("--data", type=_data, required=True, help="the config's data section, as JSON")
    parser.add_argument("--identity", default="", help="what identifies the data, for data.json")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    return parser.parse_args()


def _data(text: str) -> DataConfig:
    try:
        return DataConfig.model_validate_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _summary(folder: Path) -> str:
    """One line an array, and the digest."""
    description = read_description(folder)
    shapes = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).shape for name in description.arrays
    }
    lines = [f"{name}: {' x '.join(map(str, shape))}" for name, shape in sorted(shapes.items())]
    return "\n".join([*lines, f"digest: {description.digest}"])


if __name__ == "__main__":
    main()
