"""Variants, overrides, duplicates and the spec that identifies a run."""

import json

import pytest

from ablation.config import matrix
from ablation.config.settings import complete, flat, spec, spec_json
from ablation.config.study import Study


def study(**sections):
    return Study.model_validate({"study": "s", "seeds": [0, 1], **sections})


def settings_of(name="a", **sections):
    return study(**sections).matrix.settings[name]


def problems_of(**sections):
    return study(**sections).resolved.problems


def test_a_variant_names_only_what_differs_from_base_at_any_depth():
    base = {"epochs": 7, "optimizer": {"name": "sgd", "momentum": 0.5}}
    settings = settings_of(base=base, variants={"a": {"optimizer": {"learning_rate": 0.05}}})
    assert (settings.epochs, settings.optimizer.momentum, settings.optimizer.learning_rate) == (7, 0.5, 0.05)


@pytest.mark.parametrize("written", ["sgd", {"name": "sgd"}])
def test_another_component_keeps_the_settings_that_both_have(written):
    base = {"optimizer": {"name": "adamw", "learning_rate": 0.02, "weight_decay": 0.3}}
    optimizer = settings_of(base=base, variants={"a": {"optimizer": written}}).optimizer
    kept = {"learning_rate": 0.02, "weight_decay": 0.3}
    assert optimizer.model_dump() == {"name": "sgd", "momentum": 0.9, "nesterov": False} | kept


def test_another_model_keeps_the_activation_of_base_too():
    base = {"model": {"activation": {"name": "leaky_relu", "negative_slope": 0.3}, "dropout": 0.1}}
    model = settings_of(base=base, variants={"a": {"model": "vgg_a"}}).model
    assert (model.activation.negative_slope, hasattr(model, "dropout")) == (0.3, False)


def test_defaults_of_base_are_base_whether_they_are_written_or_not():
    written = spec(complete({}))
    variants = {"a": {"optimizer": "sgd", "scheduler": "cosine"}}
    assert settings_of(base=written, variants=variants) == settings_of(variants=variants)


def test_override_has_the_last_word_and_reaches_what_has_the_setting():
    override = {"epochs": 2, "optimizer": {"momentum": 0.1}}
    variants = {"a": {"epochs": 9}, "b": {"optimizer": "sgd"}}
    made = study(variants=variants, override=override).matrix.settings
    assert (made["a"].epochs, made["b"].epochs, made["b"].optimizer.momentum) == (2, 2, 0.1)
    assert not hasattr(made["a"].optimizer, "momentum")


def test_an_override_that_reaches_no_run_is_refused():
    variants = {"a": {}, "b": {"epochs": 3}}
    assert problems_of(variants=variants, override={"optimizer": {"momentum": 0.1}}) == [
        (("override", "optimizer", "momentum"), "reaches no run: no variant's optimizer has the setting 'momentum'")
    ]
    assert problems_of(variants=variants, override={"optimizer": {"name": "sgd", "momentum": 0.1}}) == []


def test_an_override_can_exchange_a_component():
    made = study(variants={"a": {}, "b": {"epochs": 3}}, override={"loss": "mse"}).matrix
    assert {settings.loss.name for settings in (*made.settings.values(), made.base)} == {"mse"}


@pytest.mark.parametrize(
    ("own", "path", "text"),
    [
        ({"optimizer": {"momentum": 0.5}}, ("optimizer", "momentum"), "is a setting of sgd, custom_sign_sgd, and this"),
        ({"learning_rate": 0.1}, ("learning_rate",), "is a setting of the optimizer; write optim"),
        ({"model": {"activation": "rellu"}}, ("model", "activation"), "'rellu' is not a known activation; did"),
        ({"model": {"activation": {"name": "relu", "slope": 0.1}}}, ("model", "activation", "slope"), "unknown key"),
        ({"negative_slope": 0.2}, ("negative_slope",), "is a setting of the activation; write model: {activation: {"),
        ({"optimizer": 3}, ("optimizer",), "3 is not valid: the name of a component, or a mapping of its settings"),
        ({"scheduler": {"name": "cosine", "min_learning_rate": 1}}, ("scheduler",), "min_learning_rate 1.0 is above"),
        ({"scheduler": {"name": "plateau", "min_learning_rate": 1}}, ("scheduler",), "min_learning_rate 1.0 is above"),
        ({"averaging": {"name": "swa", "start": 51}}, ("averaging",), "start 51 is after the last epoch, 50"),
        (
            {"averaging": {"name": "swa", "start": 41}, "scheduler": "one_cycle"},
            ("averaging",),
            "from epoch 41 on it takes the place of one_cycle, which then never falls",
        ),
        (
            {"optimizer": {"name": "sgd", "momentum": 0, "nesterov": True}},
            ("optimizer",),
            "nesterov needs a momentum above 0",
        ),
        ({"scheduler": "warm_restarts", "epochs": 10}, ("scheduler",), "period 10 leaves no restart in 10 epochs"),
        (
            {"scheduler": {"name": "warm_restarts", "min_learning_rate": 0.1}},
            ("scheduler",),
            "min_learning_rate 0.1 is above the optimizer's learning_rate, 0.001",
        ),
        (
            {"scheduler": {"name": "one_cycle", "warm_up": 0.25}, "epochs": 4},
            ("scheduler",),
            "warm_up 0.25 of 4 epochs is not more than one; set a larger share",
        ),
        (
            {"model": {"name": "resnet18", "stages": [4] * 8}},
            ("model",),
            "halves the images 7 times, and 8 pixels can be halved less often",
        ),
        ({"model": {"filters": [2, 2, 2, 2]}}, ("model",), "halves the images 4 times, and 8 pixels can"),
        ({"model": {"filters": [2, 2**62, 4]}}, ("model", "filters", 1), f"{2**62} is not valid: input should be less"),
        ({"model": {"name": "vgg_a", "width_multiplier": 1e9}}, ("model", "width_multiplier"), "1000000000.0 is not"),
        ({"optimizer": {"learning_rate": 1e300}}, ("optimizer", "learning_rate"), "1e+300 is not valid: input should"),
        ({"augmentation": {"padding": 2**62}}, ("augmentation", "padding"), f"{2**62} is not valid: input should be"),
        ({"augmentation": {"padding": 8}}, ("augmentation",), "padding 8 can move all of an image of 8 pixels out of"),
        ({"batch_size": 2**62}, ("batch_size",), f"{2**62} is not valid: input should be less than or equal to 1000"),
        ({"mean": [125.3, 0.4, 0.4]}, ("mean", 0), "125.3 is not valid: input should be less than or equal to 10"),
        ({"mean": [0.1, 0.2]}, ("mean",), "has 2 values, and the images have 3 channel(s)"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_at_the_key_that_sets_them(own, path, text):
    data = {"image_size": 8}
    found = problems_of(data=data, variants={"a": own})
    assert [(where, said[: len(text)]) for where, said in found] == [(("variants", "a", *path), text)]


def test_what_is_wrong_in_a_variant_is_told_though_an_override_would_set_it():
    found = problems_of(
        variants={"a": {"optimizer": ["sgd"]}, "b": {"optimizer": "sgd"}}, override={"optimizer": {"momentum": 0.1}}
    )
    assert [path for path, _ in found] == [("variants", "a", "optimizer")]


def test_a_default_that_does_not_fit_the_images_is_told_once():
    variants = {"a": {}, "b": {"epochs": 3}}
    found = problems_of(data={"channels": 1}, variants=variants)
    assert [path for path, _ in found] == [("base", "mean"), ("base", "std")]
    assert problems_of(data={"channels": 1}, base={"mean": [0.5], "std": [0.5]}, variants=variants) == []


def test_a_mistake_of_base_is_told_once_and_in_base():
    found = problems_of(base={"optimizer": {"learning_rate": -1}}, variants={"a": {}, "b": {"epochs": 3}})
    assert [path for path, _ in found] == [("base", "optimizer", "learning_rate")]


def test_runs_are_variant_by_seed_in_the_order_of_the_yaml():
    config = study(variants={"b": {}, "a": {"optimizer": "sgd"}})
    assert [run.metrics for run in matrix.runs(config)] == [
        f"results/runs/{variant}/seed{seed}/metrics.json" for variant in ("b", "a") for seed in (0, 1)
    ]


def test_a_table_needs_each_of_its_runs_once():
    rows = [{"variant": "a", "label": "x"}, {"variant": "a", "label": "y"}]
    config = study(variants={"a": {}, "b": {"optimizer": "sgd"}}, tables={"t": {"title": "T", "rows": rows}})
    assert matrix.runs_of_table(config, config.tables["t"]) == [matrix.Run("a", 0), matrix.Run("a", 1)]


def test_the_spec_holds_what_the_run_reads_and_all_of_it():
    adam = flat(spec(settings_of(variants={"a": {}})))
    assert {"optimizer": "adam", "optimizer.weight_decay": 1e-4, "averaging": "none"}.items() <= adam.items()
    assert not any(path.startswith(("averaging.", "loss.", "optimizer.momentum")) for path in adam)


def test_a_base_setting_changes_only_the_specs_that_read_it():
    variants = {"adam": {"optimizer": "adam"}, "sgd": {}}
    before, after = (
        {name: spec_json(each) for name, each in study(base=base, variants=variants).matrix.settings.items()}
        for base in ({"optimizer": "sgd"}, {"optimizer": {"name": "sgd", "momentum": 0.5}})
    )
    assert before["adam"] == after["adam"]
    assert before["sgd"] != after["sgd"]


def test_duplicates_are_the_same_run_however_it_is_written():
    variants = {"a": {}, "b": {"optimizer": "adam"}, "c": {"model": {"dropout": 0.1}}}
    assert [path for path, _ in problems_of(variants=variants)] == [("variants", "b")]


def test_spec_json_is_canonical():
    line = spec_json(settings_of(variants={"a": {}}))
    assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) == line
