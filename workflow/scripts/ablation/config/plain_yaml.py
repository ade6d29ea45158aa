"""One YAML file -> plain values: mappings whose keys are texts, lists, texts, numbers, true, false and null.

In: a file. Out: its mapping, and file and line of every key. Fails with `ConfigError`, with file and line, on a file
that cannot be read, bad YAML, tags, keys that are not texts or are repeated, and aliases or nesting without end, before
anything is built of them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ablation.config.texts import shown

KeyPath = tuple[str | int, ...]
# What YAML holds only as an escape ("\\0"): it would reach files, figures and command lines.
CONTROL = yaml.reader.Reader.NON_PRINTABLE
# Numbers that YAML reads as people do: to YAML 1.1 010 is 8, 1:30 is 90, 1_0 is 10, and 1_0e-3 a text, to Python 0.01.
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_LEVELS = 50
TOO_MANY = f"holds more than {MAX_VALUES:,} values, counting what aliases repeat; a study has far fewer"
TOO_DEEP = f"is nested more than {MAX_LEVELS} levels deep, or an alias (*name) is inside what it repeats"


class ConfigError(ValueError):
    """What is wrong with the config, a line per error."""

    def __init__(self, errors: Sequence[str]):
        super().__init__("\n".join(errors))
        self.errors = list(errors)


class Refused(yaml.MarkedYAMLError):
    """YAML that is valid, and is not allowed here."""


class PlainLoader(yaml.SafeLoader):
    """YAML without tags. Keys are texts whatever they look like (`1e-3`, `no`), and so are dates and a single `=`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and form that PyYAML asks for
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith((":timestamp", ":value"))]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            raise refusal(event, f"the tag '{event.tag}' is not allowed; write a plain value, or a text in quotes")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            check_number(node, value)
        except (ValueError, OverflowError) as error:
            raise refusal(node, f"{shown(node.value)} looks like a number but is not one") from error
        return value


def read_plain(path: str | Path) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """The settings of a file, and file and line of every key.

    Raises:
        ConfigError: it cannot be read, or is no YAML of plain values.
    """
    name = os.path.relpath(path)
    text = read_text(path)
    try:
        loader = PlainLoader(text)
        root = loader.get_single_node()
        check_nodes(root)
        if not isinstance(root, yaml.MappingNode) or not root.value:
            raise ConfigError([f"{name}: holds no settings; see config/README.md"])
        places = _places(root, name)
        return loader.construct_document(root), places
    except yaml.YAMLError as error:
        line, reason = _explained(error, text)
        raise ConfigError([f"{name}:{line}: {reason}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{name}: {TOO_DEEP}"]) from error


def read_text(path: str | Path) -> str:
    """The text of a file of a study.

    Raises:
        ConfigError: it is no file, is too large or is no text.
    """
    name = os.path.relpath(path)
    try:
        # Opening a pipe would wait for its writer.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError([f"{name}: is not a file; give the name of a YAML file"])
        if status.st_size > MAX_BYTES:
            raise ConfigError([f"{name}: has {status.st_size:,} bytes; a study has far fewer than {MAX_BYTES:,}"])
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{name}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{name}: is not a text file in UTF-8"]) from error


def _explained(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line and reason of an error."""
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, f"is not valid YAML: control character U+{error.character:04X}"
    assert isinstance(error, yaml.MarkedYAMLError)
    mark = error.problem_mark or error.context_mark
    lead = None if isinstance(error, Refused) else "is not valid YAML"
    reason = ": ".join(part for part in (lead, error.context, error.problem) if part)
    return mark.line + 1 if mark else 1, " ".join(reason.split())


def check_number(node: yaml.Node, value: Any) -> None:
    """Refuse a number that people read as another one, or as none."""
    if not isinstance(node, yaml.ScalarNode) or node.style or DECIMAL.fullmatch(node.value):
        return
    if isinstance(value, str) and re.search(r"\d", value):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = f"{shown(node.value)} would be read as {value}; write {value}, or '{node.value}' in quotes for a text"
        raise refusal(node, text)


def check_nodes(root: yaml.Node | None) -> None:
    """Refuse a tree that is too large to build; aliases can repeat a part of it, or let it lead back into itself."""
    pending, count = [(root, 1)] if root else [], 0
    while pending:
        node, level = pending.pop()
        count += 1
        if count > MAX_VALUES:
            raise refusal(root, TOO_MANY)
        if level > MAX_LEVELS:
            raise refusal(node, TOO_DEEP)
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise refusal(key, "a key is a list or a mapping; write a name")
        if isinstance(node, yaml.CollectionNode):
            pending += [(child, level + 1) for child in _children(node)]


def _children(node: yaml.CollectionNode) -> Iterator[yaml.Node]:
    return (pair[1] for pair in node.value) if isinstance(node, yaml.MappingNode) else iter(node.value)


def _places(root: yaml.Node, name: str) -> dict[KeyPath, str]:
    """File and line of every key.

    Raises:
        ConfigError: a key appears twice in its mapping; an error for each.
    """
    places: dict[KeyPath, str] = {}
    twice: list[str] = []
    pending: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            children = [((*path, index), value, value) for index, value in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            children = [((*path, key.value), key, value) for key, value in node.value]
        else:
            continue
        for child, key, value in children:
            place = f"{name}:{key.start_mark.line + 1}"
            if child in places and key.value != "<<":
                twice.append(f"{place}: {dotted(child)}: appears twice, first in {places[child]}; keep one")
            places[child] = place
            pending.append((child, value))
    if twice:
        raise ConfigError(twice)
    return places


def refusal(place: Any, text: str) -> Refused:
    """An error at the place of a node or an event."""
    return Refused(problem=text, problem_mark=place.start_mark)


def dotted(path: KeyPath) -> str:
    """`('tables', 'losses', 'rows', 0)` as `tables.losses.rows[0]`; a key that would not read well, as in Python."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_legible(part)}" for part in path)
    return text.removeprefix(".")


def _legible(key: object) -> str:
    text = str(key)
    return text if text.isprintable() and 0 < len(text) <= 60 and " " not in text else shown(text)
