"""Each optimizer against its formula in float64."""

import pytest
import torch
from torch.nn import Parameter

from ablation.components.optimizers import SGD, Adam, AdamW, CustomSignSGD

START = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
GRADIENTS = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def trained(settings):
    parameter = Parameter(START.clone())
    optimizer = settings.build([parameter])
    for gradient in GRADIENTS:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def sgd(lr, momentum, decay):
    p, buffer = START.clone(), torch.zeros_like(START)
    for g in GRADIENTS:
        buffer = momentum * buffer + (g + decay * p)
        p = p - lr * buffer
    return p


def nesterov(lr, momentum, decay):
    p, buffer = START.clone(), torch.zeros_like(START)
    for gradient in GRADIENTS:
        g = gradient + decay * p
        buffer = momentum * buffer + g
        p = p - lr * (g + momentum * buffer)
    return p


def custom_sign_sgd(lr, momentum, decay):
    p, buffer = START.clone(), torch.zeros_like(START)
    for g in GRADIENTS:
        buffer = momentum * buffer + (1 - momentum) * torch.sign(g + decay * p)
        p = p - lr * buffer
    return p


def adam(lr, decay, decoupled):
    p, mean, square = START.clone(), torch.zeros_like(START), torch.zeros_like(START)
    for step, gradient in enumerate(GRADIENTS, start=1):
        g = gradient if decoupled else gradient + decay * p
        if decoupled:
            p = p - lr * decay * p
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        p = p - lr * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
    return p


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SGD(learning_rate=0.1, momentum=0.8, weight_decay=0.05), sgd(0.1, 0.8, 0.05)),
        (SGD(learning_rate=0.1, momentum=0.8, weight_decay=0.05, nesterov=True), nesterov(0.1, 0.8, 0.05)),
        (CustomSignSGD(learning_rate=0.1, momentum=0.8, weight_decay=0.05), custom_sign_sgd(0.1, 0.8, 0.05)),
        (Adam(learning_rate=0.1, weight_decay=0.05), adam(0.1, 0.05, decoupled=False)),
        (AdamW(learning_rate=0.1, weight_decay=0.05), adam(0.1, 0.05, decoupled=True)),
    ],
    ids=["sgd", "nesterov", "custom_sign_sgd", "adam", "adamw"],
)
def test_optimizer_is_the_formula(settings, expected):
    torch.testing.assert_close(trained(settings), expected, rtol=1e-10, atol=1e-12)


def test_custom_sign_sgd_takes_the_decay_inside_the_sign():
    parameter = Parameter(torch.tensor([2.0]))
    parameter.grad = torch.tensor([-0.1])
    CustomSignSGD(learning_rate=1.0, momentum=0.9, weight_decay=0.1).build([parameter]).step()
    # -0.1 + 0.1 * 2 = 0.1 is positive, so the step goes down, by (1 - momentum).
    assert parameter.item() == pytest.approx(1.9)


def test_custom_sign_sgd_leaves_the_gradient_alone():
    parameter = Parameter(torch.tensor([2.0]))
    parameter.grad = torch.tensor([-0.1])
    CustomSignSGD().build([parameter]).step()
    assert parameter.grad.item() == pytest.approx(-0.1)
