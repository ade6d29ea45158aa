"""Typed config models: what a study's YAML may say, key by key.

In: plain mappings read from YAML. Out: frozen pydantic models. Unknown keys, wrong types and values out of range are
refused by pydantic; what needs more than one key to judge is checked in `loading.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, StringConstraints

from ablation.settings import RunSettings, Strict

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class DataConfig(Strict):
    """Where the images come from."""

    name: Literal["cifar10", "digits", "images"] = Field(
        "cifar10",
        description="cifar10 (downloaded and verified by torchvision), digits (embedded in scikit-learn) or images "
        "(your own folder or tar of train/<class>/* and test/<class>/*)",
    )
    path: str | None = Field(
        None, min_length=1, description="cifar10: the folder of the archive; images: the folder or the tar"
    )
    validation_fraction: float = Field(
        0.0, ge=0, le=0.5, description="share of the training images held out to choose the best epoch; 0: test images"
    )
    train_images_per_class: PositiveInt | None = Field(
        None, description="train on this many images of each class only; null: on all"
    )


class Row(Strict):
    """One line of a comparison table."""

    variant: Identifier
    label: str = Field(min_length=1)
    reported: float | None = Field(None, ge=0, le=100, description="the study's test accuracy, %")
    figure: Literal["best", "averaged"] = Field(
        "best", description="the accuracy to compare: of the best epoch, or of the SWA average"
    )


class Table(Strict):
    """A comparison table of the report."""

    title: str = Field(min_length=1)
    note: str = ""
    rows: tuple[Row, ...] = Field(min_length=1)


Quantity = Literal[
    "epochs_to_mark",
    "band_width",
    "smoothed_band_width",
    "loss_range",
    "gradient_distance",
    "relative_gradient_distance",
    "smoothness",
    "largest_learning_rate",
]


class Probing(Strict):
    """At which training steps a run is probed, and how far it looks along the negative gradient."""

    every: PositiveInt = Field(50, description="probe every so many steps")
    step_sizes: tuple[PositiveFloat, ...] = Field(
        (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0), min_length=1, description="multiples of the learning rate"
    )


class LandscapeModel(Strict):
    """One of the two models of the landscape: its variants, which differ in their learning rate."""

    label: str = Field(min_length=1)
    band: tuple[Identifier, ...] = Field(min_length=2, description="variants whose losses span the band")
    larger: tuple[Identifier, ...] = Field((), description="variants at further learning rates: which still train?")
    probed: dict[Identifier, Identifier] = Field(
        default_factory=dict, description="variants to probe; those of the same name in both models are compared"
    )

    @property
    def variants(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.band, *self.larger, *self.probed.values())))


class Landscape(Strict):
    """The loss landscape of two models: without an ingredient (batch normalisation), then with it."""

    title: str = Field(min_length=1)
    note: str = ""
    models: tuple[LandscapeModel, LandscapeModel]
    probe: Probing = Probing()
    smoothing_steps: PositiveInt = Field(20, description="steps of the running mean for the smoothed band")
    accuracy_mark: float = Field(50.0, gt=0, le=100, description="%: after how many epochs is it reached?")
    trained_accuracy: float = Field(20.0, ge=0, le=100, description="%: a run that ends below it has not trained")
    reported: dict[Quantity, str] = Field(default_factory=dict, description="what the study says, by quantity")


class Jobs(Strict):
    """What a training job asks for, and how it works. None of this changes a result, so none of it trains anew."""

    threads: PositiveInt = Field(1, description="processor cores of a job")
    mem_mb: PositiveInt = Field(4000, description="main memory of a job, in MB; a retry asks for more")
    runtime: PositiveInt = Field(240, description="time limit of a job, in minutes; a retry asks for more")
    checkpoint_seconds: int = Field(
        60,
        ge=0,
        description="seconds between two checkpoints in an epoch; its end has one too, if the last is a tenth as old",
    )
    seeds_per_job: PositiveInt = Field(1, description="runs of one variant that one job trains side by side")


class Study(Strict):
    """A whole study: one YAML file, or one that `extends` another."""

    study: Identifier = Field(description="the study's name; one results/ folder holds one study")
    title: str = "Ablation study"
    data: DataConfig = DataConfig()
    seeds: tuple[Seed, ...] = Field(min_length=1)
    base: RunSettings = RunSettings()
    variants: dict[Identifier, RunSettings] = Field(min_length=1, description="what differs from base, by variant")
    override: RunSettings = Field(
        RunSettings(), description="set in every run, whatever base and variants say: for a quick look"
    )
    tables: dict[Identifier, Table] = Field(default_factory=dict)
    landscape: Landscape | None = None
    jobs: Jobs = Jobs()
    notes: tuple[str, ...] = Field((), description="decisions that the report prints")
    partial: bool = Field(False, description="report on the finished runs only")
