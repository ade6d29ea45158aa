"""Config -> run specs: what each variant resolves to, which runs the study has, and where they live. No torch.

In: a validated `Study`. Out: `RunSettings` per variant and a `Run` per variant and seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath
from typing import Any

from ablation.config import Study
from ablation.settings import RunSettings

# A setting that only one choice reads, with that choice: elsewhere it changes nothing, so it is no part of the spec.
READ_ONLY_BY: dict[str, tuple[str, tuple[Any, ...]]] = {
    "filters": ("model", ("cnn",)),
    "width_multiplier": ("model", ("vgg_a", "vgg_a_light", "vgg_a_dropout")),
    "dropout": ("model", ("cnn", "vgg_a_dropout")),
    "negative_slope": ("activation", ("leaky_relu",)),
    "momentum": ("optimizer", ("sgd", "custom_sign_sgd")),
    "smoothing": ("loss", ("label_smoothing",)),
    "focal_alpha": ("loss", ("focal",)),
    "focal_gamma": ("loss", ("focal",)),
    "step_size": ("scheduler", ("step",)),
    "step_gamma": ("scheduler", ("step",)),
    "plateau_patience": ("scheduler", ("plateau",)),
    "plateau_factor": ("scheduler", ("plateau",)),
    "min_learning_rate": ("scheduler", ("cosine",)),
    "swa_start": ("swa", (True,)),
    "swa_learning_rate": ("swa", (True,)),
    "swa_anneal_epochs": ("swa", (True,)),
}


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


def explicit(settings: RunSettings) -> dict[str, Any]:
    """The keys that the YAML itself names."""
    return settings.model_dump(exclude_unset=True)


def layered(layers: Iterable[RunSettings]) -> RunSettings:
    """The settings of the first layer, with what each later one names laid over them."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= explicit(layer)
    return RunSettings(**merged)


def resolve(study: Study) -> dict[str, RunSettings]:
    """The full settings of every variant: base, then the variant, then the override."""
    return {name: layered((study.base, own, study.override)) for name, own in study.variants.items()}


def is_read(key: str, settings: RunSettings) -> bool:
    """Whether the chosen model, optimizer, loss and scheduler read the setting `key`."""
    choice, values = READ_ONLY_BY.get(key, (key, (getattr(settings, key),)))
    return getattr(settings, choice) in values


def spec(settings: RunSettings) -> dict[str, Any]:
    """What identifies a run beside its seed, data and code: the settings that it reads, ready for JSON."""
    return {key: value for key, value in settings.model_dump(mode="json").items() if is_read(key, settings)}


def spec_json(settings: RunSettings) -> str:
    """The spec in one canonical line, as it stands on the command line of `train.py`."""
    return json.dumps(spec(settings), sort_keys=True, separators=(",", ":"))


def differences(one: RunSettings, other: RunSettings) -> set[str]:
    """The settings in which two runs differ."""
    ours, theirs = spec(one), spec(other)
    return {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)}


def duplicates(resolved: Mapping[str, RunSettings]) -> list[tuple[str, str]]:
    """Variants that would train the same run as an earlier one: the earlier one's name, and theirs."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(spec_json(settings), name), name) for name, settings in resolved.items()]
    return [(one, other) for one, other in pairs if one != other]


def runs(study: Study) -> list[Run]:
    """The whole matrix, variant x seed, in the order of the YAML."""
    return [Run(variant, seed) for variant, seed in product(study.variants, study.seeds)]


def packs(seeds: Sequence[int], size: int) -> list[Sequence[int]]:
    """The seeds in their order, so many in a pack, and what is left in the last."""
    return [seeds[start : start + size] for start in range(0, len(seeds), size)]


def runs_of_table(study: Study, table: str) -> list[Run]:
    """The runs that a table compares."""
    variants = dict.fromkeys(row.variant for row in study.tables[table].rows)
    return [Run(variant, seed) for variant, seed in product(variants, study.seeds)]


def runs_of_landscape(study: Study) -> list[Run]:
    """The runs that the landscape section compares, each once."""
    if study.landscape is None:
        return []
    variants = dict.fromkeys(name for model in study.landscape.models for name in model.variants)
    return [Run(variant, seed) for variant, seed in product(variants, study.seeds)]


def probed_runs(study: Study) -> list[Run]:
    """The runs that are trained once more with probes, each once."""
    if study.landscape is None:
        return []
    variants = dict.fromkeys(name for model in study.landscape.models for name in model.probed.values())
    return [Run(variant, seed) for variant, seed in product(variants, study.seeds)]
