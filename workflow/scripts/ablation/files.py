"""Files, written whole or not at all, and read only where they are files. No torch."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path, keep: str | Path | None = None) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path`, synced to disk, when the block ends without an error.

    The temporary name keeps the ending, since some writers choose their format by it. With `keep`, the file that was
    at `path` goes there.

    Raises:
        OSError: the file cannot be written, for a full disk or a missing right; what was at `path` is still there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield aside
        with open(aside, "rb") as written:
            os.fsync(written.fileno())
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(aside, path)
        _sync_folder(path.parent)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Without it, a power failure may take a file's new name back. Some file systems know no such thing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while writing left in a folder that no other process writes to."""
    for aside in folder.glob(".[0-9]*.*"):
        aside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole."""
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8")


def open_file(path: str | Path) -> BufferedReader:
    """Open a regular file to read.

    Raises:
        OSError: it is missing, may not be read, or is something else: a pipe would wait for ever for who writes to it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return open(descriptor, "rb")


def read_file(path: str | Path) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: as `open_file`.
    """
    with open_file(path) as file:
        return file.read()


def digest_of_file(path: str | Path) -> str:
    """The SHA-256 of a regular file, as `sha256sum` prints it.

    Raises:
        OSError: as `open_file`.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
