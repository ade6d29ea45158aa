"""The kinds of components. A component is a class below one of them, which declares everything about itself:

- `name`, as in the YAML, and `display_name`, as in the report and in the names of weights' files;
- its settings: pydantic fields, with range, default and description. It reads these and no others;
- `build`, which makes the torch object. It imports torch, so that reading a config need not.

    class SGD(Optimizer):
        name: Literal["sgd"] = "sgd"
        display_name = "SGD"
        momentum: float = Field(0.9, ge=0, lt=1, description="decay of the running sum of gradients")

        def build(self, parameters):
            import torch

            return torch.optim.SGD(parameters, lr=self.learning_rate, momentum=self.momentum)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PositiveFloat, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ablation.config.strict import DEFINED_AS, Strict
from ablation.config.texts import choices, shown, suggestion

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim.lr_scheduler import LRScheduler

    from ablation.config.settings import RunSettings

# No study comes near these: what is larger is a mistake, and torch may not be able to compute with it.
MAX_FLOAT = 1e30  # float32 ends at 3e38
MAX_EPOCHS = 100_000

# By kind, then by name.
Catalog = Mapping[str, Mapping[str, type["Component"]]]
# Ours, for settings that are checked without a study; `catalog.py` fills it in, since the components are made of this.
BUILT_IN: dict[str, Mapping[str, type[Component]]] = {}


class ImageShape(NamedTuple):
    """Channels, height and width in pixels of every image of a run."""

    channels: int
    height: int
    width: int


class Component(Strict):
    """One choice of a run, such as its optimizer."""

    kind: ClassVar[str]
    display_name: ClassVar[str]

    name: str

    def check(self, run: RunSettings, images: ImageShape) -> None:
        """Refuse what contradicts the run's other settings or its images, before any job starts.

        Raises:
            ValueError: `setting: what is wrong with it`.
        """

    def parts(self) -> Iterator[Component]:
        """This component, and those inside it."""
        yield self
        yield from components_in(self)

    @classmethod
    def is_kind(cls) -> bool:
        """Whether this is a kind, such as `Optimizer`, and no choice of it."""
        return Component in cls.__bases__

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A field of a kind takes any choice of the catalog that is the validation's context."""
        if Strict in cls.__bases__ or not cls.is_kind():
            return handler(source)
        as_json = core_schema.plain_serializer_function_ser_schema(lambda chosen: chosen.model_dump(mode="json"))
        return core_schema.with_info_plain_validator_function(cls._choose, serialization=as_json)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Of a kind: the name of a choice, or its settings; `write_schema.py` adds what the choices are."""
        if Strict in cls.__bases__ or not cls.is_kind():
            return handler(schema)
        return {DEFINED_AS: cls.__name__}

    @classmethod
    def _choose(cls, value: Any, info: ValidationInfo) -> Component:
        if isinstance(value, cls):
            return value
        settings = as_mapping(value)
        if not isinstance(settings, Mapping):
            raise _refusal(f"{shown(value)} is not valid: the name of a component, or a mapping of its settings")
        known = (info.context or BUILT_IN)[cls.kind]
        name = settings.get("name")
        if not isinstance(name, str) or name not in known:
            raise _refusal(
                f"{shown(name)} is not a known {cls.kind}; {suggestion(name, known)}choose one of {choices(known)}"
            )
        return known[name].model_validate(settings, context=info.context)


def _refusal(text: str) -> PydanticCustomError:
    return PydanticCustomError("component", "{text}", {"text": text})


def as_mapping(value: Any) -> Any:
    """`sgd` is short for `{name: sgd}`."""
    return {"name": value} if isinstance(value, str) else value


def components_in(settings: Strict) -> Iterator[Component]:
    """The components among the fields of these settings, and those inside them."""
    for _, value in settings:
        if isinstance(value, Component):
            yield from value.parts()


class Activation(Component):
    """A nonlinearity of a model."""

    kind = "activation"

    def build(self) -> nn.Module:
        """A module that keeps the shape of its input. Called once for each place where the model has one."""
        raise NotImplementedError


class Model(Component):
    """A network."""

    kind = "model"

    def build(self, images: ImageShape, classes: int) -> nn.Module:
        """Inputs (B, channels, height, width) normalised, float32; outputs logits (B, classes)."""
        raise NotImplementedError


class Optimizer(Component):
    """What takes a step along the gradient."""

    kind = "optimizer"

    learning_rate: PositiveFloat = Field(1e-3, le=MAX_FLOAT, description="size of a step, before any schedule")

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Its state must be all in `state_dict`, else an interrupted run does not resume as it was."""
        raise NotImplementedError


class Loss(Component):
    """What training makes small."""

    kind = "loss"

    def build(self) -> Callable[[Tensor, Tensor], Tensor]:
        """A function of logits (B, classes) and labels (B,) int64: the mean over the batch, ()."""
        raise NotImplementedError


class Scheduler(Component):
    """What happens to the learning rate at the end of each epoch."""

    kind = "scheduler"

    def build(self, optimizer: torch.optim.Optimizer, epochs: int) -> LRScheduler | None:
        """Its `step()` is called at the end of each epoch; that of `ReduceLROnPlateau` with the held-out loss."""
        raise NotImplementedError


class BatchAugmentation(Protocol):
    """Changes training images on the device, each for itself: B may be any number of an epoch's images."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Random numbers for an epoch of so many images: tensors of (count, ...), drawn on the CPU."""

    def __call__(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8 and their part of what was drawn, all on the device, to (B, C, H, W) uint8."""


class Augmentation(Component):
    """What changes the training images, at random, again in each epoch."""

    kind = "augmentation"

    def build(self) -> BatchAugmentation:
        """What changes the images of a run."""
        raise NotImplementedError


class WeightAverage(Protocol):
    """An average of the weights of the model that it was built with, taken while that trains."""

    def end_step(self) -> None:
        """What there is to do after each step, without waiting for the device."""

    def sets_learning_rate(self, epoch: int) -> bool:
        """Whether the average, and not the scheduler, ends this epoch, counted from 1."""

    def end_epoch(self) -> None:
        """Take in the epoch's weights, and set the next learning rate."""

    def finish(self, inputs: Iterable[Tensor]) -> nn.Module:
        """A network with the averaged weights; `inputs` are an epoch's, for the statistics of batch norm."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Averaging(Component):
    """Whether, and how, the weights of several epochs or steps are averaged."""

    kind = "averaging"

    def build(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> WeightAverage | None:
        """None: there is no average."""
        raise NotImplementedError


KINDS: tuple[type[Component], ...] = (Model, Activation, Optimizer, Loss, Scheduler, Augmentation, Averaging)
