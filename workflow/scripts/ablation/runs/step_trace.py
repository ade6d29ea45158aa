"""Loss and gradient norm of every step of a run, `steps.npz`: one definition. No torch."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from ablation.files import atomic_write
from ablation.runs.records import RecordError, RunRecord, read_file_of

STEPS = "steps.npz"
# Steps are counted from 1 over the whole run; the loss is without L1 penalty, the gradient's l2 norm before clipping.
STEP_COLUMNS = ("step", "epoch", "loss", "gradient_norm")


def write_steps(path: str | Path, epochs: np.ndarray, losses: np.ndarray, gradient_norms: np.ndarray) -> None:
    """Write the trace whole: arrays (steps,) each."""
    steps = np.arange(1, len(losses) + 1, dtype=np.int32)
    columns = (steps, epochs.astype(np.int32), losses.astype(np.float32), gradient_norms.astype(np.float32))
    arrays: dict[str, Any] = dict(zip(STEP_COLUMNS, columns, strict=True))
    with atomic_write(path) as aside:
        np.savez(aside, **arrays)


def read_steps(directory: str | PurePath, record: RunRecord) -> pd.DataFrame:
    """The trace as a frame with the columns `STEP_COLUMNS`; losses of a diverged run may be NaN or infinite.

    Raises:
        RecordError: the file is missing or damaged.
    """
    content = read_file_of(directory, record, STEPS)
    try:
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            return pd.DataFrame({name: arrays[name] for name in STEP_COLUMNS})
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise RecordError(f"{Path(directory, STEPS)} holds no steps of a run: {error}") from error
