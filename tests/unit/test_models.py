"""The study's network: parameter counts, shapes, and what each setting changes."""

import pytest
import torch
from torch import nn

from ablation.settings import RunSettings
from ablation.training.models import CNN, l1_norm, parameter_count


@pytest.mark.parametrize(
    ("filters", "parameters"),
    [((64, 128, 256), 2_603_274), ((128, 256, 512), 5_809_418)],
)
def test_parameter_counts_are_those_of_the_study(filters, parameters):
    assert parameter_count(CNN(RunSettings(filters=filters))) == parameters


@pytest.mark.parametrize("filters", [(4, 6, 8), (4, 6, 8, 10), (4, 6, 8, 10, 12)])
def test_any_three_to_five_blocks(filters):
    model = CNN(RunSettings(filters=filters), classes=7)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == list(filters)
    assert all(layer.bias is not None and layer.padding == (1, 1) for layer in convolutions)
    side = 32 // 2 ** len(filters)
    assert next(layer for layer in model if isinstance(layer, nn.Linear)).in_features == filters[-1] * side**2


def test_order_of_layers():
    kinds = [type(layer).__name__ for layer in CNN(RunSettings())]
    assert kinds == [
        *["Conv2d", "BatchNorm2d", "LeakyReLU", "MaxPool2d"] * 3,
        "Flatten",
        *["Linear", "LeakyReLU", "Dropout"] * 2,
        "Linear",
    ]


def test_without_batch_norm():
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in CNN(RunSettings(batch_norm=False)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (RunSettings(activation="relu"), [0.0, 0.0, 3.0]),
        (RunSettings(activation="leaky_relu", negative_slope=0.05), [-0.1, 0.0, 3.0]),
        (RunSettings(activation="elu"), [torch.expm1(torch.tensor(-2.0)).item(), 0.0, 3.0]),
    ],
)
def test_activations_and_slope(settings, expected):
    layer = CNN(settings)[2]
    assert torch.allclose(layer(torch.tensor([-2.0, 0.0, 3.0])), torch.tensor(expected))


def test_dropout_probability():
    assert [layer.p for layer in CNN(RunSettings(dropout=0.3)) if isinstance(layer, nn.Dropout)] == [0.3, 0.3]


def test_l1_norm_sums_all_parameters():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-2.0, 3.0]]))
        model.bias.copy_(torch.tensor([-0.5]))
    assert l1_norm(model.parameters()).item() == 5.5
