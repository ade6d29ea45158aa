"""Looks at the config before Snakemake, which reads it before the Snakefile, and with tracebacks where it cannot.

In: the arguments of `snakemake`. `profiles/default/config.yaml` calls this, since a profile is read first of all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import yaml
from snakemake.cli import parse_config
from snakemake.common.configfile import load_configfile

from ablation.config.plain_yaml import TOO_DEEP, ConfigError, Refused, check_nodes, read_plain, shown
from ablation.config.texts import UNSAFE_IN_SHELL
from ablation.escaping import for_shell, for_terminal


def check(arguments: Sequence[str]) -> None:
    """End the program with a line per error where Snakemake could not read the config."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    options, _ = parser.parse_known_args(arguments)
    errors = [*_errors_in_files(options.configfile), *_errors_in_entries(options.config)]
    errors = errors or list(_errors_of_snakemake(options.configfile, options.config))
    if errors:
        sys.exit(for_terminal("\n".join([f"The config has {len(errors)} error(s); no job was started.", *errors])))


def use_writable_cache() -> None:
    """Let Snakemake and matplotlib keep their caches in this folder where the home is missing, read-only or full."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "snakemake")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as file:
            file.write(b"There is room.")
    except OSError:
        os.environ["XDG_CACHE_HOME"] = os.path.abspath(".snakemake/cache")


def _errors_in_files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if _is_target(path):
            yield (
                f"{shown(path)} follows --configfile, which takes it for a config file; put it before: "
                + for_shell("snakemake", path, "--configfile", *(each for each in paths if each != path))
            )
            continue
        if set(path) & set(UNSAFE_IN_SHELL):
            yield f"{shown(path)}: the name of a config file may hold no quotes, $, ` or \\; rename it"
            continue
        try:
            settings, places = read_plain(path)
        except ConfigError as error:
            yield from error.errors
        else:
            # Snakemake would run the Python in it.
            if "__use_yte__" in settings:
                yield f"{places.get(('__use_yte__',), path)}: __use_yte__: is not allowed; write plain values"


def _is_target(path: str) -> bool:
    """Whether it is no config file, but what `snakemake` shall make."""
    return path.startswith("results/") or (PurePath(path).suffix == "" and not Path(path).exists())


def _errors_in_entries(entries: Sequence[str]) -> Iterator[str]:
    """Values of `--config` that have no end, or that a shell would run."""
    for entry in entries:
        key, _, value = entry.partition("=")
        if "'" in value and set(value) & set("$`"):
            yield f"--config: {key}: holds both a quote and $ or `; write it in a config file"
        try:
            check_nodes(yaml.compose(value, Loader=yaml.BaseLoader))
        except Refused as error:
            yield f"--config: {key}: {error.problem}"
        except yaml.YAMLError:
            pass  # Snakemake takes what is no YAML for a text.
        except RecursionError:
            yield f"--config: {key}: {TOO_DEEP}"


def _errors_of_snakemake(paths: Sequence[str], entries: Sequence[str]) -> Iterator[str]:
    """What is left: `--config` without `=`, dates that are none, ..."""
    try:
        parse_config(entries)
    except Exception as error:
        yield f"--config: {error}"
    for path in paths:
        try:
            load_configfile(path)
        except Exception as error:
            reason = " ".join(str(error).split())
            yield f"{path}: Snakemake cannot read it: {reason}; write dates, and what only looks like one, in quotes"
