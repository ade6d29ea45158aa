"""A tar of the user's own images -> the place and content of each, in one pass; nothing is unpacked to disk.

Fails with `DataError` on a tar that is damaged, has members that lead out of it, or would unpack to more than a data
set holds: the sizes that it declares are checked before anything is read.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ablation.data.image_files import ClassFolders, DataError, Place, check_size, place_of, unpacked_limit

# By the first bytes of a file.
COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open, b"]\0\0": lzma.open}
# Of names and times; a damaged one may claim 2^62 bytes.
MAX_HEADER_BYTES = 1_000_000


def tar_files(path: Path) -> Iterator[tuple[Place, bytes]]:
    """Place and content of every image.

    Raises:
        DataError: it cannot be read, or holds what it may not.
    """
    classes = ClassFolders()
    try:
        with _unpacking(path) as file:
            unpacked = _Unpacked(file, unpacked_limit(path))
            with tarfile.open(fileobj=unpacked, mode="r:") as tar:  # type: ignore[call-overload]
                for member in tar:
                    place = _place(member)
                    if place is not None:
                        classes.add(place)
                        yield place, unpacked.content(member)
                    elif member.isdir():
                        classes.add_folder(member.name)
                _check_end(tar, unpacked)
                classes.refuse_empty()
    except DataError:
        raise
    except Exception as error:  # what `tarfile` raises depends on the damage
        raise DataError(f"cannot be read as a tar, or is damaged: {error}") from error


def _unpacking(path: Path) -> Any:
    with open(path, "rb") as file:
        start = file.read(8)
    return next((opener for magic, opener in COMPRESSED.items() if start.startswith(magic)), open)(path, "rb")


class _Unpacked:
    """What a tar unpacks to, as a file for `tarfile`: at most `limit` bytes, and at once what a header or image has."""

    def __init__(self, file: IO[bytes], limit: int):
        self.file, self.limit = file, limit
        self.tell = file.tell

    def seek(self, position: int) -> int:
        self._check(position)
        return self.file.seek(position)

    def read(self, size: int) -> bytes:
        """A header, or a part of the end."""
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise DataError(f"is damaged: a header at byte {self.tell():,} claims {size:,} bytes")
        return self._read(size)

    def content(self, member: tarfile.TarInfo) -> bytes:
        """Of a file of the archive."""
        check_size(member.name, member.size)
        self.seek(member.offset_data)
        content = self._read(member.size)
        if len(content) < member.size:
            raise tarfile.ReadError(f"it breaks off in {member.name!r}")
        return content

    def _read(self, size: int) -> bytes:
        content = self.file.read(size)
        self._check(self.tell())
        return content

    def _check(self, position: int) -> None:
        if not 0 <= position <= self.limit:
            raise DataError(f"is damaged, or unpacks to more than {self.limit:,} bytes, which no set of images does")


def _place(member: tarfile.TarInfo) -> Place | None:
    """Where a member belongs, if it is an image.

    Raises:
        DataError: it may not be in the archive.
    """
    if member.size < 0:  # which leads back, for ever
        raise tarfile.ReadError(f"member {member.name!r} has {member.size:,} bytes")
    if member.name.startswith("/"):
        raise DataError(f"member {member.name!r} has an absolute path")
    if ".." in PurePosixPath(member.name).parts:
        raise DataError(f"member {member.name!r} leads out of the archive")
    if member.issym() or member.islnk():
        raise DataError(f"member {member.name!r} is a link; store the image itself")
    if not member.isfile() and not member.isdir():
        raise DataError(f"member {member.name!r} is a device or a pipe, not an image")
    if member.issparse():
        raise DataError(f"member {member.name!r} is stored as a sparse file; store it whole")
    return None if member.isdir() else place_of(member.name)


def _check_end(tar: tarfile.TarFile, unpacked: _Unpacked) -> None:
    """`tarfile` takes a damaged header, or the end of the file, for the end of the archive: a block of zeros.

    What follows is read too, because the checksum of a compressed file is at its very end.
    """
    unpacked.seek(tar.offset)
    if unpacked.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"it breaks off at byte {tar.offset}")
    while unpacked.read(MAX_HEADER_BYTES):
        pass
