"""Grids, single changes, and the names of what they make."""

import pytest

from ablation.config.catalog import built_in
from ablation.config.grid import expand, number_name, value_name
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError

AXES = {"model.batch_norm": [False, True], "optimizer.learning_rate": [1e-4, 0.05]}


def variants(entry):
    made, problems = expand("vgg", entry, built_in())
    assert problems == []
    return {variant.name: variant.own for variant in made}


def test_an_entry_without_a_grid_is_one_variant():
    assert variants({"optimizer": "sgd"}) == {"vgg": {"optimizer": "sgd"}}


def test_a_grid_is_the_product_of_its_axes_with_readable_names():
    made = variants({"model": {"name": "vgg_a"}, "grid": AXES})
    assert list(made) == [
        "vgg-no-batch-norm-1e-4",
        "vgg-no-batch-norm-5e-2",
        "vgg-batch-norm-1e-4",
        "vgg-batch-norm-5e-2",
    ]
    assert made["vgg-batch-norm-5e-2"] == {
        "model": {"name": "vgg_a", "batch_norm": True},
        "optimizer": {"learning_rate": 0.05},
    }


def test_values_and_variants_can_be_named():
    grid = {"model.batch_norm": {"plain": False, "bn": True}, "optimizer": {"slow": "adam", "fast": {"name": "sgd"}}}
    assert list(variants({"grid": grid, "name": "{optimizer}-{batch_norm}-x"})) == [
        "slow-plain-x",
        "fast-plain-x",
        "slow-bn-x",
        "fast-bn-x",
    ]
    assert "plain-slow" in variants({"grid": grid, "name": "{model.batch_norm}-{optimizer}"})


def test_excluded_combinations_are_left_out_by_name_or_value():
    exclude = [
        {"batch_norm": False, "learning_rate": [0.05]},
        {"model.batch_norm": "batch-norm", "learning_rate": "1e-4"},
    ]
    assert list(variants({"grid": AXES, "exclude": exclude})) == ["vgg-no-batch-norm-1e-4", "vgg-batch-norm-5e-2"]


def test_a_sample_is_a_part_of_the_grid_that_its_seed_decides():
    grid = {"optimizer.learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5], "model.dropout": [0.1, 0.2, 0.3, 0.4]}
    whole = list(variants({"grid": grid}))
    draws = [list(variants({"grid": grid, "random": {"count": 6, "seed": seed}})) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert all(len(draw) == 6 and draw == [name for name in whole if name in draw] for draw in draws)


def test_a_sample_of_a_huge_grid_needs_no_huge_memory():
    grid = {f"optimizer.setting{axis}": list(range(100)) for axis in range(8)}
    assert len(variants({"grid": grid, "random": {"count": 3}})) == 3


def test_one_at_a_time_is_the_baseline_and_each_change_of_it():
    changes = {
        "model.batch_norm": False,
        "model.dropout": [0.0, 0.25],
        "optimizer": ["sgd", {"name": "adamw", "weight_decay": 0.05}],
        "grad_clip": None,
        "model.filters": {"wide": [128, 256, 512]},
    }
    assert variants({"epochs": 3, "one_at_a_time": changes}) == {
        "vgg": {"epochs": 3},
        "vgg-no-batch-norm": {"epochs": 3, "model": {"batch_norm": False}},
        "vgg-dropout-0": {"epochs": 3, "model": {"dropout": 0.0}},
        "vgg-dropout-25e-2": {"epochs": 3, "model": {"dropout": 0.25}},
        "vgg-sgd": {"epochs": 3, "optimizer": {"name": "sgd"}},
        "vgg-adamw-5e-2": {"epochs": 3, "optimizer": {"name": "adamw", "weight_decay": 0.05}},
        "vgg-no-grad-clip": {"epochs": 3, "grad_clip": None},
        "vgg-wide": {"epochs": 3, "model": {"filters": [128, 256, 512]}},
    }


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1e-4, "1e-4"),
        (0.05, "5e-2"),
        (0.25, "25e-2"),
        (1, "1"),
        (2.0, "2"),
        (128, "128"),
        (1e30, "1e30"),
        (-0.5, "minus-5e-1"),
    ],
)
def test_numbers_in_names(number, name):
    assert number_name(number) == name


def test_a_component_with_its_settings_is_one_value():
    changes = {"averaging": {"name": "swa", "start": 3}, "optimizer.learning_rate": [0.1, "1e-2"]}
    assert variants({"one_at_a_time": changes}) == {
        "vgg": {},
        "vgg-swa-3": {"averaging": {"name": "swa", "start": 3}},
        "vgg-learning-rate-1e-1": {"optimizer": {"learning_rate": 0.1}},
        "vgg-learning-rate-1e-2": {"optimizer": {"learning_rate": "1e-2"}},
    }


def test_numbers_have_names_of_their_own():
    numbers = [digit * 10.0**power for digit in range(1, 100) for power in range(-8, 9)]
    by_name = {}
    for number in numbers:
        assert by_name.setdefault(number_name(number), number) == pytest.approx(number, rel=1e-12)


def test_lists_and_choices_in_names():
    assert value_name("model.filters", [64, 128]) == "64-128"
    assert value_name("optimizer", "custom_sign_sgd") == "custom-sign-sgd"


GOOD = """\
study: grids
seeds: [0, 1]
variants:
  adam: {}
  vgg:
    model: vgg_a
    grid:
      model.batch_norm: {plain: false, bn: true}
      optimizer.learning_rate: [0.0001, 0.0005]
    name: vgg-{batch_norm}-{learning_rate}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "vgg-{batch_norm}-{learning_rate}",
            "vgg-{batch_norm}",
            ":5: variants.vgg: makes two variants 'vgg-plain'; a name pattern needs",
        ),
        (
            "vgg-{batch_norm}-{learning_rate}",
            "'{norm}'",
            ":10: variants.vgg.name: {norm} does not name an axis of the grid; axes: model",
        ),
        (
            "vgg-{batch_norm}-{learning_rate}",
            "VGG {batch_norm}",
            ":10: variants.vgg.name: makes the variant 'VGG plain'; a name has",
        ),
        (
            "  adam: {}",
            "  vgg-bn-1e-4: {}",
            ":5: variants.vgg: makes the variant 'vgg-bn-1e-4', and 'vgg-bn-1e-4' makes one of",
        ),
        ("[0.0001, 0.0005]", "[]", ":9: variants.vgg.grid.optimizer.learning_rate: has no values"),
        ("[0.0001, 0.0005]", "[0.0001, -1]", ":9: variants.vgg.grid"),
        ("batch_norm", "batch_nrom", ":8: variants.vgg.grid"),
        ("optimizer.learning_rate", "optimizer.", ":9: variants.vgg.grid"),
        ("{plain: false, bn: true}", "{A b: false, bn: true}", ":8: variants.vgg.grid"),
        (
            "{plain: false, bn: true}",
            "{plain: true, bn: true}",
            ":5: variants.vgg: 'vgg-bn-1e-4' is the same run as variant 'vgg-plain-1e-4'",
        ),
        (
            "    name:",
            "    exclude: [{batch_norm: [plain, bn]}]\n    name:",
            ":10: variants.vgg.exclude: leaves no combination of the grid",
        ),
        (
            "    name:",
            "    exclude: [{batch_norm: [none]}]\n    name:",
            ":10: variants.vgg.exclude[0].batch_norm: 'none' is not a value of",
        ),
        (
            "    name:",
            "    exclude: [{dropout: 0.5}]\n    name:",
            ":10: variants.vgg.exclude[0].dropout: is not an axis of the grid; axes:",
        ),
        ("    name:", "    exclude: [{}]\n    name:", ":10: variants.vgg.exclude[0]: names no axis"),
        (
            "    name:",
            "    random: {count: 5}\n    name:",
            ":10: variants.vgg.random.count: 5 is more than the grid's 4 combinations",
        ),
        ("    name:", "    random: {cuont: 5}\n    name:", ":10: variants.vgg.random.c"),
        (
            "    name:",
            "    one_at_a_time: {epochs: 3}\n    name:",
            ":10: variants.vgg.one_at_a_time: cannot be combined with a grid",
        ),
        ("  adam: {}", "  adam: {name: x}", ":4: variants.adam.name: has no effect: it needs a grid beside it"),
        (
            "  adam: {}",
            "  adam: {one_at_a_time: {epochs: 50}}",
            ":4: variants.adam: 'adam-epochs-50' is the same run as variant 'adam'",
        ),
        (
            "  adam: {}",
            "  adam: {one_at_a_time: {epochs: [3, 3]}}",
            ":4: variants.adam.one_at_a_time.epochs[1]: there are two",
        ),
        (
            "  adam: {}",
            "  adam: {one_at_a_time: {epochs: 0}}",
            ":4: variants.adam.one_at_a_time.epochs: 0 is not valid",
        ),
        ("  adam: {}", "  adam: {like: nothing}", ":4: variants.adam.like: no variant 'nothing'; Variants: adam, vgg"),
        ("  adam: {}", "  adam: {like: adam}", ":4: variants.adam.like: leads back to this variant"),
        ("  adam: {}", "  adam: {like: a}\n  a: {like: adam}", ":4: variants.adam.like: leads back to this variant"),
    ],
)
def test_a_wrong_grid_is_refused_with_its_place(tmp_path, old, new, expected):
    assert old in GOOD
    (tmp_path / "study.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_study([tmp_path / "study.yaml"])
    assert any(f"study.yaml{expected}" in error for error in caught.value.errors), caught.value.errors


def test_a_mistake_is_told_where_it_is_written_though_others_are_like_it(tmp_path):
    (tmp_path / "study.yaml").write_text(GOOD + "  a: {like: b, epochs: 3}\n  b: {like: c}\n  c: {batch_size: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load_study([tmp_path / "study.yaml"])
    assert [error.partition("study.yaml")[2] for error in caught.value.errors] == [
        ":13: variants.c.batch_size: 1 is not valid: input should be greater than or equal to 2"
    ]


def test_a_chain_of_variants_has_an_end(tmp_path):
    chain = "".join(f"  v{index}: {{like: v{index + 1}, epochs: {index + 3}}}\n" for index in range(2000))
    (tmp_path / "study.yaml").write_text(GOOD + chain + "  v2000: {}\n")
    with pytest.raises(ConfigError, match="leads through more than 50 variants"):
        load_study([tmp_path / "study.yaml"])


def test_a_variant_can_start_from_another(tmp_path):
    like = "  like-vgg: {like: vgg, model: {batch_norm: false, width_multiplier: 0.5}}\n"
    (tmp_path / "study.yaml").write_text(GOOD + like)
    settings = load_study([tmp_path / "study.yaml"]).matrix.settings["like-vgg"]
    assert (settings.model.name, settings.model.batch_norm, settings.model.width_multiplier) == ("vgg_a", False, 0.5)
