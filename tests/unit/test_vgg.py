"""The study's VGG networks: parameter counts, layers, initialisation, width."""

import math

import pytest
import torch
from torch import nn

from ablation.components.activations import ELU
from ablation.components.models import VGGA, VGGADropout, VGGALight
from ablation.config.kinds import ImageShape
from ablation.config.settings import RunSettings

CIFAR = ImageShape(3, 32, 32)


def built(model):
    return model.build(CIFAR, classes=10)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (VGGA(batch_norm=False), 9_750_922),
        (VGGA(batch_norm=True), 9_756_426),
        (VGGADropout(batch_norm=False), 9_750_922),
        # 3*16*9+16, 16*32*9+32, 2048*128+128, 128*128+128, 128*10+10
        (VGGALight(batch_norm=False), 448 + 4_640 + 262_272 + 16_512 + 1_290),
    ],
)
def test_parameter_counts(model, parameters):
    assert sum(each.numel() for each in built(model).parameters() if each.requires_grad) == parameters


def test_layers_are_those_of_configuration_a():
    kinds = {nn.Conv2d: "C", nn.ReLU: "R", nn.MaxPool2d: "M", nn.Flatten: "F", nn.Linear: "L", nn.BatchNorm2d: "B"}
    plain, normalised = built(VGGA(batch_norm=False)), built(VGGA())
    assert "".join(kinds[type(layer)] for layer in plain) == "CRM" * 2 + "CRCRM" * 3 + "FLRLRL"
    assert "".join(kinds[type(layer)] for layer in normalised) == "CBRM" * 2 + "CBRCBRM" * 3 + "FLRLRL"
    widths = [layer.out_channels for layer in normalised if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 256, 512, 512, 512, 512]


def test_dropout_stands_before_the_first_two_linear_layers():
    layers = list(built(VGGADropout(dropout=0.3)))
    places = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Dropout)]
    assert [type(layers[index + 1]) for index in places] == [nn.Linear, nn.Linear]
    assert [layers[index].p for index in places] == [0.3, 0.3]


def test_vgg_a_starts_from_xavier_normal_weights_and_zero_biases():
    torch.manual_seed(0)
    for layer in built(VGGA(batch_norm=False)):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
            assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (fan_in + fan_out)), rel=0.05)
            # Normal, not uniform: 4.55 % lie beyond two standard deviations.
            beyond = (layer.weight.abs() > 2 * layer.weight.std()).float().mean().item()
            assert beyond == pytest.approx(0.0455, abs=0.015)
            assert not layer.bias.any()


def test_the_others_start_as_torch_does():
    for model in (VGGALight(), VGGADropout()):
        assert all(layer.bias.any() for layer in built(model) if isinstance(layer, nn.Conv2d | nn.Linear))


@pytest.mark.parametrize("model", [VGGA, VGGALight, VGGADropout])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_narrow_network_computes_logits(model, batch_norm):
    network = model(batch_norm=batch_norm, width_multiplier=0.1).build(CIFAR, classes=7)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    widths = [layer.out_channels for layer in network if isinstance(layer, nn.Conv2d)]
    assert widths == ([2, 3] if model is VGGALight else [6, 13, 26, 26, 51, 51, 51, 51])
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network) == batch_norm


@pytest.mark.parametrize("model", [VGGA, VGGALight, VGGADropout])
@pytest.mark.parametrize("images", [ImageShape(3, 64, 64), ImageShape(1, 32, 32), ImageShape(1, 40, 70)])
def test_images_of_other_shapes_give_logits(model, images):
    narrow = model(width_multiplier=0.1)
    narrow.check(RunSettings(), images)
    assert narrow.build(images, classes=7)(torch.zeros(2, *images)).shape == (2, 7)


def test_images_that_the_stages_halve_too_often_are_refused():
    with pytest.raises(ValueError, match=r"^halves the images 5 times, and 16 pixels can be halved less often$"):
        VGGA().check(RunSettings(), ImageShape(3, 16, 16))
    VGGALight().check(RunSettings(), ImageShape(3, 16, 16))


def test_the_activation_is_that_of_the_settings():
    assert any(isinstance(layer, nn.ELU) for layer in built(VGGA(activation=ELU())))
