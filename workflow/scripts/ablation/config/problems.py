"""What is wrong with a config: a key's path and a sentence. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ablation.config.plain_yaml import KeyPath
from ablation.config.texts import choices, shown, suggestion

Problem = tuple[KeyPath, str]
NAME_RULE = "small letters, digits and single hyphens"


def describe(details: Any, valid_keys: Callable[[KeyPath], Iterable[str]]) -> Problem:
    """One of pydantic's errors. `valid_keys` are those of the mapping at a path."""
    path: KeyPath = details["loc"]
    if details["type"] == "extra_forbidden":
        return path, unknown_key(path[-1], valid_keys(path[:-1]))
    if details["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return _problem_of_kind(path, details["input"], details["ctx"])
    # pydantic's mark of an error in the key itself.
    path = path[:-1] if path[-1:] == ("[key]",) else path
    return path, _text(details, shown(details["input"]))


def _problem_of_kind(path: KeyPath, given: Any, context: Any) -> Problem:
    """A mapping whose `kind` is missing or none of those that there are."""
    if "tag" not in context:
        return (*path, "kind"), "is missing" if isinstance(given, Mapping) else f"{shown(given)} is not a mapping"
    options = context["expected_tags"]
    hint = suggestion(context["tag"], options.replace("'", "").split(", "))
    return (*path, "kind"), f"{shown(context['tag'])} is not a valid option; {hint}choose one of {options}"


def _text(details: Any, value: str) -> str:
    reason = details["msg"].replace("Tuple", "List").replace("tuple", "list").replace(" after validation", "")
    options = str(details.get("ctx", {}).get("expected", "")).replace(" or ", ", ")
    texts = {
        "component": details["msg"],
        "int_parsing": f"{value} is not valid: a whole number is expected{_in_digits(details['input'])}",
        "literal_error": f"{value} is not a valid option; choose one of {options}",
        "string_pattern_mismatch": f"{value} is not a valid name; use {NAME_RULE}, as in 'wide-cosine'",
        "missing": "is missing",
        "list_type": f"{value} is not valid: a list is expected, as in [{value}]",
        "tuple_type": f"{value} is not valid: a list is expected, as in [{value}]",
        "model_type": f"{value} is not valid: a mapping of settings is expected",
        "dict_type": f"{value} is not valid: a mapping of settings is expected",
    }
    return texts.get(details["type"], f"{value} is not valid: {reason[0].lower()}{reason[1:]}")


def _in_digits(given: Any) -> str:
    """How to write `1e3`, which is a text in YAML."""
    with suppress(ValueError, OverflowError, TypeError):
        return f"; write {int(given)}" if (given := float(given)).is_integer() else ""
    return ""


def unknown_key(key: Any, valid: Iterable[str]) -> str:
    """What to write instead of a key that is not one of these."""
    valid = list(valid)
    hint = suggestion(key, valid)
    return f"unknown key{'; ' + hint if hint else '. '}Valid keys: {choices(valid) or 'none'}"
