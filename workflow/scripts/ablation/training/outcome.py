"""The results of training: how good a set of weights is, and what a probe saw. No torch.

Accuracies are top-1 in percent, losses means over the images.
"""

from __future__ import annotations

from typing import Literal

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


class TestScores(FiniteModel):
    """How the best weights do on the test images, beyond the accuracy.

    `class_accuracy`: top-1 in percent of the images of each class, in the order of the classes; None of a class without
    test images. `calibration_error`: how far confidence and accuracy lie apart, in percent (see `assessment.py`).
    """

    class_accuracy: tuple[float | None, ...]
    calibration_error: float


class MaybeInfinite(FiniteModel):
    """Frozen, of numbers that may be infinite or NaN."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")


class Walk(MaybeInfinite):
    """From the weights before a step by multiples of a displacement of this `length` (l2 norm).

    At each multiple: the objective there, the l2 norm of the gradient there minus that at the start, and the cosine
    between the two.
    """

    length: float
    losses: tuple[float, ...]
    gradient_distances: tuple[float, ...]
    cosines: tuple[float, ...]


class LayerShift(MaybeInfinite):
    """How a layer's gradient changes when the layers below have taken their step.

    The l2 norm of the change over that of the gradient, and the cosine between before and after.
    """

    layer: str
    distance: float
    cosine: float


class ProbedStep(MaybeInfinite):
    """What was seen from the weights before step `step` (counted from 1), on that step's batch.

    The displacements of the walks are minus the learning rate times the gradient, and what the optimizer was about to
    add to the weights. `shifts` has every layer but the first, which has none below.
    """

    step: int
    epoch: int
    learning_rate: float
    loss: float
    gradient_norm: float
    walks: dict[Literal["gradient", "optimizer"], Walk]
    shifts: tuple[LayerShift, ...]
