"""Config files -> a checked `Study`, or every error at once.

In: YAML files and `--config` overrides. Out: a `Study`. Fails with `ConfigError`: one line an error, each with file and
line, key, what was wrong and what would be right.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ablation import matrix
from ablation.config import Landscape, LandscapeModel, Study
from ablation.plain_yaml import (
    CONTROL,
    MOST_LEVELS,
    MOST_VALUES,
    TOO_DEEP,
    TOO_MANY,
    ConfigError,
    KeyPath,
    dotted,
    shown,
)
from ablation.settings import RunSettings
from ablation.yaml_layers import read_layers

Problem = tuple[KeyPath, str]
SETTINGS_SECTIONS = ("base", "override", "variants")
MOST_ERRORS = 50
MOST_NAMES = 100
MOST_RUNS = 100_000
RESERVED_TABLE = "runs"
# In the name of an input file: braces are Snakemake's wildcards, and a cluster's job gives the others to its shell.
UNQUOTED = "{}'\"\\$`\n"
# The whole study stands on the command line of a job, where Linux takes less than 131,072 bytes.
MOST_STUDY_BYTES = 120_000


def load_study(paths: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> Study:
    """Read, merge and check a study.

    Raises:
        ConfigError: anything is wrong; all errors are in it.
    """
    layers = read_layers(paths, overrides)
    study, problems = _check(layers.config)
    if study is not None and not problems:
        return study
    errors = [f"{layers.place(path)}: {dotted(path)}: {text}" for path, text in problems[:MOST_ERRORS]]
    if len(problems) > MOST_ERRORS:
        errors.append(f"{layers.place(())}: and more; these are the first {MOST_ERRORS}")
    raise ConfigError(errors)


def _check(config: dict[str, Any]) -> tuple[Study | None, list[Problem]]:
    strange = _first(_strange_values(config))
    if strange:
        return None, strange
    config = _without_empty_variants(config)
    study, problems = _validate(config)
    problems += _first(_row_problems(config))
    if study is not None and not problems:
        problems = _first(_study_problems(study))
    elif not any(path[0] in SETTINGS_SECTIONS for path, _ in problems if path):
        problems += _first(_run_problems(_settings_only(config)))
    return study, problems


def _first(problems: Iterator[Problem]) -> list[Problem]:
    """As many as are shown, and one more: a hostile config has them without end."""
    return list(islice(problems, MOST_ERRORS + 1))


def _strange_values(config: dict[str, Any]) -> Iterator[Problem]:
    """What no setting can be; and a tree without end, which `--config` can make as a file cannot."""
    pending: list[tuple[KeyPath, Any]] = [((), config)]
    for count in range(MOST_VALUES + 1):
        if not pending:
            return
        path, value = pending.pop()
        if count == MOST_VALUES or len(path) > MOST_LEVELS:
            yield path[:1], TOO_MANY if count == MOST_VALUES else TOO_DEEP
            return
        if any(isinstance(text, str) and CONTROL.search(text) for text in (*path[-1:], value)):
            yield path, f"{shown(value)} is not valid: it, or its key, holds a control character"
        elif isinstance(value, Mapping):
            pending += [((*path, key), each) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            pending += [((*path, index), each) for index, each in enumerate(value)]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            yield path, "is too large a number"


def _without_empty_variants(config: dict[str, Any]) -> dict[str, Any]:
    """`adam:` with nothing behind it is a variant that differs in nothing from base."""
    variants = config.get("variants")
    if not isinstance(variants, Mapping):
        return config
    return config | {"variants": {name: {} if own is None else own for name, own in variants.items()}}


def _validate(config: dict[str, Any]) -> tuple[Study | None, list[Problem]]:
    try:
        return Study.model_validate(config), []
    except ValidationError as error:
        found = error.errors()
        # A list that lost its bad items is then too short as well, which tells nothing more.
        bad = {details["loc"][:end] for details in found for end in range(1, len(details["loc"]))}
        return None, [_describe(each) for each in found if each["type"] != "too_short" or each["loc"] not in bad]


def _describe(details: Any) -> Problem:
    path: KeyPath = details["loc"]
    value = details["input"]
    if details["type"] == "extra_forbidden":
        return path, _unknown_key(path)
    # pydantic's mark of an error in the key itself.
    path = path[:-1] if path[-1:] == ("[key]",) else path
    match details["type"]:
        case "literal_error":
            options = details["ctx"]["expected"].replace(" or ", ", ")
            return path, f"{shown(value)} is no valid option; choose one of {options}"
        case "string_pattern_mismatch":
            return (
                path,
                f"{shown(value)} is no valid name; use small letters, digits and single hyphens, as in 'wide-cosine'",
            )
        case "missing":
            return path, "is missing"
        case "model_type" | "dict_type":
            return path, f"{shown(value)} is not valid: a mapping of settings is expected"
        case _:
            reason = details["msg"].replace("Tuple", "List").replace(" after validation", "")
            return path, f"{shown(value)} is not valid: {reason[0].lower()}{reason[1:]}"


def _unknown_key(path: KeyPath) -> str:
    valid = _keys_at(path[:-1])
    close = difflib.get_close_matches(str(path[-1])[:60], valid, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return f"unknown key{hint} Valid keys: {', '.join(valid)}"


def _keys_at(path: KeyPath) -> list[str]:
    """The valid keys of the mapping at `path`, read off the models."""
    kind: Any = Study
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = [each for each in get_args(kind) if each is not Ellipsis][-1]
        if get_origin(kind) in (Union, UnionType):
            kind = get_args(kind)[0]
    return list(kind.model_fields)


def _settings_only(config: dict[str, Any]) -> Study:
    """The valid half of a config whose tables, data or seeds are not: enough to check the runs too."""
    sections = {key: config[key] for key in SETTINGS_SECTIONS if key in config}
    return Study.model_validate({"study": "unchecked", "seeds": [0], **sections})


def _row_problems(config: dict[str, Any]) -> Iterator[Problem]:
    """Table rows of variants that are not there."""
    tables, variants = config.get("tables"), config.get("variants")
    if not isinstance(tables, Mapping) or not isinstance(variants, Mapping):
        return
    for name, table in tables.items():
        rows = table.get("rows") if isinstance(table, Mapping) else None
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            variant = row.get("variant") if isinstance(row, Mapping) else None
            if isinstance(variant, str) and variant not in variants:
                yield ("tables", name, "rows", index, "variant"), _no_variant(variant, variants)


def _no_variant(variant: str, variants: Iterable[Any]) -> str:
    names = [name for name in map(str, islice(variants, MOST_NAMES)) if shown(name) == f"'{name}'"]
    close = difflib.get_close_matches(variant[:60], names, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"no variant {shown(variant)}; {hint}Variants: {', '.join(names)}"


def _study_problems(study: Study) -> Iterator[Problem]:
    return chain(_run_problems(study), _seed_problems(study), _data_problems(study), _size_problems(study))


def _seed_problems(study: Study) -> Iterator[Problem]:
    seen: set[int] = set()
    for index, seed in enumerate(study.seeds):
        if seed in seen:
            yield ("seeds", index), f"seed {seed} stands twice; keep one"
        seen.add(seed)


def _size_problems(study: Study) -> Iterator[Problem]:
    runs = len(study.variants) * len(study.seeds)
    if runs > MOST_RUNS:
        yield ("variants",), f"with {len(study.seeds)} seeds they make {runs:,} runs; a study has {MOST_RUNS:,} at most"
    size = len(shlex.quote(study.model_dump_json(exclude_unset=True)).encode())
    if size > MOST_STUDY_BYTES:
        yield (
            ("study",),
            f"the whole study takes {size:,} bytes as JSON; {MOST_STUDY_BYTES:,} at most: shorten its texts",
        )
    if RESERVED_TABLE in study.tables:
        yield ("tables", RESERVED_TABLE), "is the name of the table of all runs; choose another"


def _data_problems(study: Study) -> Iterator[Problem]:
    if study.data.name != "images":
        return
    if study.data.path is None:
        text = "is missing: name: images needs the folder or the tar of train/<class>/* and test/<class>/*"
        yield ("data", "path"), text
    elif set(study.data.path) & set(UNQUOTED):
        text = f"{shown(study.data.path)} holds a brace, quote, $, `, \\ or line break; rename it"
        yield ("data", "path"), text


def _run_problems(study: Study) -> Iterator[Problem]:
    """What only the resolved runs show: settings that contradict each other, have no effect, or make two runs one."""
    resolved = matrix.resolve(study)
    for name, settings in resolved.items():
        for key, text in _contradictions(settings):
            yield _origin(study, name, key), f"{text} (variant '{name}')"
    yield from _idle_problems(study)
    for one, other in matrix.duplicates(resolved):
        text = f"is the same run as variant '{one}'; keep one of them, and let the tables' rows share it"
        yield ("variants", other), text
    yield from _figure_problems(study, resolved)
    yield from _landscape_problems(study, resolved)


def _idle_problems(study: Study) -> Iterator[Problem]:
    """Settings of a variant that its own choices do not read."""
    for name, own in study.variants.items():
        settings = matrix.layered((study.base, own))
        for key in matrix.explicit(own):
            if not matrix.is_read(key, settings):
                choice, values = matrix.READ_ONLY_BY[key]
                wanted, have = " or ".join(map(str, values)), getattr(settings, choice)
                yield ("variants", name, key), f"has no effect: it needs {choice}: {wanted}, and here it is {have}"


def _figure_problems(study: Study, resolved: Mapping[str, RunSettings]) -> Iterator[Problem]:
    for name, table in study.tables.items():
        for index, row in enumerate(table.rows):
            if row.figure == "averaged" and not resolved[row.variant].swa:
                yield (
                    ("tables", name, "rows", index, "figure"),
                    f"variant '{row.variant}' has no SWA average: set swa: true",
                )


def _landscape_problems(study: Study, resolved: Mapping[str, RunSettings]) -> Iterator[Problem]:
    if study.landscape is None:
        return
    unknown = list(_unknown_in_landscape(study.landscape, resolved))
    yield from unknown
    if unknown:
        return
    for index, model in enumerate(study.landscape.models):
        yield from _curve_problems(("landscape", "models", index), model, resolved)
    without, with_it = study.landscape.models
    if without.label == with_it.label:
        yield ("landscape", "models", 1, "label"), f"'{with_it.label}' is that of the first model too; it needs another"
    rates = [sorted(resolved[variant].learning_rate for variant in model.band) for model in (without, with_it)]
    if rates[0] != rates[1]:
        text = f"has the learning rates {rates[1]}, and that of '{without.label}' {rates[0]}; both need the same"
        yield ("landscape", "models", 1, "band"), text
    if without.probed.keys() != with_it.probed.keys():
        text = (
            f"names {sorted(with_it.probed)}, and '{without.label}' names {sorted(without.probed)}; both need the same"
        )
        yield ("landscape", "models", 1, "probed"), text


def _unknown_in_landscape(landscape: Landscape, resolved: Mapping[str, RunSettings]) -> Iterator[Problem]:
    for index, model in enumerate(landscape.models):
        named: list[tuple[KeyPath, str]] = [
            *((("band", place), variant) for place, variant in enumerate(model.band)),
            *((("larger", place), variant) for place, variant in enumerate(model.larger)),
            *((("probed", pair), variant) for pair, variant in model.probed.items()),
        ]
        for place, variant in named:
            if variant not in resolved:
                yield ("landscape", "models", index, *place), _no_variant(variant, resolved)


def _curve_problems(path: KeyPath, model: LandscapeModel, resolved: Mapping[str, RunSettings]) -> Iterator[Problem]:
    """Variants of one model that differ in more than their learning rate, or that do not record their steps."""
    first = model.band[0]
    for section, variants in (("band", model.band), ("larger", model.larger)):
        for index, variant in enumerate(variants):
            settings = resolved[variant]
            differing = matrix.differences(settings, resolved[first]) - {"learning_rate"}
            if differing:
                text = f"'{variant}' differs from '{first}' in {', '.join(sorted(differing))}; only learning_rate may"
                yield (*path, section, index), text
            if section == "band" and not settings.record_steps:
                yield (*path, section, index), f"'{variant}' records no steps: set record_steps: true"


def _contradictions(settings: RunSettings) -> Iterator[tuple[str, str]]:
    if settings.swa and settings.swa_start > settings.epochs:
        yield "swa_start", f"{settings.swa_start} lies behind the last epoch, {settings.epochs}"
    if settings.scheduler == "cosine" and settings.min_learning_rate > settings.learning_rate:
        yield "min_learning_rate", f"{settings.min_learning_rate} is above learning_rate, {settings.learning_rate}"


def _origin(study: Study, variant: str, key: str) -> KeyPath:
    """The section that sets `key` for this variant."""
    if key in matrix.explicit(study.override):
        return ("override", key)
    if key in matrix.explicit(study.variants[variant]):
        return ("variants", variant, key)
    return ("base", key)
