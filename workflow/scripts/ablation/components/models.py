"""The networks of the reference, and residual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ablation.components.activations import LeakyReLU, ReLU, Swish
from ablation.config.kinds import Activation, ImageShape, Model

if TYPE_CHECKING:
    from torch import nn

    from ablation.config.settings import RunSettings

Width = Annotated[PositiveInt, Field(le=4096)]


def check_halvings(images: ImageShape, halvings: int) -> None:
    """Refuse images that have nothing left after so many max pools.

    Raises:
        ValueError: they have not.
    """
    smallest = min(images.height, images.width)
    if smallest < 2**halvings:
        raise ValueError(f"halves the images {halvings} times, and {smallest} pixels can be halved less often")


class CNN(Model):
    """The reference's network (section 1): a block of convolution and max pool per width, then 512-256-classes."""

    name: Literal["cnn"] = "cnn"
    display_name = "CNN"
    filters: tuple[Width, ...] = Field((64, 128, 256), min_length=3, max_length=5, description="width of each block")
    activation: Activation = Field(LeakyReLU(), description="after each convolution and hidden linear layer")
    batch_norm: bool = Field(True, description="after each convolution")
    dropout: float = Field(0.5, ge=0, lt=1, description="after each hidden linear layer")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        check_halvings(images, len(self.filters))

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        from ablation.components.networks import cnn

        return cnn(self, images, classes)


class CNNTanh(CNN):
    """The reference's network with a tanh behind its last layer, which its authors' MSE model has commented out."""

    name: Literal["cnn_tanh"] = "cnn_tanh"  # type: ignore[assignment]
    display_name = "CNN-tanh"

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        from torch.nn import Tanh

        from ablation.components.networks import cnn

        return cnn(self, images, classes).append(Tanh())


class VGGA(Model):
    """VGG for small images (study, section 4; Simonyan and Zisserman 2015, configuration A), with Xavier-normal weights
    at its start."""

    name: Literal["vgg_a"] = "vgg_a"
    display_name = "VGG-A"
    # Widths of the convolutions, stage by stage, each of which ends in a max pool, and of the hidden linear layers.
    stages: ClassVar[tuple[tuple[int, ...], ...]] = ((64,), (128,), (256, 256), (512, 512), (512, 512))
    hidden: ClassVar[int] = 512
    width_multiplier: PositiveFloat = Field(1.0, le=16, description="factor of every hidden layer's width")
    activation: Activation = Field(ReLU(), description="after each convolution and hidden linear layer")
    batch_norm: bool = Field(True, description="after each convolution")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        check_halvings(images, len(self.stages))

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        from ablation.components.networks import vgg, xavier_normal

        return vgg(self, images, classes).apply(xavier_normal)


class VGGALight(VGGA):
    """The course template's small VGG, which starts as torch does."""

    name: Literal["vgg_a_light"] = "vgg_a_light"  # type: ignore[assignment]
    display_name = "VGG-A-Light"
    stages: ClassVar[tuple[tuple[int, ...], ...]] = ((16,), (32,))
    hidden: ClassVar[int] = 128

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        from ablation.components.networks import vgg

        return vgg(self, images, classes)


class VGGADropout(VGGA):
    """The course template's VGG-A with dropout before the hidden linear layers, which starts as torch does."""

    name: Literal["vgg_a_dropout"] = "vgg_a_dropout"  # type: ignore[assignment]
    display_name = "VGG-A-Dropout"
    dropout: float = Field(0.5, ge=0, lt=1, description="before each hidden linear layer")

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        from ablation.components.networks import vgg

        return vgg(self, images, classes, self.dropout)


class ResNet(Model):
    """The later network of the reference's authors, a ResNet for small images (He, Zhang, Ren and Sun 2016): a 3x3
    convolution, stages of basic blocks, each but the first halving the images, and the mean over each channel."""

    name: Literal["resnet"] = "resnet"
    display_name = "ResNet"
    stages: tuple[Width, ...] = Field((64, 128, 256), min_length=1, max_length=8, description="width of each stage")
    blocks: PositiveInt = Field(2, le=100, description="basic blocks, of two convolutions each, in a stage")
    width_multiplier: PositiveFloat = Field(1.0, le=16, description="factor of every width")
    activation: Activation = Field(Swish(), description="after each convolution, in a block behind the sum")

    def check(self, run: RunSettings, images: ImageShape) -> None:
        check_halvings(images, len(self.stages) - 1)

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        from ablation.components.networks import resnet

        return resnet(self, images, classes)


class ResNet18(ResNet):
    """ResNet-18 as commonly built for CIFAR-10, without the max pool and the stride of its first convolution."""

    name: Literal["resnet18"] = "resnet18"  # type: ignore[assignment]
    display_name = "ResNet-18"
    stages: tuple[Width, ...] = Field(
        (64, 128, 256, 512), min_length=1, max_length=8, description="width of each stage"
    )
    activation: Activation = Field(ReLU(), description="after each convolution, in a block behind the sum")
