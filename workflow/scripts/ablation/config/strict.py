"""The base of every config model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from ablation.escaping import one_line

# In a JSON schema: a reference to a definition that `write_schema.py` adds, since it depends on the components.
DEFINED_AS = "x-defined-as"


class Strict(BaseModel):
    """Refuses unknown keys, infinities and later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _on_one_line(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


# Titles, labels and notes, which may hold anything.
Text = Annotated[str, BeforeValidator(_on_one_line)]
