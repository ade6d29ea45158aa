"""A config's `base`, `variants` and `override` -> the matrix: every variant with its complete settings. No torch.

In: the sections as in the YAML, and the catalog of components. Out: a `Matrix`, or what is wrong, each problem with the
path of its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ablation.config.grid import MAX_VARIANTS, Expansion, Variant, expand
from ablation.config.kinds import Catalog, Component, ImageShape, as_mapping
from ablation.config.plain_yaml import MAX_LEVELS, KeyPath
from ablation.config.problems import Problem, describe
from ablation.config.settings import (
    DEFAULTS,
    RUN_FIELDS,
    Partial,
    RunSettings,
    flat,
    merge,
    paths,
    reachable,
    settings_of_component,
    spec,
    spec_json,
    validated,
)
from ablation.config.texts import choices, shown, suggestion

if TYPE_CHECKING:
    from ablation.config.study import Study, Table


@dataclass(frozen=True, order=True)
class Run:
    """One job of the matrix."""

    variant: str
    seed: int

    @property
    def directory(self) -> PurePosixPath:
        return PurePosixPath("results", "runs", self.variant, f"seed{self.seed}")

    @property
    def metrics(self) -> str:
        return str(self.directory / "metrics.json")

    @property
    def log(self) -> str:
        return str(self.directory / "train.log")

    @property
    def probe(self) -> str:
        return str(PurePosixPath("results", "probes", self.variant, f"seed{self.seed}", "probe.json"))


@dataclass(frozen=True)
class Matrix:
    """Every variant of a study by name, in the order of the YAML, and its complete settings: base, then what the
    variant says, then the override. `base` is what a variant without settings of its own would have."""

    base: RunSettings
    variants: Mapping[str, Variant]
    settings: Mapping[str, RunSettings]


@dataclass(frozen=True)
class Sections:
    """The parts of a config that make its runs."""

    base: Partial
    variants: Mapping[str, Partial]
    override: Partial
    catalog: Catalog
    images: ImageShape


@dataclass(frozen=True)
class Resolved:
    """What the sections of a config make: all variants, whatever their settings; a matrix where nothing is wrong."""

    variants: Mapping[str, Variant]
    matrix: Matrix | None
    problems: list[Problem]


def resolve(sections: Sections) -> Resolved:
    """Lay base, variants and override over each other, and check what comes out."""
    variants, problems = _expanded(sections)
    base, wrong = _validated(merge(DEFAULTS, sections.base, sections.catalog), sections)
    problems += [(("base", *path), text) for path, text in wrong]
    bottom = spec(base) if base is not None else merge(DEFAULTS, sections.base, sections.catalog)
    layered = [_layered(variant, bottom, sections) for variant in variants.values()]
    settings = {each.variant.name: each.settings for each in layered if each.settings is not None}
    problems += [problem for each in layered for problem in each.problems]
    problems += [*_refused(layered), *_unreached(sections.override, layered), *_duplicates(settings, variants)]
    if problems:
        return Resolved(variants, None, list(dict.fromkeys(problems)))
    lowest = merge(bottom, reachable(sections.override, bottom, sections.catalog), sections.catalog)
    return Resolved(variants, Matrix(validated(lowest, sections.catalog), variants, settings), [])


@dataclass(frozen=True)
class _Layered:
    """A variant between base and override: what the override sets in it, and its settings, where they are valid.

    `refused` is what the settings refuse in each other.
    """

    variant: Variant
    override: Partial
    settings: RunSettings | None
    problems: list[Problem]
    refused: list[Problem]


def _layered(variant: Variant, bottom: Partial, sections: Sections) -> _Layered:
    own = merge(bottom, variant.own, sections.catalog)
    override = reachable(sections.override, own, sections.catalog)
    settings, wrong = _validated(merge(own, override, sections.catalog), sections)
    refused = _refusals(settings, sections.images) if settings is not None else []
    placed = (
        [(_origin(path, variant, override, sections), text) for path, text in problems] for problems in (wrong, refused)
    )
    return _Layered(variant, override, settings, *placed)


def _expanded(sections: Sections) -> tuple[dict[str, Variant], list[Problem]]:
    variants: dict[str, Variant] = {}
    problems: list[Problem] = []
    for entry in sections.variants:
        try:
            given = _with_likeness(entry, sections)
        except LikeError as error:
            problems.append((("variants", entry, "like"), str(error)))
            continue
        found, wrong = expand(entry, given, sections.catalog)
        problems += wrong
        for variant in found:
            other = variants.setdefault(variant.name, variant)
            if other.entry != entry:
                text = f"makes the variant '{variant.name}', and '{other.entry}' makes one of that name; rename one"
                problems.append((("variants", entry), text))
        if len(variants) > MAX_VARIANTS:
            return {}, [(("variants",), f"make more than {MAX_VARIANTS:,} variants; {MAX_VARIANTS:,} at most")]
    return variants, problems


class LikeError(ValueError):
    """A variant is like none, or like itself."""


def _with_likeness(entry: str, sections: Sections, above: tuple[str, ...] = ()) -> Partial:
    """A variant's entry, laid over the settings of the one that it is like; not over that one's grid."""
    given = sections.variants[entry]
    like = given.get("like")
    if like is None:
        return given
    if not isinstance(like, str) or like not in sections.variants:
        raise LikeError(
            f"no variant {shown(like)}; {suggestion(like, sections.variants)}Variants: {choices(sections.variants)}"
        )
    if like in (entry, *above):
        raise LikeError("leads back to this variant")
    if len(above) > MAX_LEVELS:
        raise LikeError(f"leads through more than {MAX_LEVELS} variants, each like another")
    below = _with_likeness(like, sections, (entry, *above))
    settings = {key: value for key, value in below.items() if key not in Expansion.model_fields}
    return merge(settings, given, sections.catalog)


def _validated(complete: Partial, sections: Sections) -> tuple[RunSettings | None, list[Problem]]:
    try:
        return validated(complete, sections.catalog), []
    except ValidationError as error:
        found = error.errors()
    # A list that lost its bad items is then too short as well, which tells nothing more.
    bad = {details["loc"][:end] for details in found for end in range(1, len(details["loc"]))}

    def valid_keys(path: KeyPath) -> list[str]:
        return [key for key in _fields_at(path, complete, sections.catalog) if key != "name" or not path]

    wrong = [each for each in found if each["type"] != "too_short" or each["loc"] not in bad]
    return None, [_with_hint(describe(each, valid_keys), complete, sections.catalog) for each in wrong]


def _fields_at(path: KeyPath, settings: Any, catalog: Catalog) -> Mapping[str, type[Component] | None]:
    """The valid keys at a path, with their kinds where they are components."""
    fields: Mapping[str, type[Component] | None] = RUN_FIELDS
    if not path:
        return dict.fromkeys(RunSettings.model_fields) | RUN_FIELDS
    for part in path:
        kind, settings = fields[str(part)], as_mapping(settings[part])
        assert kind is not None, "only a component has keys of its own"
        fields = settings_of_component(settings.get("name"), kind, catalog)
    return fields


def _with_hint(problem: Problem, complete: Partial, catalog: Catalog) -> Problem:
    """A setting that belongs to another component than the one that it is written in, or beside."""
    path, text = problem
    if not text.startswith("unknown key"):
        return problem
    if len(path) == 1:
        return path, _home_of(path[0], catalog) or text
    kind = _fields_at(path[:-2], complete, catalog)[str(path[-2])]
    owners = [name for name, choice in catalog[kind.kind].items() if path[-1] in choice.model_fields] if kind else []
    if not owners or kind is None:
        return problem
    chosen = dict(flat(complete)).get(".".join(map(str, path[:-1])))
    valid = text.partition("Valid keys: ")[2]
    return path, f"is a setting of {choices(owners)}, and this {kind.kind} is {chosen}. Valid keys: {valid}"


def _home_of(key: Any, catalog: Catalog) -> str | None:
    """Where a setting belongs that is written beside the components."""
    for name, kind in RUN_FIELDS.items():
        settings = settings_of_component(None, kind, catalog)
        if key in settings:
            return f"is a setting of the {name}; write {name}: {{{key}: ...}}"
        for inner, inner_kind in settings.items():
            if inner_kind and key in settings_of_component(None, inner_kind, catalog):
                return f"is a setting of the {inner}; write {name}: {{{inner}: {{{key}: ...}}}}"
    return None


def _origin(path: KeyPath, variant: Variant, override: Partial, sections: Sections) -> KeyPath:
    """The key of the config that sets this setting of a variant, or something in it."""
    if _sets(override, path):
        return ("override", *path)
    for end in range(len(path), 0, -1):
        point = variant.points.get(path[:end])
        if point is not None and _sets(point.value, path[end:]):
            return ("variants", variant.entry, *point.place, *path[end:])
    for axis, point in variant.points.items():
        if axis[: len(path)] == path:  # the path of an axis leads through something wrong
            return ("variants", variant.entry, *point.place[:2])
    entry: str | None = variant.entry
    while entry is not None:
        if _sets(sections.variants[entry], path):
            return ("variants", entry, *path)
        entry = sections.variants[entry].get("like")
    return ("base", *path)


def _sets(settings: Any, path: KeyPath) -> bool:
    for part in path:
        settings = as_mapping(settings)
        if not isinstance(settings, Mapping) or part not in settings:
            # Inside a list, which is set as a whole.
            return isinstance(settings, list | tuple) and isinstance(part, int)
        settings = settings[part]
    return True


def _refusals(settings: RunSettings, images: ImageShape) -> list[Problem]:
    """What the components refuse in the other settings and in the images, by the component's key."""
    problems: list[Problem] = []
    for key, value in settings:
        for part in value.parts() if isinstance(value, Component) else ():
            try:
                part.check(settings, images)
            except ValueError as error:
                problems.append(((key,), str(error)))
    for key in ("mean", "std"):
        count = len(getattr(settings, key))
        if count not in (1, images.channels):
            problems.append(((key,), f"has {count} values, and the images have {images.channels} channel(s)"))
    return problems


def _refused(layered: Sequence[_Layered]) -> Iterator[Problem]:
    """The same key may be wrong in many variants: it is told once."""
    variants: dict[Problem, list[str]] = {}
    for each in layered:
        for problem in each.refused:
            variants.setdefault(problem, []).append(each.variant.name)
    for (path, text), names in variants.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield path, f"{text} (variant '{names[0]}'{more})"


def _unreached(override: Partial, layered: Sequence[_Layered]) -> Iterator[Problem]:
    """Settings of the override that no variant's component has."""
    if not layered:
        return
    reached = {path for each in layered for path in paths(each.override)}
    settable = {path for each in layered if each.settings is not None for path in paths(spec(each.settings))}
    for path in paths(override):
        if path not in reached:
            kind = path[0] if len(path) < 3 else path[-2]
            hint = suggestion(path[-1], sorted(each[-1] for each in settable if each[:-1] == path[:-1]))
            text = f"reaches no run: no variant's {kind} has the setting '{path[-1]}'"
            yield ("override", *path), f"{text}; {hint}".removesuffix("; ").strip()


def _duplicates(settings: Mapping[str, RunSettings], variants: Mapping[str, Variant]) -> Iterator[Problem]:
    """Variants that would train the same run as an earlier one."""
    first: dict[str, str] = {}
    for name, each in settings.items():
        one = first.setdefault(spec_json(each), name)
        if one != name:
            entry = variants[name].entry
            lead = "" if entry == name else f"'{name}' "
            text = f"{lead}is the same run as variant '{one}'; keep one of them, and let the tables' rows share it"
            yield ("variants", entry), text


def runs(study: Study) -> list[Run]:
    """The whole matrix, variant x seed, in the order of the YAML."""
    return runs_of(study.matrix.variants, study)


def runs_of(variants: Iterable[str], study: Study) -> list[Run]:
    """The runs of these variants, each once."""
    return [Run(variant, seed) for variant in dict.fromkeys(variants) for seed in study.seeds_of(variant)]


def runs_of_table(study: Study, table: Table) -> list[Run]:
    """The runs that a table compares."""
    return runs_of((row.variant for row in table.rows), study)


def runs_of_landscape(study: Study) -> list[Run]:
    """The runs that the landscape section compares, with the study's own seeds."""
    return _with_seeds((name for model in study.landscape_models for name in model.variants), study)


def probed_runs(study: Study) -> list[Run]:
    """The runs that are trained a second time, with probes."""
    return _with_seeds((name for model in study.landscape_models for name in model.probed.values()), study)


def _with_seeds(variants: Iterable[str], study: Study) -> list[Run]:
    return [Run(variant, seed) for variant, seed in product(dict.fromkeys(variants), study.seeds)]
