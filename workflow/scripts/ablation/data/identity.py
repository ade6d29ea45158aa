"""What identifies the data that a config asks for: a change of it makes prepared data and all runs stale.

Neither the place nor the time stamp of the user's images counts, but their names and bytes do. To read 60,000 files at
every call would take seconds, so their digest is kept in `source.json`, beside the prepared data, until the size or the
time of a file differs. Fails with `DataError` on images that are missing or out of place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablation.config.study import DataConfig
from ablation.data.arrays import DECODING, VERSION
from ablation.data.image_files import DataError, image_files, path_of
from ablation.files import write_text


def data_identity(config: DataConfig, prepared: Path, *, look: bool = True) -> str:
    """One line of JSON. `prepared` is the folder of the prepared data.

    The images may be gone, or not be looked at, once data were prepared from them: then they are as they were.
    """
    identity: dict[str, Any] = {"version": VERSION, "name": config.name}
    identity |= config.model_dump(mode="json", exclude={"name", "path", "validation_fraction"}, exclude_defaults=True)
    identity |= {"validation_fraction": config.held_out_fraction} if config.held_out_fraction else {}
    if config.name == "images":
        identity |= {"decoding": DECODING, "content": _content(config, prepared, look)}
    return json.dumps(identity)


def _content(config: DataConfig, prepared: Path, look: bool) -> str:
    cache = prepared / "source.json"
    known = _remembered(cache)
    is_known = known.get("path") == config.path and (prepared / "data.json").exists()
    if is_known and (not look or not os.path.exists(str(config.path))):  # also where that cannot be told
        return known["digest"]
    files = _files(path_of(config))
    stamp = _sha256([str(config.path), *(f"{name} {_stamp(stat)}" for name, (_, stat) in files.items())])
    if known.get("stamp") != stamp:
        known = {"path": str(config.path), "stamp": stamp, "digest": _digest(files)}
        with suppress(OSError):  # where it cannot be written, the next call takes longer
            write_text(cache, json.dumps(known, indent=2) + "\n")
    return known["digest"]


def _files(path: Path) -> dict[str, tuple[str, os.stat_result]]:
    """The images of a folder, sorted by name; a tar is a single file without a name."""
    if not path.is_dir():
        return {"": (str(path), path.stat())}
    try:
        return {str(file.place): (file.path, file.stat) for file in sorted(image_files(path))}
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _stamp(stat: os.stat_result) -> str:
    """The time of the last change of a file's state tells of an edit also where its time stamp was put back."""
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _digest(files: dict[str, tuple[str, os.stat_result]]) -> str:
    return _sha256(f"{name} {_digest_of_file(path)}" for name, (path, _) in files.items())


def _digest_of_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path!r} cannot be read: {error.strerror}") from error


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def _remembered(cache: Path) -> dict[str, str]:
    """What was written there; nothing where it is damaged."""
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
        return {key: str(known[key]) for key in ("path", "stamp", "digest")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
