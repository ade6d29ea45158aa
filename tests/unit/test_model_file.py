"""What `model.json` says of a network makes the same network in plain torch, or nothing is said."""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from ablation.config.catalog import built_in, catalog
from ablation.config.kinds import ImageShape
from ablation.config.settings import complete
from ablation.runs.model_file import ModelFile, layers_of, without_values, write_model

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ImageShape(3, 32, 32)
SMALL = {"filters": [2, 3, 4], "width_multiplier": 0.05}
RESIDUAL = {"resnet", "resnet18"}


def made_again(network, folder):
    """The network in plain torch of a written file, with the values of this one."""
    about = ModelFile(
        classes=("a", "b"),
        channels=3,
        image_size=32,
        mean=(0.5,),
        std=(0.5,),
        weights={"best": "best.pth"},
        network=layers_of(network),
    )
    write_model(folder / "model.json", about)
    layers = json.loads((folder / "model.json").read_text())["network"]
    again = nn.Sequential(*(getattr(nn, name)(**settings) for name, settings in layers))
    again.load_state_dict(network.state_dict())
    return again


def assert_same_logits(network, again, images):
    """In both modes; the statistics of batch norm are no longer those of its start then."""
    for mode in (True, False):
        torch.manual_seed(1)
        expected = network.train(mode)(images)
        torch.manual_seed(1)
        assert torch.equal(again.train(mode)(images), expected)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("activation", built_in()["activation"])
@pytest.mark.parametrize("model", [name for name in built_in()["model"] if name not in RESIDUAL])
def test_every_model_of_the_reference_is_made_again_in_plain_torch(model, activation, batch_norm, tmp_path):
    small = {key: value for key, value in SMALL.items() if key in built_in()["model"][model].model_fields}
    settings = {"name": model, "activation": activation, "batch_norm": batch_norm, **small}
    network = complete({"model": settings}).model.build(IMAGES, 7)
    assert_same_logits(network, made_again(network, tmp_path), torch.randn(4, *IMAGES))


def test_layers_that_ours_have_not_are_made_again_too(tmp_path):
    network = nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.Conv2d(3, 6, (3, 1), padding="same", bias=False, padding_mode="reflect", groups=3),
        nn.GroupNorm(2, 6, eps=1e-3),
        nn.GELU("tanh"),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.BatchNorm2d(6, momentum=None, affine=False),
        nn.PReLU(6),
        nn.AdaptiveAvgPool2d((2, 2)),
        nn.Hardtanh(-2.0, 0.5),
        nn.Flatten(),
        nn.LayerNorm(24, bias=False),
        nn.Linear(24, 7, bias=False),
        nn.Identity(),
        nn.LogSoftmax(dim=1),
    )
    assert_same_logits(network, made_again(network, tmp_path), torch.randn(4, *IMAGES))


class Linear(nn.Linear):
    """Bears the name of a layer of torch, and is another."""

    def forward(self, values):
        return -super().forward(values)


class Backwards(nn.Sequential):
    def forward(self, values):
        for layer in reversed(self):
            values = layer(values)
        return values


def hooked():
    network = nn.Sequential(nn.Linear(2, 2))
    network[0].register_forward_hook(lambda layer, values, result: -result)
    return network


OTHERS = {
    "no Sequential": nn.Linear(2, 2),
    "a class below Sequential": Backwards(nn.Linear(2, 2)),
    "a Sequential inside": nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.ReLU()),
    "a layer of the same name": nn.Sequential(Linear(2, 2)),
    "layers with names of their own": nn.Sequential(OrderedDict(first=nn.Linear(2, 2))),
    "a hook": hooked(),
    "a changed weight": nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))),
    "another precision": nn.Sequential(nn.Linear(2, 2).double()),
    "a setting that is no JSON": nn.Sequential(nn.Threshold(float("-inf"), 0.0)),
}


@pytest.mark.parametrize("network", OTHERS.values(), ids=OTHERS)
def test_nothing_is_said_of_a_network_that_would_not_be_the_same(network):
    assert layers_of(network) is None


@pytest.mark.parametrize("name", [*sorted(RESIDUAL), "residual"])
def test_nothing_is_said_of_residual_networks(name):
    known = catalog([str(ROOT / "examples/own-components/my_components.py")])["model"]
    assert layers_of(known[name]().build(IMAGES, 7)) is None


@pytest.mark.parametrize(
    "name", ["os", "init", "Module.__init__", "functional", "Parameter", "no_such_layer", "__name__"]
)
def test_what_is_no_layer_of_torch_is_not_called(name):
    with pytest.raises(ValueError, match=f"^'{name}' is no layer of torch.nn$"):
        without_values([(name, {})])
