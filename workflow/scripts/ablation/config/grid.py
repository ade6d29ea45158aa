"""One entry of a config's `variants` -> the variants that it describes. No torch.

In: an entry as in the YAML, which may hold `grid` (the product of its axes) or `one_at_a_time` (a baseline, and each
change of it alone). Out: a `Variant` each, and the problems, each with the path of the key that it is about.

An axis is the path of a setting with its values: a list, or a mapping from names of the user's choice.
"""

from __future__ import annotations

import math
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import Field, PositiveInt, StringConstraints, TypeAdapter, ValidationError

from ablation.config.kinds import Catalog
from ablation.config.plain_yaml import KeyPath
from ablation.config.problems import NAME_RULE, Problem, describe
from ablation.config.settings import Partial, merge
from ablation.config.strict import Strict
from ablation.config.texts import choices, shown

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
MAX_VARIANTS = 100_000
_IDENTIFIER = TypeAdapter(Identifier)


class Sample(Strict):
    """A random part of a grid's combinations."""

    count: PositiveInt = Field(le=MAX_VARIANTS, description="how many combinations to draw")
    seed: int = Field(0, lt=2**32, description="of the draw: the same seed draws the same combinations")


class Expansion(Strict):
    """The keys of a variant that are not settings: where it starts, and what expands it into several."""

    like: Identifier | None = Field(None, description="another variant, whose settings this one starts from")
    grid: dict[str, Any] | None = Field(
        None, min_length=1, description="axes: by setting (model.batch_norm), its values, or a mapping that names them"
    )
    one_at_a_time: dict[str, Any] | None = Field(
        None, min_length=1, description="by setting, the value or values that it has in a variant of its own"
    )
    name: str | None = Field(None, description="names of the grid's variants, with {axis} in them")
    exclude: tuple[dict[str, Any], ...] = Field((), description="combinations to leave out: values by axis")
    random: Sample | None = Field(None, description="draw some of the combinations instead of taking all")


class Point(NamedTuple):
    """A value on an axis, with its name and its place in the entry."""

    name: str
    value: Any
    place: KeyPath


@dataclass(frozen=True)
class Variant:
    """A line of the matrix: what it sets differently from base.

    `entry` is the key in the YAML that it comes from. `axes` are the names of its values by axis, and `points` the
    values themselves by the path that they set.
    """

    name: str
    own: Partial
    entry: str
    axes: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[KeyPath, Point] = field(default_factory=dict)


def expand(entry: str, given: Partial, catalog: Catalog) -> tuple[list[Variant], list[Problem]]:
    """The variants that an entry expands to: just itself where it has no grid."""
    own = {key: value for key, value in given.items() if key not in Expansion.model_fields}
    try:
        expansion = Expansion.model_validate({key: given[key] for key in given if key in Expansion.model_fields})
        variants = list(_expanded(entry, own, expansion, catalog))
    except ValidationError as error:
        problems = [describe(details, lambda _: Sample.model_fields) for details in error.errors()]
        return [], [(("variants", entry, *path), text) for path, text in problems]
    except GridError as error:
        return [], [(("variants", entry, *error.path), error.text)]
    return variants, list(_clashes(variants))


class GridError(ValueError):
    """What is wrong with a grid, and at which key of the variant."""

    def __init__(self, path: KeyPath, text: str):
        super().__init__(text)
        self.path, self.text = path, text


def _expanded(entry: str, own: Partial, expansion: Expansion, catalog: Catalog) -> Iterator[Variant]:
    if expansion.one_at_a_time is not None:
        if expansion.grid is not None:
            raise GridError(
                ("one_at_a_time",), "cannot be combined with a grid; keep one of them, or make two variants"
            )
        _refuse_without_grid(expansion)
        yield from _one_at_a_time(entry, own, expansion.one_at_a_time, catalog)
    elif expansion.grid is not None:
        yield from _product(entry, own, expansion, catalog)
    else:
        _refuse_without_grid(expansion)
        yield Variant(entry, own, entry)


def _refuse_without_grid(expansion: Expansion) -> None:
    for key in ("name", "exclude", "random"):
        if key in expansion.model_fields_set:
            raise GridError((key,), "has no effect: it needs a grid beside it")


# --- one_at_a_time ---


def _one_at_a_time(entry: str, own: Partial, changes: Mapping[str, Any], catalog: Catalog) -> Iterator[Variant]:
    """The baseline, then a variant for each value of each setting."""
    yield Variant(entry, own, entry)
    for axis, values in changes.items():
        for point in _points(("one_at_a_time", axis), axis, values):
            name = point.name if _says_it(point) else f"{slug(axis.rpartition('.')[2])}-{point.name}"
            yield _variant(f"{entry}-{name}", own, entry, {axis: point}, catalog)


def _says_it(point: Point) -> bool:
    """Whether the name of a value tells by itself what it is of, as that of a component does, and a number does not."""
    is_number = isinstance(point.value, str) and point.value[:1].isdigit()  # 1e-2, which YAML takes for a text
    is_named = point.place[-1] == point.name
    return is_named or (isinstance(point.value, bool | str | Mapping | None) and not is_number)


# --- grid ---


def _product(entry: str, own: Partial, expansion: Expansion, catalog: Catalog) -> Iterator[Variant]:
    axes = {axis: _points(("grid", axis), axis, values) for axis, values in (expansion.grid or {}).items()}
    for combination in _chosen(axes, expansion):
        yield _variant(_named(entry, expansion.name, combination), own, entry, combination, catalog)


def _points(path: KeyPath, axis: str, given: Any) -> list[Point]:
    """The values of an axis: of a mapping with its names; of a list, or a single one, with names made of them."""
    if not all(axis.split(".")):
        raise GridError(path, f"{shown(axis)} is not the path of a setting, such as model.batch_norm")
    if isinstance(given, list | tuple):
        points = [Point(value_name(axis, value), value, (*path, at)) for at, value in enumerate(given)]
    elif isinstance(given, Mapping) and "name" not in given:
        points = [Point(name, value, (*path, name)) for name, value in given.items()]
    else:  # a component's settings, or what is no collection
        points = [Point(value_name(axis, given), given, path)]
    if not points:
        raise GridError(path, "has no values")
    _check_names(points)
    return points


def _check_names(points: Sequence[Point]) -> None:
    """Refuse values whose names cannot be part of a variant's, or are the same."""
    seen: set[str] = set()
    for point in points:
        if not _is_identifier(point.name):
            reason = "which is not a valid name; name the values: {a-name: value, ...}"
            raise GridError(point.place, f"{shown(point.value)} is called {shown(point.name)}, {reason}")
        if point.name in seen:
            raise GridError(
                point.place, f"there are two values '{point.name}'; keep one, or name them: {{a-name: value}}"
            )
        seen.add(point.name)


def _chosen(axes: Mapping[str, list[Point]], expansion: Expansion) -> list[dict[str, Point]]:
    """The combinations that are left, in the order of the axes, the last axis changing fastest."""
    total = math.prod(map(len, axes.values()))
    left: Sequence[int] = range(total)  # which may be too long for len()
    if expansion.exclude:
        left = _not_excluded(axes, expansion.exclude, total)
        total = len(left)
    sample = expansion.random
    if sample is not None and sample.count > total:
        raise GridError(("random", "count"), f"{sample.count} is more than the grid's {total} combinations")
    count = total if sample is None else sample.count
    if count > MAX_VARIANTS:
        raise GridError(("grid",), f"makes {count:,} variants; {MAX_VARIANTS:,} at most: draw some with random")
    chosen = range(total) if sample is None else _drawn(total, sample)
    return [_combination(axes, left[index]) for index in chosen]


def _drawn(total: int, sample: Sample) -> list[int]:
    """So many different numbers below the total, in their order."""
    generator = random.Random(sample.seed)
    if total <= sys.maxsize:
        return sorted(generator.sample(range(total), sample.count))
    drawn: set[int] = set()
    while len(drawn) < sample.count:
        drawn.add(generator.randrange(total))
    return sorted(drawn)


def _not_excluded(axes: Mapping[str, list[Point]], exclude: Sequence[Mapping[str, Any]], total: int) -> list[int]:
    """The numbers of the combinations that no exclusion names."""
    if total > MAX_VARIANTS:
        raise GridError(("exclude",), f"is for grids of {MAX_VARIANTS:,} combinations at most, and this has {total:,}")
    excluded = [_exclusion(axes, at, given) for at, given in enumerate(exclude)]
    left, used = [], set[int]()
    for index in range(total):
        combination = _combination(axes, index)
        hits = [at for at, each in enumerate(excluded) if _matches(combination, each)]
        used.update(hits)
        left += [] if hits else [index]
    unused = sorted(set(range(len(exclude))) - used)
    if unused:
        raise GridError(("exclude", unused[0]), "excludes nothing: no combination has all of these values")
    if not left:
        raise GridError(("exclude",), "leaves no combination of the grid")
    return left


def _combination(axes: Mapping[str, list[Point]], index: int) -> dict[str, Point]:
    """The combination of that number."""
    chosen = {}
    for axis, points in reversed(list(axes.items())):
        index, place = divmod(index, len(points))
        chosen[axis] = points[place]
    return {axis: chosen[axis] for axis in axes}


def _exclusion(axes: Mapping[str, list[Point]], index: int, given: Mapping[str, Any]) -> dict[str, set[str]]:
    """The names of the excluded values by axis."""
    excluded = {}
    for key, values in given.items():
        axis = axis_of(key, axes)
        if axis is None:
            raise GridError(("exclude", index, key), f"is not an axis of the grid; axes: {choices(axes)}")
        wanted = values if isinstance(values, list | tuple) else [values]
        names = [point_name(axes[axis], value) for value in wanted]
        for value, name in zip(wanted, names, strict=True):
            if name is None:
                known = choices(point.name for point in axes[axis])
                raise GridError(("exclude", index, key), f"{shown(value)} is not a value of {axis}; values: {known}")
        excluded[axis] = {str(name) for name in names}
    if not excluded:
        raise GridError(("exclude", index), "names no axis")
    return excluded


def _matches(combination: Mapping[str, Point], excluded: Mapping[str, set[str]]) -> bool:
    return all(combination[axis].name in names for axis, names in excluded.items())


def axis_of(key: str, axes: Mapping[str, Any]) -> str | None:
    """The axis of that path, or else the only one whose path ends so."""
    if key in axes:
        return key
    ending = [axis for axis in axes if axis.rpartition(".")[2] == key]
    return ending[0] if len(ending) == 1 else None


def point_name(points: Sequence[Point], wanted: Any) -> str | None:
    """The name of the value that is called so, or that is equal."""
    for point in points:
        if point.name == wanted or (type(point.value) is type(wanted) and point.value == wanted):
            return point.name
    return None


# --- names ---


def _named(entry: str, pattern: str | None, combination: Mapping[str, Point]) -> str:
    if pattern is None:
        return "-".join([entry, *(point.name for point in combination.values())])

    def fill(match: re.Match[str]) -> str:
        axis = axis_of(match[1], combination)
        if axis is None:
            raise GridError(
                ("name",), f"{{{match[1]}}} does not name an axis of the grid; axes: {choices(combination)}"
            )
        return combination[axis].name

    return re.sub(r"\{([^{}]*)\}", fill, pattern)


def value_name(axis: str, value: Any) -> str:
    """A readable name: `batch-norm` and `no-batch-norm`, `1e-4`, `sgd`, `64-128-256`."""
    if isinstance(value, bool) or value is None:
        return ("" if value else "no-") + slug(axis.rpartition(".")[2])
    if isinstance(value, int | float):
        return number_name(value)
    if isinstance(value, list | tuple):
        return "-".join(value_name(axis, each) for each in value)
    if isinstance(value, Mapping):
        return "-".join(value_name(key, each) for key, each in value.items())
    return slug(str(value))


def slug(text: str) -> str:
    """Small letters and digits, with single hyphens for everything between them."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def number_name(number: float) -> str:
    """`128`, `1e-4`, `25e-2` for 0.25, `minus-1`: no dot, and never the same for two numbers."""
    if not math.isfinite(number):
        return str(number)
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    whole = "".join(map(str, digits))
    if number == int(number) and abs(number) < 1e6:
        whole, exponent = str(abs(int(number))), 0
    return ("minus-" if sign else "") + whole + (f"e{exponent}" if exponent else "")


def _is_identifier(name: Any) -> bool:
    try:
        _IDENTIFIER.validate_python(name, strict=True)
    except ValidationError:
        return False
    return True


def _variant(name: str, own: Partial, entry: str, combination: Mapping[str, Point], catalog: Catalog) -> Variant:
    """The entry's settings with the combination's values laid over them."""
    if not _is_identifier(name):
        raise GridError(
            ("name",),
            f"makes the variant {shown(name)}; a name has up to 60 {NAME_RULE}",
        )
    settings, points = dict(own), dict[KeyPath, Point]()
    for axis, point in combination.items():
        path = tuple(axis.split("."))
        nested = point.value
        for part in reversed(path):
            nested = {part: nested}
        settings = merge(settings, nested, catalog)
        points[path] = point
    return Variant(name, settings, entry, {axis: point.name for axis, point in combination.items()}, points)


def _clashes(variants: Sequence[Variant]) -> Iterator[Problem]:
    """Names that two variants of the entry would share."""
    seen: set[str] = set()
    for variant in variants:
        if variant.name in seen:
            hint = f"a name pattern needs every axis in it: {choices(variant.axes)}" if variant.axes else ""
            yield ("variants", variant.entry), f"makes two variants '{variant.name}'; {hint}"
            return
        seen.add(variant.name)
