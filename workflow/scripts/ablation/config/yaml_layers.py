"""YAML files -> one mapping, remembering file and line of every key.

In: the paths of `--configfile`, later ones laid over earlier ones; a file's `extends: other.yaml` is laid under it.
Out: `Layers`. Fails with `ConfigError` on a file that `plain_yaml` refuses, a circle of `extends`, or a file of
`components` that cannot be used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.config.catalog import catalog
from ablation.config.kinds import Catalog
from ablation.config.plain_yaml import ConfigError, KeyPath, read_plain
from ablation.config.settings import merge


@dataclass
class Layers:
    """A merged config, its components, and where each of its keys was last set."""

    config: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def add(self, config: Mapping[str, Any], places: Mapping[KeyPath, str], catalog: Catalog) -> None:
        self.config = merged_config(self.config, config, catalog)
        self.places = {path: place for path, place in self.places.items() if not _replaces(config, path)} | dict(places)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the key, or of the nearest key around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.files[-1] if self.files else "config"


@dataclass
class Layer:
    """One file, or what `--config` gave."""

    file: str | None
    config: dict[str, Any]
    places: dict[KeyPath, str]


def merged_config(under: Mapping[str, Any], over: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """`over` laid on `under`: settings of runs as a variant's on base, other mappings key by key, the rest replaced."""
    result = merged(under, over)
    for section in ("base", "override"):
        if _both(under, over, section):
            result[section] = merge(under[section], over[section], catalog)
    if _both(under, over, "variants"):
        lower, upper = under["variants"], over["variants"]
        both = {name: merge(lower[name], upper[name], catalog) for name in upper if _both(lower, upper, name)}
        result["variants"] = result["variants"] | both
    return result


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`: mappings key by key, everything else replaced."""
    result = dict(under)
    for key, value in over.items():
        result[key] = merged(result[key], value) if _both(result, over, key) else value
    return result


def _both(under: Mapping[str, Any], over: Mapping[str, Any], key: Any) -> bool:
    return isinstance(under.get(key), Mapping) and isinstance(over.get(key), Mapping)


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
    given = [layer for path in paths for layer in _read(Path(path))]
    overrides = dict(overrides or {})
    # Without files, they are what another workflow gives its module.
    given.append(Layer(None, overrides, {(key,): "--config" if paths else "config" for key in overrides}))
    components = _components(given)
    layers = Layers()
    for layer in given:
        layers.add(layer.config, layer.places, components)
        layers.files += [layer.file] if layer.file else []
    return layers


def _components(layers: Sequence[Layer]) -> Catalog:
    """The catalog with the components of the topmost layer that names any."""
    for layer in reversed(layers):
        files = layer.config.get("components")
        if isinstance(files, list) and files and all(isinstance(file, str) for file in files):
            missing = list(_missing(layer, files))
            if missing:
                raise ConfigError(missing)
            return catalog(tuple(files))
        if "components" in layer.config:
            break
    return catalog(())


def _missing(layer: Layer, files: Sequence[str]) -> Iterator[str]:
    for index, file in enumerate(files):
        if not file.isprintable() or not os.path.isfile(file):
            place = layer.places.get(("components", index)) or layer.places[("components",)]
            yield f"{place}: components[{index}]: {file!r} is not a file; give the path of a Python file"


def _read(path: Path) -> list[Layer]:
    """A file and, below it, the file that it extends, and so on: the lowest first."""
    chain: list[Layer] = []
    seen: set[str] = set()
    below: Path | None = path
    while below is not None:
        path, name = below, os.path.relpath(below)
        config, places = read_plain(path)
        if os.path.realpath(path) in seen:
            raise ConfigError([f"{name}: 'extends' leads back to this file"])
        seen.add(os.path.realpath(path))
        below = _extended(path, config.pop("extends", None), places.get(("extends",), name))
        _resolve_components(path, config)
        chain.insert(0, Layer(name, config, places))
    return chain


def _resolve_components(path: Path, config: dict[str, Any]) -> None:
    """From paths that start at the file that names them to paths that start here."""
    files = config.get("components")
    if isinstance(files, list):
        config["components"] = [
            os.path.relpath(path.parent / file) if isinstance(file, str) and file else file for file in files
        ]


def _extended(path: Path, extends: Any, place: str) -> Path | None:
    """The file that `extends` names, relative to the file that says so."""
    if extends is None:
        return None
    if not isinstance(extends, str) or not extends.isprintable() or not extends:
        raise ConfigError([f"{place}: extends: give the name of one YAML file"])
    return path.parent / extends
