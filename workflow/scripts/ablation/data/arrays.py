"""Prepared data: its arrays, their digests, and `data.json`, which describes them. No torch.

A folder of prepared data holds `<split>_images.npy` and `<split>_labels.npy` for each split, and `data.json`, written
last, so that it alone means done. What is read is checked against it: fails with `PreparedDataError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from ablation.config.texts import snakemake_command
from ablation.files import open_file, read_file

# Raise it when the same images become other arrays, or `data.json` another form: then all data are prepared again.
VERSION: Literal[2] = 2
# Raise it when the same files of a user become other arrays: then only data of such files are prepared again.
DECODING = 2
KINDS = ("images", "labels")
Part = Literal["train", "validation", "test"]
# What images a part has.
PARTS: dict[Part, str] = {"train": "training", "validation": "validation", "test": "test"}
# Width and height in pixels.
Size = tuple[int, int]


class PreparedDataError(ValueError):
    """The prepared arrays are missing, damaged or not those of `data.json`."""


class Description(BaseModel):
    """The content of `data.json`: neither a path nor a time, so that the same data gives the same bytes.

    `class_counts` has the number of images of each class, in the order of `classes`, by part; `sizes` are the width and
    height in pixels of the smallest and the largest image as they came. Earlier files have neither. `digest` is that
    of all arrays, `arrays` the digest of each by its name. `identity` is what they were prepared for: `identity.py`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[2] = VERSION
    name: str
    classes: tuple[str, ...]
    held_out_part: Literal["validation", "test"]
    counts: dict[Part, NonNegativeInt]
    class_counts: dict[Part, tuple[NonNegativeInt, ...]] = Field(default_factory=dict)
    sizes: tuple[Size, Size] | None = None
    digest: str
    arrays: dict[str, str]
    identity: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Description:
        splits = [split for split, count in self.counts.items() if count]
        if not {"train", "test", self.held_out_part} <= set(splits):
            raise ValueError("counts: there are no images to train on, to choose the best epoch, or to test on")
        if set(self.arrays) != {f"{split}_{kind}" for split, kind in product(splits, KINDS)}:
            raise ValueError("counts and arrays name different splits")
        if any(sum(counts) != self.counts[part] for part, counts in self.class_counts.items()):
            raise ValueError("class_counts are not those of counts")
        if self.digest != digest_of_all(self.arrays):
            raise ValueError("digest is not that of the arrays' digests")
        return self


def digest_of(array: np.ndarray) -> str:
    """Digest of type, shape and content: the first 16 hex digits of a SHA-256."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


def digest_of_all(digests: Mapping[str, str]) -> str:
    """One digest of the arrays' names and digests."""
    lines = "\n".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def read_description(folder: Path) -> Description:
    """Read and check `data.json`.

    Raises:
        PreparedDataError: it is missing, damaged or of another version.
    """
    path = folder / "data.json"
    try:
        return Description.model_validate_json(read_file(path))
    except OSError as error:
        raise PreparedDataError(f"{path}: cannot be read: {error.strerror}. {_remedy(folder)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        problem = f"{where}: {first['msg']}. The file is damaged or of another version"
        raise PreparedDataError(f"{path}: {problem}. {_remedy(folder)}") from error


def read_array(folder: Path, name: str, digest: str) -> np.ndarray:
    """Read an array into memory and check its digest.

    Raises:
        PreparedDataError: it is missing, damaged or not what `data.json` describes.
    """
    path = folder / f"{name}.npy"
    try:
        with open_file(path) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # what numpy raises depends on the damage
        reason = getattr(error, "strerror", None) or error
        raise PreparedDataError(f"{path}: cannot be read: {reason}. {_remedy(folder)}") from error
    if digest_of(array) != digest:
        raise PreparedDataError(f"{path}: is not the array that data.json describes. {_remedy(folder)}")
    return array


def _remedy(folder: Path) -> str:
    return f"Prepare the data again: {snakemake_command(folder / 'data.json', '--force')}"
