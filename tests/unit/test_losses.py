"""Each loss against the study's formula, written out in float64."""

import pytest
import torch

from ablation.components.losses import MSE, CrossEntropy, Focal, LabelSmoothing

LOGITS = torch.randn(16, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 4
LABELS = torch.randint(0, 10, (16,), generator=torch.Generator().manual_seed(2))
LOG_P = LOGITS - LOGITS.exp().sum(1, keepdim=True).log()
NLL = -LOG_P[torch.arange(16), LABELS]
ONE_HOT = (LABELS[:, None] == torch.arange(10)).double()


def focal_formula(alpha, gamma):
    return (alpha * (1 - (-NLL).exp()) ** gamma * NLL).mean()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CrossEntropy(), NLL.mean()),
        (LabelSmoothing(smoothing=0.2), (0.8 * NLL + 0.2 * (-LOG_P).mean(1)).mean()),
        (Focal(alpha=1.0, gamma=1.0), focal_formula(1.0, 1.0)),
        (Focal(alpha=0.25, gamma=2.0), focal_formula(0.25, 2.0)),
        (MSE(), ((LOGITS - ONE_HOT) ** 2).mean()),
    ],
    ids=["cross_entropy", "label_smoothing", "focal-1", "focal-2", "mse"],
)
def test_loss_is_the_formula(loss, expected):
    torch.testing.assert_close(loss.build()(LOGITS, LABELS), expected, rtol=1e-12, atol=0)


def test_focal_with_gamma_zero_is_cross_entropy():
    focal = Focal(alpha=1.0, gamma=0.0).build()
    torch.testing.assert_close(focal(LOGITS, LABELS), NLL.mean())


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_focal_has_finite_gradients_where_the_network_is_sure(gamma):
    logits = torch.tensor([[100.0, 0.0]], requires_grad=True)
    Focal(gamma=gamma).build()(logits, torch.tensor([0])).backward()
    assert torch.isfinite(logits.grad).all()
