"""Typed config models: what a study's YAML may say, key by key.

In: plain mappings read from YAML. Out: frozen pydantic models. Unknown keys, wrong types and values out of range are
refused by pydantic; what needs more than one key to judge is checked in `loading.py`. The settings of runs stay as they
are written until `Study.matrix` puts them together.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, WithJsonSchema

from ablation.config.catalog import catalog
from ablation.config.claims import Claim, Quantity
from ablation.config.grid import Identifier
from ablation.config.kinds import MAX_FLOAT, Catalog, ImageShape
from ablation.config.landscape_models import LandscapeModel, find_models
from ablation.config.matrix import Matrix, Resolved, Sections, resolve
from ablation.config.strict import DEFINED_AS, Strict, Text
from ablation.config.texts import OF_NO_RESULT

Settings = Annotated[dict[str, Any], WithJsonSchema({DEFINED_AS: "Settings"})]
VariantEntry = Annotated[dict[str, Any], WithJsonSchema({DEFINED_AS: "Variant"})]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
LearningRate = Annotated[PositiveFloat, Field(le=MAX_FLOAT)]


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
    validation_fraction: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="share of the training images held out to choose the best epoch; 0: the test images choose it; "
        "null: 0.1 of your own images, 0 of the others",
    )
    train_images_per_class: PositiveInt | None = Field(
        None, le=10_000_000, description="train on this many images of each class only; null: on all"
    )
    test_images_per_class: PositiveInt | None = Field(
        None, le=10_000_000, description="test on this many images of each class only; null: on all"
    )
    image_size: int = Field(32, ge=4, le=1024, description="height and width in pixels that images are scaled to")
    channels: Literal[1, 3] = Field(3, description="1: grey images, 3: colour images")

    @property
    def held_out_fraction(self) -> float:
        """The share of the training images that is held out."""
        if self.validation_fraction is None:
            return 0.1 if self.name == "images" else 0.0
        return self.validation_fraction

    @property
    def image_shape(self) -> ImageShape:
        return ImageShape(self.channels, self.image_size, self.image_size)


class Row(Strict):
    """One line of a comparison table."""

    variant: Identifier
    label: Text = Field(min_length=1)
    reported: float | None = Field(None, ge=0, le=100, description="the reference's test accuracy, %")
    accuracy: Literal["best", "averaged"] = Field(
        "best", description="the accuracy to compare: of the best epoch, or of the averaged weights"
    )


class Table(Strict):
    """A comparison table of the report."""

    title: Text = Field(min_length=1)
    note: Text = ""
    rows: tuple[Row, ...] = Field(min_length=1)
    baseline: Identifier | None = Field(
        None, description="the variant of the row that the others are compared with; left out: the first row's"
    )
    seeds: tuple[Seed, ...] = Field((), description="seeds of its rows, besides those of the study")

    @property
    def baseline_row(self) -> Row:
        return next((row for row in self.rows if row.variant == self.baseline), self.rows[0])


class Probing(Strict):
    """At which training steps a run is probed, and how far it looks along the negative gradient."""

    every: PositiveInt = Field(50, le=1_000_000, description="probe every so many steps")
    step_sizes: tuple[Annotated[PositiveFloat, Field(le=1000)], ...] = Field(
        (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0),
        min_length=1,
        max_length=100,
        description="multiples of the learning rate",
    )


class Probed(Strict):
    """Which variants of a grid are probed: one for each of the landscape's two models."""

    grid: Identifier | None = Field(None, description="a variant with a grid; left out: that of the landscape")
    learning_rate: LearningRate | None = Field(None, description="where the grid has several")


class Landscape(Strict):
    """The loss landscape of two models: without an ingredient (batch normalisation), then with it."""

    title: Text = Field(min_length=1)
    note: Text = ""
    grid: Identifier = Field(description="a variant with a grid of the learning rate and the models")
    models: dict[Identifier, Annotated[Text, Field(min_length=1)]] = Field(
        min_length=2, max_length=2, description="labels of the two models, by the names of their values on the axis"
    )
    band: tuple[LearningRate, ...] = Field(
        min_length=2, description="learning rates whose losses span the band; the others: which still train?"
    )
    probed: dict[Identifier, Probed] = Field(
        default_factory=dict, description="what to probe, by a name of your choice"
    )
    probe: Probing = Probing()
    smoothing_steps: PositiveInt = Field(
        20, le=1_000_000, description="steps of the running mean for the smoothed band"
    )
    accuracy_mark: float = Field(50.0, gt=0, le=100, description="%: after how many epochs is it reached?")
    trained_accuracy: float = Field(20.0, ge=0, le=100, description="%: a run that ends below it has not trained")
    reported: dict[Quantity, Text] = Field(default_factory=dict, description="what the reference says, by quantity")


class Statistics(Strict):
    """How the report decides."""

    margin: float = Field(
        0.75, gt=0, le=100, description="percentage points: accuracies that differ by less are similar"
    )
    looks: PositiveInt = Field(
        2, le=100, description="how often the results are looked at, as after adding seeds; each tests at 5 % / looks"
    )

    @property
    def level(self) -> float:
        """The probability of a wrong verdict, in a section of claims and at one look."""
        return 0.05 / self.looks


class JobOptions(Strict):
    """What a training job asks for, and how it works: none of this reruns anything.

    Only the number of threads may change a result, in the rounding of runs on a processor; their records have it.
    """

    threads: PositiveInt = Field(
        1, le=1024, description="processor threads of a run; without a GPU they change how it rounds"
    )
    mem_mb: PositiveInt = Field(3000, le=10_000_000, description="main memory of a run, in MB; a retry asks for more")
    runtime: PositiveInt = Field(
        240, le=1_000_000, description="time limit of a job, in minutes; a retry asks for more"
    )
    checkpoint_seconds: int = Field(
        60,
        ge=0,
        le=1_000_000,
        description="seconds between two checkpoints in an epoch; its end has one too, if the last is a tenth as old",
    )
    pack_seeds: bool = Field(False, description="train all seeds of a variant side by side, in one job")


class Audit(Strict):
    """Which finished runs `snakemake audit` trains again."""

    runs: PositiveInt = Field(3, le=1000, description="how many, chosen at random")
    seed: Seed = Field(0, description="of that choice: another one chooses others")


class Study(Strict):
    """A whole study: one YAML file, or one that `extends` another."""

    study: Identifier = Field(description="the study's name; one results/ folder holds one study")
    title: Text = "Ablation study"
    data: DataConfig = DataConfig()
    components: tuple[str, ...] = Field((), description="Python files with components of your own")
    seeds: tuple[Seed, ...] = Field(min_length=1)
    base: Settings = Field(default_factory=dict, description="settings of every run")
    variants: dict[Identifier, VariantEntry] = Field(min_length=1, description="what differs from base, by variant")
    override: Settings = Field(
        default_factory=dict, description="set in every run that has the setting, whatever base and variants say"
    )
    tables: dict[Identifier, Table] = Field(default_factory=dict)
    landscape: Landscape | None = None
    claims: dict[Identifier, Claim] = Field(default_factory=dict, description="sentences that the report judges")
    statistics: Statistics = Statistics()
    reported_data: str | None = Field(
        None, description="the data set (`data.name`) that the reported figures are of; on others they are left out"
    )
    jobs: JobOptions = JobOptions()
    notes: tuple[Text, ...] = Field((), description="decisions that the report prints")
    audit: Audit = Audit()
    partial: bool = Field(False, description="report on the finished runs only")
    keep: bool = Field(False, description="keep runs that earlier training code finished; the report names them")

    def for_analysis(self) -> str:
        """The study as one line of JSON, without what no result depends on."""
        return self.model_dump_json(exclude_unset=True, exclude=dict.fromkeys(OF_NO_RESULT, True) | {"data": {"path"}})

    @cached_property
    def not_comparable(self) -> tuple[str, ...]:
        """Why no result compares with the reported figures, in sentences; nothing where they do."""
        reasons = {
            f"The data set is {self.data.name}, and the reported figures are of {self.reported_data}.": (
                self.reported_data not in (None, self.data.name)
            ),
            f"Every run was trained on {self.data.train_images_per_class} images of each class only.": (
                self.data.train_images_per_class is not None
            ),
            f"Every run was tested on {self.data.test_images_per_class} images of each class only.": (
                self.data.test_images_per_class is not None
            ),
            "Settings are overridden in every run.": bool(self.override),
        }
        return tuple(reason for reason, holds in reasons.items() if holds)

    @cached_property
    def _more_seeds(self) -> dict[str, list[int]]:
        more: dict[str, list[int]] = {}
        for table in self.tables.values():
            for row in table.rows if table.seeds else ():
                more.setdefault(row.variant, []).extend(table.seeds)
        return more

    def seeds_of(self, variant: str) -> tuple[int, ...]:
        """The seeds of a variant: those of the study and of the tables that it is in."""
        return tuple(dict.fromkeys((*self.seeds, *self._more_seeds.get(variant, ()))))

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds of any variant."""
        return tuple(dict.fromkeys((*self.seeds, *(seed for seeds in self._more_seeds.values() for seed in seeds))))

    @property
    def trains_side_by_side(self) -> bool:
        """Whether a job trains several runs."""
        return self.jobs.pack_seeds and len(self.seeds) > 1

    @cached_property
    def catalog(self) -> Catalog:
        """The components that the study can choose from."""
        return catalog(self.components)

    @cached_property
    def resolved(self) -> Resolved:
        """The settings of all runs, or what is wrong with them."""
        return resolve(Sections(self.base, self.variants, self.override, self.catalog, self.data.image_shape))

    @property
    def matrix(self) -> Matrix:
        """Every variant with its complete settings.

        Raises:
            ValueError: they are not valid, which `loading.load_study` tells with its place.
        """
        if self.resolved.matrix is None:
            raise ValueError(f"the study is not valid: {self.resolved.problems}")
        return self.resolved.matrix

    @cached_property
    def landscape_models(self) -> tuple[LandscapeModel, ...]:
        """The two models of the landscape section; none where there is no such section."""
        if self.landscape is None:
            return ()
        models, problems = find_models(self.landscape, self.matrix)
        if problems:
            raise ValueError(f"the landscape is not valid: {problems}")
        return models
