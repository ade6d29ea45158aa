"""Losses that torch does not have: logits (B, classes) and labels (B,) -> the mean over the batch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def focal(logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    """alpha * (1 - pt)^gamma * cross entropy, with pt the probability of the right class (Lin et al. 2017, eq. 5)."""
    cross_entropy = F.cross_entropy(logits, labels, reduction="none")
    # From the log-probabilities, since 1 - exp(-ce) is exact also where pt is close to 1.
    return (alpha * (-(-cross_entropy).expm1()).pow(gamma) * cross_entropy).mean()


def mse(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean square of raw logits minus one-hot labels, over batch and classes."""
    return F.mse_loss(logits, F.one_hot(labels, logits.shape[1]).to(logits.dtype))
