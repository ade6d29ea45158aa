"""Parts of messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Any

MAX_NAMES = 100
# Snakemake hands names of files and values of `--config` to the shell of a cluster's job without quoting these.
UNSAFE_IN_SHELL = "'\"\\$`\n"


def shown(value: Any) -> str:
    """A value in a message: on one line, and not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def choices(names: Iterable[Any]) -> str:
    """The names that can be shown, as a list; of very many, the first."""
    return ", ".join(_legible(names))


def suggestion(name: Any, names: Iterable[Any]) -> str:
    """`did you mean 'sgd'? ` where a name is close to one of these, else nothing."""
    close = difflib.get_close_matches(str(name)[:60], _legible(names), n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def _legible(names: Iterable[Any]) -> list[str]:
    return [name for name in map(str, islice(names, MAX_NAMES)) if shown(name) == f"'{name}'"]
