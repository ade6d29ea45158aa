"""Write the JSON schema of the config, generated from its models: `make schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ablation.config import Study
from ablation.files import write_text

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "study.schema.json"


def schema() -> dict[str, Any]:
    """The schema that editors check a config against. A file that extends another needs none of the keys."""
    generated = Study.model_json_schema()
    generated["properties"]["extends"] = {"type": "string", "description": "a YAML file that this one is laid over"}
    required = generated.pop("required")
    return generated | {"anyOf": [{"required": ["extends"]}, {"required": required}]}


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    write_text(SCHEMA, text())
