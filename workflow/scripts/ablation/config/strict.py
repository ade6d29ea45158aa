"""The base of every config model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from ablation.escaping import one_line

# In a JSON schema: a reference to a definition that `write_schema.py` adds, since it depends on the components.
DEFINED_AS = "x-defined-as"


class Strict(BaseModel):
    """Refuses unknown keys, infinities, truth values as numbers, and later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_truth_values(cls, settings: Any) -> Any:
        """To pydantic, `yes` is also the number 1. A text is none, and it says so at its place."""
        if not isinstance(settings, Mapping):
            return settings
        return {key: _as_text(value) if key in cls._numbers() else value for key, value in settings.items()}

    @classmethod
    @cache
    def _numbers(cls) -> set[str]:
        """The keys that take numbers, and no truth values."""
        types = {key: list(_types_in(field.annotation)) for key, field in cls.model_fields.items()}
        return {key for key, those in types.items() if (int in those or float in those) and bool not in those}


def _as_text(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else value


def _types_in(annotation: Any) -> Iterator[Any]:
    """A type, and all types that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _types_in(part)


def _on_one_line(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


# Titles, labels and notes, which may hold anything.
Text = Annotated[str, BeforeValidator(_on_one_line)]
