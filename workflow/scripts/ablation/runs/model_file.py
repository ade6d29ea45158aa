"""`model.json`, beside a run's weights: all that is needed to use them, for torch without this code.

Class names, size and normalisation of the images, the files of the weights and, where the network is a plain
`torch.nn.Sequential` of torch's own layers, each layer's class and settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from ablation.files import write_text
from ablation.training.outcome import FiniteModel

MODEL = "model.json"
BRACKETS = str.maketrans("[]", "()")
WeightsKind = Literal["best", "averaged"]
# Names of classes in `torch.nn`, and the arguments to call them with.
Layers = tuple[tuple[str, dict[str, Any]], ...]


class ModelFile(FiniteModel):
    """The content of `model.json`. `mean` and `std` are of images in 0..1, by channel or for all.

    `network` is None where the network has other modules: only the code that trained it can build it.
    """

    classes: tuple[str, ...]
    channels: PositiveInt
    image_size: PositiveInt
    mean: tuple[float, ...]
    std: tuple[PositiveFloat, ...]
    weights: dict[WeightsKind, str]
    network: Layers | None


def write_model(path: Path, model: ModelFile) -> None:
    """Write it whole."""
    write_text(path, model.model_dump_json(indent=2) + "\n")


def layers_of(network: nn.Module) -> Layers | None:
    """What makes the network again; None where that is not sure to."""
    if type(network) is not nn.Sequential:
        return None
    try:
        text = json.dumps([(type(layer).__name__, settings_of(layer)) for layer in network], allow_nan=False)
        layers = tuple((name, settings) for name, settings in json.loads(text))
        return layers if _is_same(without_values(layers), network) else None
    except Exception:  # what a layer raises depends on the layer
        return None


def settings_of(layer: nn.Module) -> dict[str, Any]:
    """The arguments of a layer's class that differ from their defaults: torch keeps each under its own name."""
    arguments = {
        name: argument
        for name, argument in signature(type(layer)).parameters.items()
        if name not in ("device", "dtype") and argument.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    }
    settings = {name: getattr(layer, name, argument.default) for name, argument in arguments.items()}
    if "bias" in settings:  # there, it keeps the values
        settings["bias"] = settings["bias"] is True or isinstance(settings["bias"], Tensor)
    return {name: value for name, value in settings.items() if value != arguments[name].default}


def without_values(layers: Iterable[tuple[str, Mapping[str, Any]]]) -> nn.Sequential:
    """The network of these layers; `load_state_dict(weights, assign=True)` gives it its values.

    Raises:
        ValueError: a name is not that of a layer of torch.
    """
    with torch.device("meta"):
        return nn.Sequential(*(_class_of(name)(**settings) for name, settings in layers))


def _class_of(name: str) -> type[nn.Module]:
    found = getattr(nn, name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{name!r} is no layer of torch.nn")
    return found


def _is_same(made: nn.Sequential, network: nn.Sequential) -> bool:
    """Whether two networks have the same layers, settings and shapes, and nothing that acts beside them."""
    has_hooks = any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())
    return not has_hooks and _described(made) == _described(network)


def _described(network: nn.Sequential) -> tuple[str, list[type], dict[str, tuple[torch.Size, torch.dtype]]]:
    shapes = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    # JSON makes lists of tuples.
    return repr(network).translate(BRACKETS), [type(layer) for layer in network], shapes
