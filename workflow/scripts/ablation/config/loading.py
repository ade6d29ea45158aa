"""Config files -> a checked `Study`, or every error at once.

In: YAML files and `--config` overrides. Out: a `Study`. Fails with `ConfigError`: one line an error, each with file and
line, key, what was wrong and what would be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ablation.config.claims import CLAIMS, claim_problems
from ablation.config.landscape_models import find_models
from ablation.config.matrix import Matrix, Resolved
from ablation.config.plain_yaml import (
    CONTROL,
    MAX_LEVELS,
    MAX_VALUES,
    TOO_DEEP,
    TOO_MANY,
    ConfigError,
    KeyPath,
    dotted,
)
from ablation.config.problems import Problem, describe
from ablation.config.study import Study
from ablation.config.texts import UNSAFE_IN_SHELL, choices, shown, suggestion
from ablation.config.yaml_layers import read_layers

MAX_ERRORS = 50
MAX_RUNS = 100_000
# Names of files beside those of the tables, and of figures beside theirs.
RESERVED_TABLES = ("runs", "claims", "confusion", "filters")
# In the name of an input file they are wildcards to Snakemake.
BRACES = "{}"


def load_study(paths: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> Study:
    """Read, merge and check a study.

    Raises:
        ConfigError: anything is wrong; all errors are in it.
    """
    layers = read_layers(paths, overrides)
    study, problems = _check(layers.config)
    if study is not None and not problems:
        return study
    errors = [f"{layers.place(path)}: {dotted(path)}: {text}" for path, text in problems[:MAX_ERRORS]]
    if len(problems) > MAX_ERRORS:
        errors.append(f"{layers.place(())}: and more; these are the first {MAX_ERRORS}")
    raise ConfigError(errors)


def _check(config: dict[str, Any]) -> tuple[Study | None, list[Problem]]:
    strange = _first(_strange_values(config))
    if strange:
        return None, strange
    config = _without_empty_variants(config)
    study, problems = _validate(config)
    valid = study or _valid_part(config, problems)
    if valid is not None:
        problems += _first(_study_problems(valid))
    return study, problems


def _first(problems: Iterator[Problem]) -> list[Problem]:
    """As many as are shown, and one more: a hostile config has them without end."""
    return list(islice(problems, MAX_ERRORS + 1))


def _strange_values(config: dict[str, Any]) -> Iterator[Problem]:
    """What no setting can be; and a tree without end, which `--config` can make as a file cannot."""
    pending: list[tuple[KeyPath, Any]] = [((), config)]
    for count in range(MAX_VALUES + 1):
        if not pending:
            return
        path, value = pending.pop()
        if count == MAX_VALUES or len(path) > MAX_LEVELS:
            yield path[:1], TOO_MANY if count == MAX_VALUES else TOO_DEEP
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
        wrong = [each for each in found if each["type"] != "too_short" or each["loc"] not in bad]
        return None, [without_kind(describe(each, _keys_at)) for each in wrong]


def without_kind(problem: Problem) -> Problem:
    """A problem at the key where the config has it: pydantic names the kind of a claim as well."""
    path, text = problem
    named = path[:1] == ("claims",) and path[2:3] and path[2] in CLAIMS
    return (path[:2] + path[3:] if named else path), text


def _keys_at(path: KeyPath) -> list[str]:
    """The valid keys of the mapping at `path`, read off the models."""
    if path[:1] == ("claims",):
        return list(CLAIMS[str(path[2])].model_fields)
    kind: Any = Study
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = [each for each in get_args(kind) if each is not Ellipsis][-1]
        if get_origin(kind) in (Union, UnionType):
            kind = get_args(kind)[0]
    return list(kind.model_fields)


def _valid_part(config: dict[str, Any], problems: list[Problem]) -> Study | None:
    """A config without its bad sections and tables, of which the rest can be checked too."""
    bad = {path[:2] if path[0] in ("tables", "claims") else path[:1] for path, _ in problems if path}
    good = {"study": "unchecked", "seeds": [0]} | {key: value for key, value in config.items() if (key,) not in bad}
    for section in ("tables", "claims"):
        if isinstance(good.get(section), Mapping):
            good[section] = {name: each for name, each in good[section].items() if (section, name) not in bad}
    try:
        return Study.model_validate(good)
    except ValidationError:  # there are no variants
        return None


def _study_problems(study: Study) -> Iterator[Problem]:
    yield from _repeated(("seeds",), study.seeds)
    yield from _data_problems(study)
    yield from _table_problems(study)
    resolved = study.resolved
    yield from resolved.problems
    yield from _row_problems(study, resolved)
    yield from claim_problems(study, resolved)
    if resolved.matrix is not None:
        if study.landscape is not None:
            yield from find_models(study.landscape, resolved.matrix)[1]
        yield from _run_count_problems(study, resolved.matrix)


def _row_problems(study: Study, resolved: Resolved) -> Iterator[Problem]:
    """Table rows of unknown variants, or of variants without the accuracy that is asked for."""
    names = resolved.variants
    for name, table in study.tables.items() if names else ():
        for index, row in enumerate(table.rows):
            path = ("tables", name, "rows", index)
            settings = resolved.matrix.settings.get(row.variant) if resolved.matrix else None
            if row.variant not in names:
                known = f"{suggestion(row.variant, names)}Variants: {choices(names)}"
                yield (*path, "variant"), f"no variant {shown(row.variant)}; {known}"
            elif row.accuracy == "averaged" and settings is not None and settings.averaging.name == "none":
                yield (*path, "accuracy"), f"variant '{row.variant}' has no average: set averaging: swa, or ema"


def _repeated(path: KeyPath, seeds: Sequence[int]) -> Iterator[Problem]:
    seen: set[int] = set()
    for index, seed in enumerate(seeds):
        if seed in seen:
            yield (*path, index), f"seed {seed} appears twice; keep one"
        seen.add(seed)


def _run_count_problems(study: Study, matrix: Matrix) -> Iterator[Problem]:
    runs = sum(len(study.seeds_of(variant)) for variant in matrix.variants)
    if runs > MAX_RUNS:
        yield ("variants",), f"with {len(study.seeds)} seeds they make {runs:,} runs; a study has {MAX_RUNS:,} at most"


def _table_problems(study: Study) -> Iterator[Problem]:
    for name in study.tables:
        if name in RESERVED_TABLES or name.removesuffix("-curves") in study.tables.keys() - {name}:
            yield ("tables", name), "is the name of another file of the report; choose another"
    for name, table in study.tables.items():
        variants = [row.variant for row in table.rows]
        if table.baseline not in (None, *variants):
            hint = f"{suggestion(table.baseline, variants)}Rows: {choices(variants)}"
            yield ("tables", name, "baseline"), f"no row of {shown(table.baseline)}; {hint}"
        yield from _repeated(("tables", name, "seeds"), table.seeds)


def _data_problems(study: Study) -> Iterator[Problem]:
    if study.data.name != "images":
        return
    if study.data.path is None:
        text = "is missing: name: images needs the folder or the tar of train/<class>/* and test/<class>/*"
        yield ("data", "path"), text
    elif set(study.data.path) & set(UNSAFE_IN_SHELL + BRACES):
        text = f"{shown(study.data.path)} holds a brace, quote, $, `, \\ or line break; rename it"
        yield ("data", "path"), text
