"""The one-factor variants that a table lacks: its baseline with one setting of another row at a time. No torch.

In: a study and the name of a table. Out: a config that extends the study's, with these variants and a table of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain, count
from typing import Any

from ablation.config.settings import NOT_SET, changes, complete, merge, spec, spec_json
from ablation.config.study import Study, Table


def one_factor(study: Study, name: str) -> dict[str, Any]:
    """Variants and a table, as in the YAML. A variant that the study has already is only a row of the table.

    Raises:
        ValueError: the study has no such table, or its rows differ from the baseline in one setting at most.
    """
    if name not in study.tables:
        raise ValueError(f"no table '{name}'; tables of this study: {', '.join(study.tables) or 'none'}")
    table = study.tables[name]
    known = {spec_json(settings): variant for variant, settings in study.matrix.settings.items()}
    variants: dict[str, Any] = {}
    rows = {table.baseline_row.variant: table.baseline_row.label}
    baseline = spec(study.matrix.settings[table.baseline_row.variant])
    for key, change in _changes(study, table):
        changed = merge(baseline, change, study.catalog)
        settings = spec_json(complete(changed, study.catalog))
        variant = known.get(settings)
        if variant is None:
            taken = {*study.variants, *study.matrix.variants, *variants}
            variant = known[settings] = _free_name(_name(table.baseline_row.variant, key, change), taken)
            variants[variant] = {"like": like} | change if (like := _entry(study, table)) else changed
        rows[variant] = f"{key} {_value(change, key)}"
    if not variants:
        raise ValueError(f"table '{name}' lacks none: the study has every change of its rows by itself")
    title = f"{table.title}, one change at a time"
    table_rows = [{"variant": variant, "label": label} for variant, label in rows.items()]
    return {"variants": variants, "tables": {f"{name}-one-factor": {"title": title, "rows": table_rows}}}


def _changes(study: Study, table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each single change of the rows that differ in several, with the key of the setting."""
    baseline, seen = study.matrix.settings[table.baseline_row.variant], set[str]()
    for row in table.rows:
        of_row = spec(study.matrix.settings[row.variant])
        found = changes(spec(baseline), of_row)
        own = [key for key, (old, new) in found.items() if not (NOT_SET in (old, new) and _above(key) in found)]
        for key in own if len(own) > 1 else ():
            change = _nested(key, _with_own_settings(key, of_row, found))
            if str(change) not in seen:
                seen.add(str(change))
                yield key, change


def _above(key: str) -> str:
    return key.rpartition(".")[0]


def _with_own_settings(key: str, of_row: Mapping[str, Any], found: Mapping[str, tuple[Any, Any]]) -> Any:
    """The row's value of a setting; of a component that takes the place of another, with what only it has."""
    value: Any = of_row
    for part in key.split("."):
        value = value[part]
    if not isinstance(value, Mapping):
        return value
    only = {name: each for name, each in value.items() if found.get(f"{key}.{name}", ("",))[0] == NOT_SET}
    return {"name": value["name"], **only}


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _value(change: Mapping[str, Any], key: str) -> str:
    value: Any = change
    for part in key.split("."):
        value = value[part]
    return str(value["name"] if isinstance(value, Mapping) else value)


def _name(baseline: str, key: str, change: Mapping[str, Any]) -> str:
    """Small letters, digits and single hyphens: `adam-loss-mse`, `adam-learning-rate-0-005`."""
    text = f"{baseline}-{key.rpartition('.')[2]}-{_value(change, key)}".lower()
    return "-".join(part for part in "".join(each if each.isalnum() else " " for each in text).split())


def _free_name(name: str, taken: Collection[str]) -> str:
    """This name, or where it is taken the first free one of `name-v2`, `name-v3` and so on."""
    numbered = (f"{name}-v{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)


def _entry(study: Study, table: Table) -> str | None:
    """The entry that the baseline is, where it is one of its own and not of a grid's variants."""
    variant = table.baseline_row.variant
    entry = study.variants.get(variant)
    return variant if entry is not None and not {"grid", "one_at_a_time"} & set(entry) else None
