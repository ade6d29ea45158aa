"""Parts of messages."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any

from ablation.escaping import for_shell

MAX_NAMES = 100
# Snakemake hands names of files and values of `--config` to the shell of a cluster's job without quoting these.
UNSAFE_IN_SHELL = "'\"\\$`\n"
# Keys of a config on which no result depends.
OF_NO_RESULT = ("partial", "keep", "jobs", "audit")
# What a run says that was interrupted.
RESUMES = "the same command resumes it"
# The environment variable with the options that Snakemake was called with for this study and this cluster.
SNAKEMAKE_OPTIONS = "ABLATION_SNAKEMAKE_OPTIONS"


def snakemake_command(*arguments: str | PurePath) -> str:
    """`snakemake` with these arguments, as the user has to type it for the study at hand."""
    return f"{for_shell('snakemake', *arguments)} {os.environ.get(SNAKEMAKE_OPTIONS, '')}".strip()


def study_options(configfiles: Sequence[str], overrides: Mapping[str, Any]) -> str:
    """What a command needs to be about this study: its config files, and what `--config` set over them."""
    values = [f"{key}={json.dumps(value, default=str)}" for key, value in overrides.items() if key not in OF_NO_RESULT]
    files = ["--configfile", *configfiles] if configfiles else []
    return for_shell(*files, *(["--config", *values] if values else []))


def shown(value: Any) -> str:
    """A value in a message: on one line, and not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def choices(names: Iterable[Any]) -> str:
    """The names that can be shown, as a list; of very many, the first."""
    return ", ".join(_legible(names))


def suggestion(name: Any, names: Iterable[Any]) -> str:
    """`did you mean 'sgd'? ` where a name is close to one of these, or its initials, as `lr`; else nothing."""
    legible = _legible(names)
    close = [each for each in legible if name == "".join(word[:1] for word in each.split("_"))]
    close += difflib.get_close_matches(str(name)[:60], legible, n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def _legible(names: Iterable[Any]) -> list[str]:
    return [name for name in map(str, islice(names, MAX_NAMES)) if shown(name) == f"'{name}'"]
