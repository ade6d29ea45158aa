"""Tables as data frames and CSV files, each with named columns of fixed types. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.config.texts import snakemake_command
from ablation.files import atomic_write

# The type of each column, by name; texts are "object".
Columns = Mapping[str, str]


def frame(lines: Iterable[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """Lines as a frame with these columns and types, also where there is no line."""
    return pd.DataFrame(list(lines), columns=list(columns)).astype(dict(columns))


def joined(parts: Iterable[pd.DataFrame], columns: Columns) -> pd.DataFrame:
    """The parts below each other; of no parts, an empty frame with the same columns."""
    return pd.concat([frame([], columns), *parts], ignore_index=True)[list(columns)].astype(dict(columns))


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table whole; eight significant digits, since learning rates and smoothness span many magnitudes."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.8g", lineterminator="\n")


def read_csv(path: str | Path, columns: Columns) -> pd.DataFrame:
    """A table that `write_csv` wrote. An empty cell is an empty text, or no number.

    Raises:
        ValueError: there is no such file, or it does not hold these columns.
    """
    numbers = {name: [""] for name, kind in columns.items() if kind != "object"}
    try:
        return pd.read_csv(path, usecols=list(columns), dtype=dict(columns), keep_default_na=False, na_values=numbers)
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; run `{snakemake_command(path)}`") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}; delete it and run `{snakemake_command(path)}`") from error
