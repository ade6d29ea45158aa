"""How a network does on labelled images beyond its accuracy: which classes it confuses, and how sure it is of them.

In: probabilities (B, classes) and labels (B,), batch by batch. Out: the confusion matrix, and the expected calibration
error of Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017), equation 3.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ablation.training.outcome import TestScores

CALIBRATION_BINS = 15


class Assessment:
    """Counts on the device, read once at the end.

    `confusion` (classes, classes): images of each true class, by the predicted one. `bins` (bins, 3): of the images
    whose top-1 probability lies in each of as many equal parts of 0 to 1, their number, those classified rightly, and
    the sum of these probabilities.
    """

    def __init__(self, classes: int, device: torch.device):
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64, device=device)
        self.bins = torch.zeros(CALIBRATION_BINS, 3, dtype=torch.float64, device=device)

    def add(self, probabilities: Tensor, labels: Tensor) -> None:
        """Take in a batch."""
        confidences, predicted = probabilities.double().max(1)
        places = labels * len(self.confusion) + predicted
        self.confusion += torch.bincount(places, minlength=self.confusion.numel()).view_as(self.confusion)
        rows = torch.stack([torch.ones_like(confidences), (predicted == labels).double(), confidences], dim=1)
        # The parts are open at their lower end, as there.
        parts = (confidences * CALIBRATION_BINS).ceil().long().clamp(1, CALIBRATION_BINS) - 1
        self.bins += one_hot(parts, CALIBRATION_BINS).double().T @ rows

    def scores(self) -> TestScores:
        """The accuracy of each class, and the calibration error: the mean over the images of the difference between
        accuracy and mean confidence in their part, both in percent."""
        images = self.confusion.sum(1)
        counts = zip(self.confusion.diag().tolist(), images.tolist(), strict=True)
        accuracies = [100 * right / count if count else None for right, count in counts]
        _, right, confidences = self.bins.T
        error = 100 * (right - confidences).abs().sum() / images.sum()
        return TestScores(class_accuracy=tuple(accuracies), calibration_error=error.item())
