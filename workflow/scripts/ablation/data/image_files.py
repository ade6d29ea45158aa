"""The user's own images: how they must be laid out, which files of a folder are images, and how large they may be.

Fails with `DataError` on a file that is out of place or can be no image, before it is read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import NamedTuple

from ablation.config.study import DataConfig

LAYOUT = "train/<class>/<file> and test/<class>/<file>"
SPLITS = ("train", "test")
# Far more than any image has, whatever its format.
MAX_IMAGE_BYTES = 100_000_000
# Images hardly compress, and a file without holes takes its size on disk; small sets of tiny images may be different.
MAX_EXPANSION = 100
UNPACKED_AT_LEAST = 1_000_000_000


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
    try:
        if path.is_file():
            _refuse_holes(path)
        elif not path.is_dir():
            raise DataError(f"{path}: no such file or folder; data.path is the folder or the tar of {LAYOUT}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return path


def _refuse_holes(tar: Path) -> None:
    size = tar.stat().st_size
    if size > unpacked_limit(tar):
        raise DataError(f"{tar}: is a file of {size:,} bytes, nearly all of them holes, so it is no tar of images")


def unpacked_limit(tar: Path) -> int:
    """To how many bytes a tar may unpack."""
    with open(tar, "rb") as file:
        return max(UNPACKED_AT_LEAST, MAX_EXPANSION * _bytes_on_disk(file.fileno()))


def _bytes_on_disk(file: int) -> int:
    """The size of a file without its holes, which take no space and are read as zeros."""
    found = end = 0
    while end < os.fstat(file).st_size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # the file system cannot tell
                return os.fstat(file).st_size
            break  # only a hole is left
        end = os.lseek(file, start, os.SEEK_HOLE)
        found += end - start
    return found


def check_size(name: str, size: int) -> None:
    """Refuse what is too large to be an image, whatever is in it.

    Raises:
        DataError: it is.
    """
    if not 0 <= size <= MAX_IMAGE_BYTES:
        raise DataError(f"{name!r} has {size:,} bytes; an image has {MAX_IMAGE_BYTES:,} at most")


def place_of(name: str) -> Place | None:
    """Where a file belongs; None: nowhere, being hidden or beside train and test."""
    parts = PurePosixPath(name).parts
    if any(map(_is_hidden, parts)):
        return None
    match parts:
        case (split, label, file) if split in SPLITS:
            return _place("", split, label, file)
        case (top, split, label, file) if split in SPLITS:
            return _place(top, split, label, file)
    if set(SPLITS) & set(parts[:-1][:2]):
        raise DataError(f"{name!r} is out of place; images must be at {LAYOUT}")
    return None


def _place(top: str, split: str, label: str, file: str) -> Place:
    try:
        label.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the name of the class folder {label!r} in {split} is not UTF-8; rename it") from error
    return Place(top, split, label, file)


def image_files(folder: Path) -> Iterator[ImageFile]:
    """The images of a folder, in no order. Links are followed, also out of it: the user made them, unlike a tar's."""
    classes = ClassFolders()
    try:
        for name, entry in _walk(str(folder)):
            if entry.is_dir():
                classes.add_folder(name)
                continue
            place = place_of(name)
            if place is not None:
                classes.add(place)
                yield ImageFile(place, entry.path, _stat(name, entry))
        classes.refuse_empty()
    except OSError as error:
        raise DataError(f"{error.filename!r} cannot be read: {error.strerror}") from error


class ClassFolders:
    """Of a folder or a tar: a class without images would be none of the study's, without a word."""

    def __init__(self) -> None:
        self.all: set[tuple[str, ...]] = set()
        self.filled: set[tuple[str, ...]] = set()

    def add_folder(self, name: str) -> None:
        """Note a folder, if it is that of a class."""
        parts = PurePosixPath(name).parts
        if len(parts) in (2, 3) and parts[-2] in SPLITS and not any(map(_is_hidden, parts)):
            self.all.add(parts)

    def add(self, place: Place) -> None:
        """Note where an image is."""
        self.filled.add(tuple(filter(None, place[:3])))

    def refuse_empty(self) -> None:
        """Once all images are known: those beside the data set do not count.

        Raises:
            DataError: a class has none.
        """
        parts = {each[:-1] for each in self.filled}
        for empty in sorted(each for each in self.all - self.filled if each[:-1] in parts):
            raise DataError(f"the class folder {'/'.join(empty)!r} has no images; fill or delete it")


def _walk(folder: str, above: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file and folder that is not hidden, with its path inside the folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_hidden(entry.name):
                continue
            yield above + entry.name, entry
            if entry.is_dir():
                yield from _walk(entry.path, f"{above}{entry.name}/")


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _stat(name: str, entry: os.DirEntry[str]) -> os.stat_result:
    try:
        found = entry.stat()
    except FileNotFoundError as error:
        raise DataError(f"{name!r} is a link to nowhere") from error
    if not S_ISREG(found.st_mode):
        raise DataError(f"{name!r} is a device or a pipe, not an image")
    check_size(name, found.st_size)
    return found
