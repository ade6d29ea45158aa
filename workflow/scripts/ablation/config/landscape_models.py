"""The two models of a landscape, found in the grid that its section names. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation.config.grid import Variant
from ablation.config.matrix import Matrix
from ablation.config.problems import Problem
from ablation.config.texts import choices, suggestion

if TYPE_CHECKING:
    from ablation.config.study import Landscape

LEARNING_RATE = "optimizer.learning_rate"


@dataclass(frozen=True)
class LandscapeModel:
    """Variants that differ in their learning rate: those of the band, those at further rates, and the probed ones."""

    label: str
    band: tuple[str, ...]
    larger: tuple[str, ...]
    probed: Mapping[str, str]

    @property
    def variants(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.band, *self.larger, *self.probed.values())))


def find_models(landscape: Landscape, matrix: Matrix) -> tuple[tuple[LandscapeModel, ...], list[Problem]]:
    """The models in the order of the section; where the grid does not hold them, the problems."""
    problems = list(_problems(landscape, matrix))
    if problems:
        return (), [(("landscape", *path), text) for path, text in problems]
    return tuple(_model(value, label, landscape, matrix) for value, label in landscape.models.items()), []


def _model(value: str, label: str, landscape: Landscape, matrix: Matrix) -> LandscapeModel:
    rates = {name: _rate(name, matrix) for name in _chosen(landscape.grid, value, matrix)}
    probed = {pair: _probed(landscape, pair, value, matrix)[0] for pair in landscape.probed}
    return LandscapeModel(
        label=label,
        band=tuple(name for name, rate in rates.items() if rate in landscape.band),
        larger=tuple(name for name, rate in rates.items() if rate not in landscape.band),
        probed=probed,
    )


def _chosen(grid: str, value: str, matrix: Matrix) -> list[str]:
    """The variants of a grid that have this value on some axis."""
    return [each.name for each in _of_grid(grid, matrix) if value in each.axes.values()]


def _of_grid(grid: str, matrix: Matrix) -> list[Variant]:
    return [variant for variant in matrix.variants.values() if variant.entry == grid and variant.axes]


def _rate(name: str, matrix: Matrix) -> float:
    return matrix.settings[name].optimizer.learning_rate


def _probed(landscape: Landscape, pair: str, value: str, matrix: Matrix) -> list[str]:
    """The variants that a pair's choice leaves of a model: one, if it is made well."""
    chosen = landscape.probed[pair]
    names = _chosen(chosen.grid or landscape.grid, value, matrix)
    return [name for name in names if chosen.learning_rate in (None, _rate(name, matrix))]


def _problems(landscape: Landscape, matrix: Matrix) -> Iterator[Problem]:
    grids = {variant.entry for variant in matrix.variants.values() if variant.axes}
    named = [
        (("grid",), landscape.grid),
        *((("probed", pair, "grid"), each.grid) for pair, each in landscape.probed.items() if each.grid),
    ]
    unknown = [(path, grid) for path, grid in named if grid not in grids]
    for path, grid in unknown:
        yield (
            path,
            f"no variant '{grid}' with a grid; {suggestion(grid, grids)}Variants with one: {choices(sorted(grids))}",
        )
    if not unknown:
        yield from _problems_of_models(landscape, matrix)


def _problems_of_models(landscape: Landscape, matrix: Matrix) -> Iterator[Problem]:
    variants = _of_grid(landscape.grid, matrix)
    axes = list(variants[0].axes)
    if len(axes) != 2 or LEARNING_RATE not in axes:
        yield ("grid",), f"'{landscape.grid}' has the axes {choices(axes)}; it needs {LEARNING_RATE} and one more"
        return
    axis = next(axis for axis in axes if axis != LEARNING_RATE)
    names = dict.fromkeys(variant.axes[axis] for variant in variants)
    if len(set(landscape.models.values())) < len(landscape.models):
        yield ("models",), "have the same label; each needs its own"
    for value in landscape.models:
        if value not in names:
            yield ("models", value), f"is not a value of {axis}; {suggestion(value, names)}Values: {choices(names)}"
            continue
        yield from _problems_of_band(value, landscape, matrix)
        yield from _problems_of_probed(value, landscape, matrix)


def _problems_of_band(value: str, landscape: Landscape, matrix: Matrix) -> Iterator[Problem]:
    rates = {_rate(name, matrix): name for name in _chosen(landscape.grid, value, matrix)}
    for index, rate in enumerate(landscape.band):
        if rate not in rates:
            known = ", ".join(f"{each:g}" for each in sorted(rates))
            yield ("band", index), f"no variant of '{value}' has the learning rate {rate:g}; they have {known}"
        elif not matrix.settings[rates[rate]].record_steps:
            yield ("band", index), f"'{rates[rate]}' records no steps: set record_steps: true"


def _problems_of_probed(value: str, landscape: Landscape, matrix: Matrix) -> Iterator[Problem]:
    for pair in landscape.probed:
        found = _probed(landscape, pair, value, matrix)
        if len(found) != 1:
            text = f"chooses {len(found)} variants of '{value}'{': ' + choices(found) if found else ''}; it must be one"
            yield ("probed", pair), f"{text}: name a grid, a learning_rate, or both"
