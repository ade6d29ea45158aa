"""Write what is generated from the config's models and components, its JSON schema and the table of components in
`config/README.md`: `make schema`.

With files of components behind it, theirs are in the schema too: write_schema.py my_components.py > my.schema.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.config.catalog import built_in, catalog
from ablation.config.grid import Expansion
from ablation.config.kinds import KINDS, Catalog, Component
from ablation.config.settings import RunSettings
from ablation.config.strict import DEFINED_AS
from ablation.config.study import Study
from ablation.errors import errors_for_users
from ablation.files import write_text

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/study.schema.json"
GUIDE = ROOT / "config/README.md"
BEGIN, END = "<!-- components: `make schema` writes this table -->\n", "<!-- end -->\n"


def schema(files: Sequence[str] = ()) -> dict[str, Any]:
    """The schema that editors check a config against. A file that extends another needs none of the keys."""
    generated = Study.model_json_schema()
    generated["properties"]["extends"] = {"type": "string", "description": "a YAML file that this one is laid over"}
    required = generated.pop("required")
    generated["$defs"] |= _definitions(catalog(tuple(files)))
    for section in ("Landscape", "Table"):  # a file below may hold the rest of it
        del generated["$defs"][section]["required"]
    return _linked(generated | {"anyOf": [{"required": ["extends"]}, {"required": required}]})


def _linked(schema: Any) -> Any:
    """The schema with references where it says what is defined elsewhere."""
    if isinstance(schema, dict):
        links = {"$ref": f"#/$defs/{schema[DEFINED_AS]}"} if DEFINED_AS in schema else {}
        return {key: _linked(value) for key, value in schema.items() if key != DEFINED_AS} | links
    return [_linked(each) for each in schema] if isinstance(schema, list) else schema


def _definitions(components: Catalog) -> dict[str, Any]:
    """Settings, variants, and the components of each kind."""
    settings, expansion = (model.model_json_schema() for model in (RunSettings, Expansion))
    properties = settings["properties"] | expansion["properties"]
    definitions = settings.get("$defs", {}) | expansion["$defs"]
    for kind in KINDS:
        choices = components[kind.kind]
        definitions[kind.__name__] = _kind(kind, choices)
        definitions |= {choice.__name__: _choice(choice) for choice in choices.values()}
    return definitions | {
        "Settings": _object("Settings of runs", settings["properties"]),
        "Variant": _object("What differs from base, or a grid of it", properties),
    }


def _kind(kind: type[Component], choices: Mapping[str, type[Component]]) -> dict[str, Any]:
    """A choice by its name, alone or with settings; or settings of whatever choice a variant has from elsewhere."""
    names = {"type": "string", "examples": list(choices)}
    named = [{"$ref": f"#/$defs/{choice.__name__}", "required": ["name"]} for choice in choices.values()]
    of_the_user = {"type": "object", "required": ["name"], "properties": {"name": {"not": {"enum": list(choices)}}}}
    settings: dict[str, Any] = {}
    for choice in choices.values():
        settings = choice.model_json_schema()["properties"] | settings
    settings.pop("name")
    return {"description": kind.__doc__, "anyOf": [names, *named, of_the_user, _object("Settings", settings)]}


def _choice(choice: type[Component]) -> dict[str, Any]:
    """The settings of a choice, of which a config names some."""
    generated = choice.model_json_schema()
    generated.pop("required", None)
    return generated


def _object(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "additionalProperties": False}


def text(files: Sequence[str] = ()) -> str:
    return json.dumps(schema(files), indent=2) + "\n"


def guide() -> str:
    """`config/README.md` with the table of our components."""
    before, _, rest = GUIDE.read_text(encoding="utf-8").partition(BEGIN)
    lines = [_line(kind, choice) for kind in KINDS for choice in built_in()[kind.kind].values()]
    head = "| component | choice | what | settings, with their defaults |\n| --- | --- | --- | --- |\n"
    return before + BEGIN + head + "".join(lines) + END + rest.partition(END)[2]


def _line(kind: type[Component], choice: type[Component]) -> str:
    what = " ".join((choice.__doc__ or "").split())
    fields = {name: field.default for name, field in choice.model_fields.items() if name != "name"}
    settings = ", ".join(
        f"`{name}` {each.name if isinstance(each, Component) else json.dumps(each)}" for name, each in fields.items()
    )
    return f"| `{kind.kind}` | `{choice.model_fields['name'].default}` | {what} | {settings} |\n"


def main() -> None:
    if sys.argv[1:]:
        print(text(sys.argv[1:]), end="")
        return
    write_text(SCHEMA, text())
    write_text(GUIDE, guide())


if __name__ == "__main__":
    with errors_for_users():
        main()
