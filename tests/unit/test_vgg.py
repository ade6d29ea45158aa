"""The study's VGG networks: parameter counts, layers, initialisation, width."""

import math

import pytest
import torch
from torch import nn

from ablation.settings import RunSettings
from ablation.training.models import VGG, build_model, parameter_count


def vgg(**settings):
    return build_model(RunSettings(**{"model": "vgg_a", "activation": "relu"} | settings), classes=10)


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"batch_norm": False}, 9_750_922),
        ({"batch_norm": True}, 9_756_426),
        ({"batch_norm": False, "model": "vgg_a_dropout"}, 9_750_922),
        # 3*16*9+16, 16*32*9+32, 2048*128+128, 128*128+128, 128*10+10
        ({"batch_norm": False, "model": "vgg_a_light"}, 448 + 4_640 + 262_272 + 16_512 + 1_290),
    ],
)
def test_parameter_counts(settings, parameters):
    assert parameter_count(vgg(**settings)) == parameters


def test_layers_are_those_of_configuration_a():
    kinds = {nn.Conv2d: "C", nn.ReLU: "R", nn.MaxPool2d: "M", nn.Flatten: "F", nn.Linear: "L", nn.BatchNorm2d: "B"}
    assert "".join(kinds[type(layer)] for layer in vgg(batch_norm=False)) == "CRM" * 2 + "CRCRM" * 3 + "FLRLRL"
    assert "".join(kinds[type(layer)] for layer in vgg()) == "CBRM" * 2 + "CBRCBRM" * 3 + "FLRLRL"
    widths = [layer.out_channels for layer in vgg() if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 256, 512, 512, 512, 512]


def test_dropout_stands_before_the_first_two_linear_layers():
    layers = list(vgg(model="vgg_a_dropout", dropout=0.3))
    places = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Dropout)]
    assert [type(layers[index + 1]) for index in places] == [nn.Linear, nn.Linear]
    assert [layers[index].p for index in places] == [0.3, 0.3]


def test_vgg_a_starts_from_xavier_normal_weights_and_zero_biases():
    torch.manual_seed(0)
    for layer in vgg(batch_norm=False):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
            assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (fan_in + fan_out)), rel=0.05)
            # Normal, not uniform: 4.55 % lie beyond two standard deviations.
            beyond = (layer.weight.abs() > 2 * layer.weight.std()).float().mean().item()
            assert beyond == pytest.approx(0.0455, abs=0.015)
            assert not layer.bias.any()


def test_the_others_start_as_torch_does():
    for model in ("vgg_a_light", "vgg_a_dropout"):
        assert all(layer.bias.any() for layer in vgg(model=model) if isinstance(layer, nn.Conv2d | nn.Linear))


@pytest.mark.parametrize("model", ["vgg_a", "vgg_a_light", "vgg_a_dropout"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_narrow_network_computes_logits(model, batch_norm):
    network = VGG(RunSettings(model=model, batch_norm=batch_norm, width_multiplier=0.1), classes=7)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    widths = [layer.out_channels for layer in network if isinstance(layer, nn.Conv2d)]
    assert widths == ([2, 3] if model == "vgg_a_light" else [6, 13, 26, 26, 51, 51, 51, 51])
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network) == batch_norm


def test_the_activation_is_that_of_the_settings():
    assert any(isinstance(layer, nn.ELU) for layer in vgg(activation="elu"))
