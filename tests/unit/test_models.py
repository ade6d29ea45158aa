"""The study's network: parameter counts, shapes, and what each setting changes."""

import json
import math

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from ablation.components.activations import ELU, LeakyReLU, ReLU, Swish
from ablation.components.models import CNN, CNNTanh, ResNet, ResNet18
from ablation.config.kinds import ImageShape
from ablation.config.settings import RunSettings, complete
from ablation.training.steps import l1_norm

CIFAR = ImageShape(3, 32, 32)


@pytest.mark.parametrize(
    ("filters", "parameters"),
    [((64, 128, 256), 2_603_274), ((128, 256, 512), 5_809_418)],
)
def test_parameter_counts_are_those_of_the_study(filters, parameters):
    model = CNN(filters=filters).build(CIFAR, 10)
    assert sum(each.numel() for each in model.parameters() if each.requires_grad) == parameters


@pytest.mark.parametrize("filters", [(4, 6, 8), (4, 6, 8, 10), (4, 6, 8, 10, 12)])
def test_any_three_to_five_blocks(filters):
    model = CNN(filters=filters).build(CIFAR, classes=7)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == list(filters)
    assert all(layer.bias is not None and layer.padding == (1, 1) for layer in convolutions)
    side = 32 // 2 ** len(filters)
    assert next(layer for layer in model if isinstance(layer, nn.Linear)).in_features == filters[-1] * side**2


@pytest.mark.parametrize(
    "images", [ImageShape(1, 16, 16), ImageShape(3, 64, 64), ImageShape(1, 28, 28), ImageShape(3, 8, 20)]
)
def test_images_of_other_shapes_give_logits(images):
    model, settings = CNN(filters=(4, 6, 8)), RunSettings()
    model.check(settings, images)
    assert model.build(images, classes=7)(torch.zeros(2, *images)).shape == (2, 7)


@pytest.mark.parametrize(
    ("filters", "images", "complaint"),
    [
        ((4, 6, 8), ImageShape(3, 7, 7), "halves the images 3 times, and 7 pixels can be halved less often"),
        ((4, 6, 8), ImageShape(3, 32, 4), "halves the images 3 times, and 4 pixels can be halved less often"),
        ((4, 6, 8, 10, 12), ImageShape(1, 16, 16), "halves the images 5 times, and 16 pixels can be halved less often"),
    ],
)
def test_blocks_that_halve_the_images_too_often_are_refused(filters, images, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        CNN(filters=filters).check(RunSettings(), images)


def test_order_of_layers():
    kinds = [type(layer).__name__ for layer in CNN().build(CIFAR, 10)]
    assert kinds == [
        *["Conv2d", "BatchNorm2d", "LeakyReLU", "MaxPool2d"] * 3,
        "Flatten",
        *["Linear", "LeakyReLU", "Dropout"] * 2,
        "Linear",
    ]


def test_the_logits_of_cnn_tanh_are_those_of_cnn_behind_a_tanh():
    networks = []
    for choice in (CNN, CNNTanh):
        torch.manual_seed(0)
        networks.append(choice(filters=(4, 6, 8)).build(CIFAR, 10).eval())
    images = torch.randn(5, *CIFAR)
    plain, squashed = (network(images) for network in networks)
    assert torch.equal(squashed, plain.tanh())


def test_without_batch_norm():
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in CNN(batch_norm=False).build(CIFAR, 10))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (ReLU(), [0.0, 0.0, 3.0]),
        (LeakyReLU(negative_slope=0.05), [-0.1, 0.0, 3.0]),
        (ELU(), [torch.expm1(torch.tensor(-2.0)).item(), 0.0, 3.0]),
        (Swish(), [-2 / (1 + math.exp(2)), 0.0, 3 / (1 + math.exp(-3))]),
    ],
)
def test_activations_and_slope(activation, expected):
    layer = CNN(activation=activation).build(CIFAR, 10)[2]
    assert torch.allclose(layer(torch.tensor([-2.0, 0.0, 3.0])), torch.tensor(expected))


def test_a_slope_alone_is_that_of_the_models_own_activation():
    settings = complete({"model": {"activation": {"negative_slope": 0.3}}})
    assert settings.model.activation == LeakyReLU(negative_slope=0.3)


def test_dropout_probability():
    model = CNN(dropout=0.3).build(CIFAR, 10)
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.3, 0.3]


def test_l1_norm_sums_all_parameters():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-2.0, 3.0]]))
        model.bias.copy_(torch.tensor([-0.5]))
    assert l1_norm(model.parameters()).item() == 5.5


# Without the last stage's 8,393,728 and half of the last layer's weights, ResNet-18 is the authors' network.
@pytest.mark.parametrize(
    ("model", "parameters"), [(ResNet18(), 11_173_962), (ResNet(), 11_173_962 - 8_393_728 - 256 * 10)]
)
def test_parameter_counts_of_the_residual_networks(model, parameters):
    assert sum(each.numel() for each in model.build(CIFAR, 10).parameters() if each.requires_grad) == parameters


def test_resnet18_is_torchvision_s_with_another_beginning():
    ours, reference = ResNet18().build(CIFAR, 10).eval(), resnet18(num_classes=10).eval()
    reference.conv1, reference.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    weights = zip(ours.state_dict(), reference.state_dict().values(), strict=True)  # both in the order of the layers
    ours.load_state_dict(dict(weights))
    images = torch.randn(2, *CIFAR)
    torch.testing.assert_close(ours(images), reference(images))


@pytest.mark.parametrize("images", [CIFAR, ImageShape(1, 16, 16), ImageShape(3, 9, 20)])
def test_a_residual_network_has_the_widths_blocks_and_activation_of_its_settings(images):
    model = ResNet(stages=(8, 16, 32), blocks=3, width_multiplier=0.5).build(images, classes=7)
    assert model(torch.zeros(2, *images)).shape == (2, 7)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    assert [layer.out_channels for layer in convolutions] == [4] * 7 + [8] * 6 + [16] * 6
    assert sum(isinstance(layer, nn.SiLU) for layer in model.modules()) == 1 + 2 * 9


# Sums of the absolute parameters under seed 0, taken before the components had classes of their own.
INITIAL_WEIGHTS = {
    ("cnn", "{}"): 25891.93615513389,
    ("cnn", '{"filters": [128, 256, 512]}'): 44045.81050980715,
    ("vgg_a", '{"batch_norm": false}'): 135540.71667907908,
    ("vgg_a", "{}"): 138292.71667907908,
    ("vgg_a_light", "{}"): 3969.2013124101773,
    ("vgg_a_dropout", "{}"): 91137.23467508383,
}


@pytest.mark.parametrize(("name", "settings"), INITIAL_WEIGHTS)
def test_a_seed_gives_the_same_initial_weights_as_ever(name, settings):
    torch.manual_seed(0)
    network = complete({"model": {"name": name, **json.loads(settings)}}).model.build(CIFAR, 10)
    total = sum(each.double().abs().sum().item() for each in network.parameters())
    assert total == pytest.approx(INITIAL_WEIGHTS[name, settings], rel=1e-9)
