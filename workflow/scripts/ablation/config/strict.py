"""The base of every config model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

# In a JSON schema: a reference to a definition that `write_schema.py` adds, since it depends on the components.
DEFINED_AS = "x-defined-as"


class Strict(BaseModel):
    """Refuses unknown keys, infinities and later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
