"""YAML files -> one mapping, remembering file and line of every key.

In: the paths of `--configfile`, later ones laid over earlier ones; a file's `extends: other.yaml` is laid under it.
Out: `Layers`. Fails with `ConfigError` on a file that `plain_yaml` refuses or a circle of `extends`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.plain_yaml import ConfigError, KeyPath, read_plain


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
        _add_file(layers, Path(path))
    overrides = dict(overrides or {})
    layers.add(overrides, {(key,): "--config" for key in overrides})
    return layers


def _add_file(layers: Layers, path: Path) -> None:
    """Lay a file over the others, and under it the file that it extends, and so on."""
    chain: list[tuple[str, dict[str, Any], dict[KeyPath, str]]] = []
    seen: set[str] = set()
    below: Path | None = path
    while below is not None:
        path, name = below, os.path.relpath(below)
        config, places = read_plain(path)
        if os.path.realpath(path) in seen:
            raise ConfigError([f"{name}: 'extends' leads back to this file"])
        seen.add(os.path.realpath(path))
        below = _extended(path, config.pop("extends", None), places.get(("extends",), name))
        chain.append((name, config, places))
    for name, config, places in reversed(chain):
        layers.add(config, places)
        layers.files.append(name)


def _extended(path: Path, extends: Any, place: str) -> Path | None:
    """The file that `extends` names, relative to the file that says so."""
    if extends is None:
        return None
    if not isinstance(extends, str) or not extends.isprintable() or not extends:
        raise ConfigError([f"{place}: extends: give the name of one YAML file"])
    return path.parent / extends
