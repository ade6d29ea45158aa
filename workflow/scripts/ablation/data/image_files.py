"""The user's own images: how they must be laid out, and which files of a folder are images.

Fails with `DataError` on a file that is out of place or can be no image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import NamedTuple

from ablation.config.study import DataConfig

LAYOUT = "train/<class>/<file> and test/<class>/<file>"
SPLITS = ("train", "test")


class DataError(ValueError):
    """The data is missing, damaged or not what the study needs."""


class Place(NamedTuple):
    """Where an image is. `top` is the one folder around train and test that a tar often has, else empty."""

    top: str
    split: str
    label: str
    file: str

    def __str__(self) -> str:
        return "/".join(filter(None, self))


class ImageFile(NamedTuple):
    """An image of a folder."""

    place: Place
    path: str
    stat: os.stat_result


def path_of(config: DataConfig) -> Path:
    """The folder or the tar of the images."""
    if config.path is None:
        raise DataError(f"data.path is missing: give the folder or the tar of {LAYOUT}")
    path = Path(config.path)
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path}: no such file or folder; data.path is the folder or the tar of {LAYOUT}")
    return path


def place_of(name: str) -> Place | None:
    """Where a file belongs; None: nowhere, being hidden or beside train and test."""
    parts = PurePosixPath(name).parts
    if any(map(_is_hidden, parts)):
        return None
    match parts:
        case (split, label, file) if split in SPLITS:
            return Place("", split, label, file)
        case (top, split, label, file) if split in SPLITS:
            return Place(top, split, label, file)
    if set(SPLITS) & set(parts[:-1][:2]):
        raise DataError(f"'{name}' is out of place; images must be at {LAYOUT}")
    return None


def image_files(folder: Path) -> Iterator[ImageFile]:
    """The images of a folder, in no order. Links are followed, also out of it: the user made them, unlike a tar's."""
    try:
        for name, entry in _walk(str(folder)):
            place = place_of(name)
            if place is not None:
                yield ImageFile(place, entry.path, _stat(name, entry))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error


def _walk(folder: str, above: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file that is not hidden, with its path inside the folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_hidden(entry.name):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, f"{above}{entry.name}/")
            else:
                yield above + entry.name, entry


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _stat(name: str, entry: os.DirEntry[str]) -> os.stat_result:
    try:
        found = entry.stat()
    except FileNotFoundError as error:
        raise DataError(f"'{name}' is a link to nowhere") from error
    if not S_ISREG(found.st_mode):
        raise DataError(f"'{name}' is a device or a pipe, not an image")
    return found
