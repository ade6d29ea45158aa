"""Our own components: a small residual network, the Lion optimizer and the Poly-1 loss.

Each declares its name, its settings and how it is built. Every job of a cluster reads this file, so torch is imported
only where something is built.
"""

from typing import Literal

from pydantic import Field, PositiveInt

from ablation.components.activations import ReLU
from ablation.config.kinds import Activation, Loss, Model, Optimizer


class Residual(Model):
    """Stages of two residual blocks, each stage but the first halving the images; then the mean over each channel."""

    name: Literal["residual"] = "residual"
    display_name = "Residual"
    widths: tuple[PositiveInt, ...] = Field((8, 16, 32), min_length=1, description="channels of each stage")
    activation: Activation = Field(ReLU(), description="after each convolution and each sum")

    def check(self, run, images):
        if min(images.height, images.width) < 2 ** (len(self.widths) - 1):
            raise ValueError(f"widths: {len(self.widths)} stages are too many for images of {images.height} pixels")

    def build(self, images, classes):
        from residual import ResidualNetwork

        return ResidualNetwork(images.channels, self.widths, classes, self.activation.build)


class Lion(Optimizer):
    """Lion (Chen et al. 2023): the sign of an average between gradient and momentum."""

    name: Literal["lion"] = "lion"
    display_name = "Lion"
    beta1: float = Field(0.9, ge=0, lt=1, description="weight of the momentum in a step")
    beta2: float = Field(0.99, ge=0, lt=1, description="decay of the momentum")
    weight_decay: float = Field(0.0, ge=0, description="share of the weights, times the learning rate, lost a step")

    def build(self, parameters):
        from lion import LionOptimizer

        return LionOptimizer(parameters, self.learning_rate, (self.beta1, self.beta2), self.weight_decay)


class Poly(Loss):
    """Poly-1 (Leng et al. 2022): cross entropy + epsilon * (1 - pt), with pt the probability of the right class."""

    name: Literal["poly"] = "poly"
    display_name = "Poly1"
    epsilon: float = Field(1.0, ge=-1, description="weight of the first term of the polynomial")

    def build(self):
        from torch.nn.functional import cross_entropy

        def poly(logits, labels):
            losses = cross_entropy(logits, labels, reduction="none")
            return (losses + self.epsilon * (1 - (-losses).exp())).mean()

        return poly
