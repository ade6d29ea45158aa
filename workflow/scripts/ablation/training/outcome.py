"""The results of training: how good a set of weights is, and what a probe saw. No torch.

Accuracies are top-1 in percent, losses means over the images.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FiniteModel(BaseModel):
    """Frozen, of finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Score(FiniteModel):
    """How good one set of weights is.

    Held-out images choose the best epoch: the validation split where there is one, else the test images, as the
    reference did it. `test_accuracy` is always that of the test images.
    """

    epoch: int
    held_out_loss: float
    held_out_accuracy: float
    test_accuracy: float


class ProbedStep(FiniteModel):
    """A walk along the negative gradient from the weights before step `step` (counted from 1), on that step's batch.

    `path_losses` and `gradient_distances` are those at each step size of the record: the objective there, and the l2
    norm of the gradient there minus the gradient at the start.
    """

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    step: int
    epoch: int
    learning_rate: float
    loss: float
    gradient_norm: float
    path_losses: tuple[float, ...]
    gradient_distances: tuple[float, ...]
