"""The study of the last `snakemake` in this folder, for the commands that tell about it without being told which.

In: the config files and overrides of a call. Out: `.snakemake/ablation.json`, and the study that it names.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablation.config.loading import load_study
from ablation.config.study import Study
from ablation.config.texts import SNAKEMAKE_OPTIONS, study_options
from ablation.files import write_text

LAST_CALL = Path(".snakemake", "ablation.json")
DEFAULT = "config/demo.yaml"


def remember(configfiles: Sequence[str], overrides: Mapping[str, Any], options: str) -> None:
    """Note the study of this call, and the options that its commands need; where that cannot be written, nothing."""
    call = {"configfiles": list(configfiles), "overrides": overrides, "options": options}
    with suppress(OSError):
        write_text(LAST_CALL, json.dumps(call, default=str))


def add_study_option(parser: argparse.ArgumentParser) -> None:
    """The option that names the study."""
    parser.add_argument(
        "--configfile", nargs="+", metavar="FILE", help="the study (default: that of the last `snakemake` here)"
    )


def study_of(arguments: argparse.Namespace) -> Study:
    """The study that the command line names, or that of the last call; commands that are told are about it.

    Raises:
        ConfigError: it is not valid.
    """
    if arguments.configfile:
        files = arguments.configfile
        call = {"configfiles": files, "overrides": {}, "options": study_options(files, {})}
    else:
        call = _last_call()
    os.environ.setdefault(SNAKEMAKE_OPTIONS, call["options"])
    return load_study(call["configfiles"], call["overrides"])


def _last_call() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        call = json.loads(LAST_CALL.read_bytes())
        if isinstance(call, dict) and call.keys() == {"configfiles", "overrides", "options"}:
            return call
    return {"configfiles": [DEFAULT], "overrides": {}, "options": ""}
