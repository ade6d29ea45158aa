"""Variants, overrides, duplicates and the spec that identifies a run."""

import json

from ablation import matrix
from ablation.config import Study


def study(**sections):
    return Study.model_validate({"study": "s", "seeds": [0, 1], **sections})


def test_a_variant_names_only_what_differs_from_base():
    resolved = matrix.resolve(study(base={"epochs": 7}, variants={"a": {}, "b": {"optimizer": "sgd"}}))
    assert (resolved["a"].epochs, resolved["a"].optimizer) == (7, "adam")
    assert (resolved["b"].epochs, resolved["b"].optimizer) == (7, "sgd")


def test_override_has_the_last_word():
    config = study(base={"epochs": 7}, variants={"a": {"epochs": 9}}, override={"epochs": 2})
    assert matrix.resolve(config)["a"].epochs == 2


def test_runs_are_variant_by_seed_in_the_order_of_the_yaml():
    config = study(variants={"b": {}, "a": {"optimizer": "sgd"}})
    assert [run.metrics for run in matrix.runs(config)] == [
        f"results/runs/{variant}/seed{seed}/metrics.json" for variant in ("b", "a") for seed in (0, 1)
    ]


def test_a_table_needs_each_of_its_runs_once():
    rows = [{"variant": "a", "label": "x"}, {"variant": "a", "label": "y"}]
    config = study(variants={"a": {}, "b": {"optimizer": "sgd"}}, tables={"t": {"title": "T", "rows": rows}})
    assert matrix.runs_of_table(config, "t") == [matrix.Run("a", 0), matrix.Run("a", 1)]


def test_the_spec_holds_only_what_the_run_reads():
    config = study(variants={"adam": {}, "sgd": {"optimizer": "sgd"}})
    adam, sgd = (matrix.spec(settings) for settings in matrix.resolve(config).values())
    assert "momentum" not in adam
    assert sgd["momentum"] == 0.9
    assert "smoothing" not in adam
    assert "swa_start" not in adam


def test_a_base_setting_changes_only_the_specs_that_read_it():
    variants = {"adam": {}, "sgd": {"optimizer": "sgd"}}
    before, after = (
        {name: matrix.spec_json(each) for name, each in matrix.resolve(study(base=base, variants=variants)).items()}
        for base in ({}, {"momentum": 0.5})
    )
    assert before["adam"] == after["adam"]
    assert before["sgd"] != after["sgd"]


def test_duplicates_are_the_same_run_however_it_is_written():
    variants = {"a": {}, "b": {"optimizer": "adam"}, "c": {"dropout": 0.1}}
    assert matrix.duplicates(matrix.resolve(study(variants=variants))) == [("a", "b")]


def test_spec_json_is_canonical():
    line = matrix.spec_json(matrix.resolve(study(variants={"a": {}}))["a"])
    assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) == line
