"""YAML files -> one mapping, remembering file and line of every key.

In: the paths of `--configfile`, later ones laid over earlier ones; a file's `extends: other.yaml` is laid under it.
Out: `Layers`. Fails with `ConfigError` on a missing file, bad YAML, a key that stands twice or a circle of `extends`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]


class ConfigError(ValueError):
    """What is wrong with the config, a line per error."""

    def __init__(self, errors: Sequence[str]):
        super().__init__("\n".join(errors))
        self.errors = list(errors)


@dataclass
class Layers:
    """A merged config and where each of its keys was last set."""

    config: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def add(self, config: Mapping[str, Any], places: Mapping[KeyPath, str]) -> None:
        self.config = merged(self.config, config)
        self.places = {path: place for path, place in self.places.items() if not _replaces(config, path)} | dict(places)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the key, or of the nearest key around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.files[-1] if self.files else "config"


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`: mappings key by key, everything else replaced."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def _replaces(config: Mapping[str, Any], path: KeyPath) -> bool:
    """Whether a layer puts something else than a mapping in place of the key, or of one around it."""
    value: Any = config
    for part in path:
        if not isinstance(value, Mapping):
            return True
        if part not in value:
            return False
        value = value[part]
    return not isinstance(value, Mapping)


def read_layers(paths: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> Layers:
    """All files and, on top, what `--config key=value` gave."""
    layers = Layers()
    for path in paths:
        _add_file(layers, Path(path), ())
    overrides = dict(overrides or {})
    layers.add(overrides, {(key,): "--config" for key in overrides})
    return layers


def _add_file(layers: Layers, path: Path, extended_by: tuple[Path, ...]) -> None:
    name = os.path.relpath(path)
    if path.resolve() in extended_by:
        raise ConfigError([f"{name}: 'extends' leads back to this file"])
    config, places = _read(path, name)
    below = config.pop("extends", None)
    if below is not None:
        if not isinstance(below, str):
            raise ConfigError([f"{places['extends',]}: extends: give the name of one YAML file"])
        _add_file(layers, path.parent / below, (*extended_by, path.resolve()))
    layers.add(config, places)
    layers.files.append(name)


def _read(path: Path, name: str) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        config = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError([f"{name}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{name}: is not a text file in UTF-8"]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([f"{name}: is not valid YAML: {' '.join(str(error).split())}"]) from error
    if root is None or not isinstance(config, dict):
        raise ConfigError([f"{name}: holds no settings; see config/README.md"])
    places, twice = _places(root, name)
    if twice:
        raise ConfigError(twice)
    return config, places


def _places(root: yaml.Node, name: str) -> tuple[dict[KeyPath, str], list[str]]:
    """File and line of every key, and an error for each key that stands twice in its mapping."""
    places: dict[KeyPath, str] = {}
    twice: list[str] = []
    pending: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            children = [((*path, index), value, value) for index, value in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            children = [((*path, str(key.value)), key, value) for key, value in node.value]
        else:
            continue
        for child, key, value in children:
            place = f"{name}:{key.start_mark.line + 1}"
            if child in places and key.value != "<<":
                twice.append(f"{place}: {dotted(child)}: stands twice, first in {places[child]}; keep one")
            places[child] = place
            pending.append((child, value))
    return places, twice


def dotted(path: KeyPath) -> str:
    """`('tables', 'losses', 'rows', 0)` as `tables.losses.rows[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
