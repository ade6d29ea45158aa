"""The settings of one run: everything that a config's `base`, a variant or `override` may say. No torch.

Partial settings are mappings as in the YAML; `merge` lays one over another. Complete ones are `RunSettings`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ablation.config.catalog import built_in
from ablation.config.kinds import (
    MAX_EPOCHS,
    MAX_FLOAT,
    Augmentation,
    Averaging,
    Catalog,
    Component,
    Loss,
    Model,
    Optimizer,
    Scheduler,
    as_mapping,
    components_in,
)
from ablation.config.strict import Strict

Partial = Mapping[str, Any]
NOT_SET = "(not set)"
# Of images in 0..1.
Mean = Annotated[float, Field(ge=-10, le=10)]
Std = Annotated[float, Field(ge=0.001, le=1000)]


class RunSettings(Strict):
    """One run, whole. The defaults are the reference's base configuration (reference, section 2)."""

    model: Model = Field("cnn", validate_default=True)
    optimizer: Optimizer = Field("adam", validate_default=True)
    loss: Loss = Field("cross_entropy", validate_default=True)
    scheduler: Scheduler = Field("step", validate_default=True)
    augmentation: Augmentation = Field("flip_crop", validate_default=True)
    averaging: Averaging = Field("none", validate_default=True)

    epochs: PositiveInt = Field(50, le=MAX_EPOCHS, description="passes over the training images")
    batch_size: int = Field(128, ge=2, le=1_000_000, description="images of a step")
    mean: tuple[Mean, ...] = Field(
        (0.4914, 0.4822, 0.4465), min_length=1, description="subtracted from the images, by channel or for all"
    )
    std: tuple[Std, ...] = Field(
        (0.2470, 0.2435, 0.2616), min_length=1, description="what the images are divided by, by channel or for all"
    )
    l1_lambda: float = Field(
        0.0, ge=0, le=MAX_FLOAT, description="weight of the sum of absolute parameters in the loss"
    )
    grad_clip: PositiveFloat | None = Field(1.0, le=MAX_FLOAT, description="largest gradient norm; null: no clipping")
    record_steps: bool = Field(False, description="write loss and gradient norm of every step to steps.npz")
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "tf32",
        description="fp32; tf32: on a GPU, matrix products and convolutions round their inputs to 10 bits; bf16: they "
        "round them to 7 bits, on processors too, while weights and sums stay in float32",
    )
    execution: Literal["captured", "eager"] = Field(
        "captured", description="on a GPU, each step as one CUDA graph; eager: operation by operation, as on processors"
    )
    deterministic: bool = Field(False, description="only algorithms that repeat bit for bit, which a GPU may do slower")

    def components(self) -> Iterator[Component]:
        """Those of this run, the ones inside others too."""
        return components_in(self)


def complete(partial: Partial, catalog: Catalog | None = None) -> RunSettings:
    """Settings as in the YAML, with the defaults for what they leave out.

    Raises:
        ValidationError: they are not valid.
    """
    known = catalog or built_in()
    return validated(merge(DEFAULTS, partial, known), known)


def validated(settings: Partial, catalog: Catalog) -> RunSettings:
    """The settings of a run, of which each component is named; those inside others have their defaults to name them.

    Raises:
        ValidationError: they are not valid.
    """
    named = {key: _with_names(value, catalog, RUN_FIELDS.get(key)) for key, value in settings.items()}
    return RunSettings.model_validate(named, context=catalog)


def _with_names(value: Any, catalog: Catalog, kind: type[Component] | None) -> Any:
    """A component's settings, over the default of each component inside it that they do not name."""
    if kind is None or not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return value
    choice = catalog[kind.kind].get(value["name"])
    if choice is None:
        return value
    result = dict(value)
    for key, inner in component_fields(choice).items():
        default = choice.model_fields[key].default
        if isinstance(value.get(key), Mapping) and "name" not in value[key] and isinstance(default, Component):
            result[key] = default.model_dump(mode="json") | value[key]
        result |= {key: _with_names(result[key], catalog, inner)} if key in result else {}
    return result


def batch_problem(settings: RunSettings, images: int) -> str:
    """What to say of batches that are larger than the training set, or leave a small last one; nothing of others.

    The step of a last batch of 8 images took VGG-A with batch norm, by SGD at learning rate 0.1, from 43 to 14 %.
    """
    size, last = settings.batch_size, images % settings.batch_size
    if size > images:
        return f"batch_size {size} is more than the {images} training images: every step takes all of them"
    if not 0 < last < size / 8:
        return ""
    better = next(each for each in range(size, 1, -1) if images % each == 0 or images % each >= each / 2)
    return (
        f"The last batch of an epoch has {last} of {size} images, and its step, right before the evaluation, can "
        f"unsettle a network with batch norm; with batch_size {better} it would have {images % better or better}"
    )


def spec(settings: RunSettings) -> dict[str, Any]:
    """What identifies a run beside its seed, data and code, ready for JSON."""
    return settings.model_dump(mode="json")


def spec_json(settings: RunSettings) -> str:
    """The spec in one canonical line, as `train.py` takes it on its command line."""
    return json.dumps(spec(settings), sort_keys=True, separators=(",", ":"))


class SpecError(ValueError):
    """A spec is no JSON, or lacks a setting."""


def read_spec(text: str, catalog: Catalog) -> RunSettings:
    """The settings of a spec, which must be complete: nothing is filled in.

    Raises:
        SpecError: it is no JSON, or a setting is missing.
        ValidationError: a setting is unknown or not valid.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise SpecError(f"the spec is not JSON: {error}") from error
    settings = RunSettings.model_validate(given, context=catalog)
    missing = sorted(flat(spec(settings)).keys() - flat(given).keys())
    if missing:
        raise SpecError(f"the spec lacks {', '.join(missing)}")
    return settings


def flat(settings: Partial, above: str = "") -> dict[str, Any]:
    """`{optimizer: {name: sgd, momentum: 0.9}}` as `{optimizer: sgd, optimizer.momentum: 0.9}`."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        path = f"{above}.{key}" if above else key
        if isinstance(value, Mapping):
            found |= flat(value, path)
        else:
            found[above if key == "name" and above else path] = value
    return found


def changes(then: Partial, now: Partial) -> dict[str, tuple[Any, Any]]:
    """The settings in which two specs differ, with both values, NOT_SET where a spec lacks the setting."""
    old, new = flat(then), flat(now)
    pairs = {key: (old.get(key, NOT_SET), new.get(key, NOT_SET)) for key in sorted({*old, *new})}
    return {key: (one, other) for key, (one, other) in pairs.items() if one != other}


def changes_text(then: Partial, now: Partial) -> str:
    """`optimizer.learning_rate 0.001 → 0.002, code ...`: what differs between two specs; empty where nothing does."""
    return ", ".join(f"{key} {old} → {new}" for key, (old, new) in changes(then, now).items())


def component_fields(settings: type[Strict]) -> dict[str, type[Component]]:
    """The fields that are components, with their kinds."""
    kinds = {name: field.annotation for name, field in settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Component)}


RUN_FIELDS = component_fields(RunSettings)
# The components of a run that names none.
DEFAULTS = {name: as_mapping(RunSettings.model_fields[name].default) for name in RUN_FIELDS}


def merge(under: Partial, over: Partial, catalog: Catalog) -> dict[str, Any]:
    """Settings laid over others. Where a component is exchanged for another, the settings that both have are kept."""
    return _merged(under, over, catalog, RUN_FIELDS)


def _merged(under: Partial, over: Partial, catalog: Catalog, fields: Mapping[str, type[Component]]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        kind = fields.get(key)
        if kind is not None:
            result[key] = _merged_component(result.get(key), value, catalog, kind)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _merged(result[key], value, catalog, {})
        else:
            result[key] = value
    return result


def _merged_component(under: Any, over: Any, catalog: Catalog, kind: type[Component]) -> Any:
    under, over = as_mapping(under), as_mapping(over)
    if not isinstance(over, Mapping) or not isinstance(under, Mapping):
        return over
    name = over.get("name", under.get("name"))
    fields = settings_of_component(name, kind, catalog)
    if name != under.get("name"):
        # A setting that no choice has stays, to be refused.
        foreign = settings_of_component(None, kind, catalog).keys() - fields.keys()
        under = {key: value for key, value in under.items() if key not in foreign}
    return _merged(under, over, catalog, {key: each for key, each in fields.items() if each is not None})


def settings_of_component(name: Any, kind: type[Component], catalog: Catalog) -> dict[str, type[Component] | None]:
    """The settings of the choice of that name, with their kinds where they are components; of an unknown one, none.

    Without a name, those of all choices of the kind.
    """
    known = catalog[kind.kind]
    chosen = list(known.values()) if name is None else [known[name]] if isinstance(name, str) and name in known else []
    return {key: component_fields(each).get(key) for each in chosen for key in each.model_fields}


def reachable(over: Partial, under: Partial, catalog: Catalog) -> dict[str, Any]:
    """What an override can set in these settings: of a component, the settings that it has."""
    return _reachable(over, under, catalog, RUN_FIELDS)


def _reachable(
    over: Partial, under: Partial, catalog: Catalog, fields: Mapping[str, type[Component]]
) -> dict[str, Any]:
    result = {}
    for key, value in over.items():
        inner, below = as_mapping(value), as_mapping(under.get(key, {}))
        kind = fields.get(key)
        if kind is not None and not isinstance(below, Mapping):
            continue  # it is wrong, and reported as it is
        if kind is None or isinstance(value, str) or not isinstance(inner, Mapping):
            result[key] = value
            continue
        known = settings_of_component(inner.get("name", below.get("name")), kind, catalog)
        settings = {name: each for name, each in inner.items() if name in known or not known}
        kinds = {name: each for name, each in known.items() if each is not None}
        result[key] = _reachable(settings, below, catalog, kinds)
    return result


def paths(settings: Partial) -> Iterator[tuple[str, ...]]:
    """The path of every setting that is no mapping."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from ((key, *path) for path in paths(value))
        else:
            yield (key,)
