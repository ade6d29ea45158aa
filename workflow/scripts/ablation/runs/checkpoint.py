"""The checkpoints of a run: all that it needs to resume, bit for bit, on two files of its directory.

`checkpoint.pt` is the newest, `checkpoint.previous.pt` the one before. Each is one line with the checksum of the rest,
then what `torch.save` writes. A damaged one is set aside as `checkpoint.damaged.pt`; one of another run is not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ablation.config.settings import changes_text
from ablation.escaping import for_terminal
from ablation.files import atomic_write, read_file
from ablation.runs.records import CHECKPOINT

FORMAT = "ablation checkpoint 1, sha256"
# Raise it when the state, such as `state_dict` of the training or of a part of it, holds something else than before.
STATE_VERSION = 6
PREVIOUS = "checkpoint.previous.pt"
DAMAGED = "checkpoint.damaged.pt"


class DamagedCheckpointError(ValueError):
    """The file is not what was written."""


class Checkpoints:
    """The checkpoints in a run's directory. `identity` says which run they belong to, key by key."""

    def __init__(self, directory: Path, identity: Mapping[str, Any]):
        self.identity = {**identity, "checkpoint version": STATE_VERSION}
        self.newest = directory / CHECKPOINT
        self.previous = directory / PREVIOUS

    def write(self, state: Mapping[str, Any]) -> None:
        """Write the newest whole; at every moment one of the two files is a whole checkpoint."""
        buffer = BytesIO()
        torch.save({"identity": self.identity, **state}, buffer)
        payload = buffer.getbuffer()
        with atomic_write(self.newest, keep=self.previous) as aside, open(aside, "wb") as file:
            file.write(f"{FORMAT} {hashlib.sha256(payload).hexdigest()}\n".encode())
            file.write(payload)

    def read(self) -> dict[str, Any] | None:
        """The state of the newest checkpoint that is whole and belongs to this run, its tensors on the CPU."""
        for path in (self.newest, self.previous):
            if path.exists():
                state = self._read(path)
                if state is not None:
                    return state
        return None

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            state = read_state(path)
        except DamagedCheckpointError as error:
            path.replace(path.with_name(DAMAGED))
            print(f"{path.name} is damaged ({error}); it is kept as {DAMAGED}", flush=True)
            return None
        differing = changes_text(state["identity"], self.identity)
        if differing:
            print(for_terminal(f"{path.name} is of another run, so it is not used: {differing}"), flush=True)
            return None
        return state


def read_state(path: Path) -> dict[str, Any]:
    """What `write` wrote, its tensors on the CPU.

    Raises:
        DamagedCheckpointError: the checksum is not that of the content, or that is no state of a run.
    """
    header, _, payload = read_file(path).partition(b"\n")
    if header.decode(errors="replace") != f"{FORMAT} {hashlib.sha256(payload).hexdigest()}":
        raise DamagedCheckpointError(f"{path.stat().st_size:,} bytes do not match their checksum")
    try:
        return torch.load(BytesIO(payload), map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError) as error:
        raise DamagedCheckpointError("it holds something else than a run's state") from error


def remove_checkpoints(directory: Path) -> None:
    """The run is done, or starts from its beginning."""
    for name in (CHECKPOINT, PREVIOUS):
        (directory / name).unlink(missing_ok=True)
