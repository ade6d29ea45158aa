"""What a study claims: sentences that the report judges, each of a kind that says which numbers decide it. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ablation.config.grid import Identifier
from ablation.config.matrix import Resolved
from ablation.config.problems import Problem
from ablation.config.strict import Strict, Text
from ablation.config.texts import choices, shown, suggestion

if TYPE_CHECKING:
    from ablation.config.study import Study, Table

Quantity = Literal[
    "epochs_to_mark",
    "band_width",
    "smoothed_band_width",
    "epoch_band_width",
    "loss_fluctuation",
    "loss_range",
    "gradient_distance",
    "relative_gradient_distance",
    "gradient_cosine_distance",
    "smoothness",
    "dimensionless_smoothness",
    "covariate_shift",
    "covariate_shift_cosine_distance",
    "largest_learning_rate",
]
# Quantities of the walks of a probe, and of its layers.
OF_WALKS = (
    *("loss_range", "gradient_distance", "relative_gradient_distance", "gradient_cosine_distance"),
    *("smoothness", "dimensionless_smoothness"),
)
OF_LAYERS = ("covariate_shift", "covariate_shift_cosine_distance")
# What a claim about facts alone belongs to, and one about the landscape.
FACTS, LANDSCAPE = "facts", "landscape"


class _Claim(Strict):
    says: Text = Field(min_length=1, description="the claim, as a sentence")

    @property
    def section(self) -> str:
        """What is judged together: the claims of a table, or of the landscape."""
        return LANDSCAPE

    def problems(self, study: Study, resolved: Resolved) -> Iterator[Problem]:
        """What of the study contradicts this claim, by its key."""
        if study.landscape is None:
            yield (
                ("kind",),
                f"{self.model_dump()['kind']} is about the landscape, and the study has no landscape section",
            )


class _OfRows(_Claim):
    table: Identifier = Field(description="the table whose rows are compared")
    rows: tuple[Identifier, ...] = Field(min_length=2, description="variants of its rows")

    @property
    def section(self) -> str:
        return self.table

    def problems(self, study: Study, resolved: Resolved) -> Iterator[Problem]:
        yield from _row_problems(self.table, {("rows", index): row for index, row in enumerate(self.rows)}, study)
        for index, row in enumerate(self.rows):
            if row in self.rows[:index]:
                yield ("rows", index), f"{shown(row)} appears twice; keep one"


class Greater(_OfRows):
    """The mean accuracy falls from each row to the next."""

    kind: Literal["greater"]
    rows: tuple[Identifier, ...] = Field(min_length=2, description="variants of its rows, the most accurate first")
    by: Literal["margin"] | None = Field(None, description="margin: each is above the next by more than the margin")


class Similar(_OfRows):
    """The mean accuracies of all rows differ by less than the margin."""

    kind: Literal["similar"]


class Steadier(_OfRows):
    """The held-out accuracy of the first row moves less from one epoch to the next than that of the second."""

    kind: Literal["steadier"]
    rows: tuple[Identifier, ...] = Field(min_length=2, max_length=2, description="two variants, the steadier one first")


class Reaches(_Claim):
    """Runs of a row reach the accuracy that the reference reports of one."""

    kind: Literal["reaches"]
    table: Identifier = Field(description="the table with the row")
    row: Identifier = Field(description="the variant of the row, with its reported accuracy")

    @property
    def section(self) -> str:
        return self.table

    def problems(self, study: Study, resolved: Resolved) -> Iterator[Problem]:
        yield from _row_problems(self.table, {("row",): self.row}, study)
        table = study.tables.get(self.table)
        rows = [row for row in table.rows if row.variant == self.row] if table else []
        if rows and rows[0].reported is None:
            yield ("row",), f"the row of {shown(self.row)} has no reported accuracy to reach"


class Fact(_Claim):
    """The number of trainable parameters."""

    kind: Literal["fact"]
    variant: Identifier
    parameters: PositiveInt = Field(le=10**15, description="trainable parameters that the reference gives")
    tolerance: NonNegativeInt = Field(0, le=10**15, description="how far ours may be from that, as a rounded number is")

    @property
    def section(self) -> str:
        return FACTS

    def problems(self, study: Study, resolved: Resolved) -> Iterator[Problem]:
        if resolved.variants and self.variant not in resolved.variants:
            hint = f"{suggestion(self.variant, resolved.variants)}Variants: {choices(resolved.variants)}"
            yield ("variant",), f"no variant {shown(self.variant)}; {hint}"


class FewerEpochs(_Claim):
    """The second model of the landscape reaches its accuracy mark in fewer epochs than the first."""

    kind: Literal["fewer_epochs"]


class Ratio(_Claim):
    """A quantity of the landscape is smaller, or larger, for its second model than for its first."""

    kind: Literal["ratio"]
    quantity: Quantity
    expected: Literal["smaller", "larger"] = Field("smaller", description="with the ingredient, compared to without")
    pair: Identifier | None = Field(None, description="of probes: the name under landscape.probed")
    path: Literal["gradient", "optimizer"] = Field("gradient", description="of probes: along which they walk")
    matched: bool = Field(False, description="of probes: at training losses that both models reach")

    @property
    def line(self) -> tuple[str, str, str, bool]:
        """Quantity, pair, path and whether matched: a line of the landscape's tables."""
        walks = self.quantity in OF_WALKS
        return self.quantity, self.pair or "", self.path if walks else "", self.matched and walks

    def problems(self, study: Study, resolved: Resolved) -> Iterator[Problem]:
        yield from super().problems(study, resolved)
        probed = list(study.landscape.probed) if study.landscape else []
        of_probes = self.quantity in (*OF_WALKS, *OF_LAYERS)
        if of_probes and study.landscape and self.pair not in probed:
            yield ("pair",), f"{self.quantity} is measured by probes: choose one of {choices(probed) or 'none'}"
        if self.pair is not None and not of_probes:
            yield ("pair",), f"{self.quantity} is of no probe; leave it out"


Claim = Annotated[Greater | Similar | Steadier | Reaches | Fact | FewerEpochs | Ratio, Field(discriminator="kind")]


# By the text of `kind`.
CLAIMS: dict[str, type[_Claim]] = {
    "greater": Greater,
    "similar": Similar,
    "steadier": Steadier,
    "reaches": Reaches,
    "fact": Fact,
    "fewer_epochs": FewerEpochs,
    "ratio": Ratio,
}


def _row_problems(name: str, rows: dict[Any, str], study: Study) -> Iterator[Problem]:
    """Rows that a table does not have, or has twice."""
    table: Table | None = study.tables.get(name)
    if table is None:
        hint = f"{suggestion(name, study.tables)}Tables: {choices(study.tables) or 'none'}"
        yield ("table",), f"no table {shown(name)}; {hint}"
        return
    variants = [row.variant for row in table.rows]
    for key, row in rows.items():
        if row not in variants:
            yield (
                key,
                f"table '{name}' has no row of {shown(row)}; {suggestion(row, variants)}Rows: {choices(variants)}",
            )
        elif variants.count(row) > 1:
            yield key, f"table '{name}' has several rows of {shown(row)}, so it is not clear which is meant"


def claim_problems(study: Study, resolved: Resolved) -> Iterator[Problem]:
    """Claims about tables, rows, variants or measurements that the study does not have."""
    for name, claim in study.claims.items():
        for path, text in claim.problems(study, resolved):
            yield ("claims", name, *path), text
