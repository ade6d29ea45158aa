"""A broken config is refused before any job starts: file, line, key, what is valid, and no Python traceback."""

import pytest

GOOD = """\
study: mine
data: {name: digits}
seeds: [0]
base: {epochs: 2}
variants:
  adam: {}
  sgd: {optimizer: sgd}
tables:
  optimizers:
    title: Optimizers
    rows:
      - {variant: adam, label: Adam}
"""

BROKEN = {
    "misspelt key": (
        ("sgd: {optimizer: sgd}", "sgd: {optimiser: sgd}"),
        ["broken.yaml:7: variants.sgd.optimiser: unknown key; did you mean 'optimizer'? Valid keys: model, optimizer"],
    ),
    "unknown optimizer": (
        ("sgd: {optimizer: sgd}", "sgd: {optimizer: sdg}"),
        [
            "broken.yaml:7: variants.sgd.optimizer: 'sdg' is not a known optimizer; did you mean 'sgd'?",
            "choose one of adam, adamw, sgd, custom_sign_sgd",
        ],
    ),
    "initials of a key": (
        ("adam: {}", "adam: {optimizer: {lr: 0.1}}"),
        ["broken.yaml:6: variants.adam.optimizer.lr: unknown key; did you mean 'learning_rate'? Valid keys: learning"],
    ),
    "initials of a key of the override": (
        ("sgd: {optimizer: sgd}", "sgd: {optimizer: sgd}\noverride: {optimizer: {wd: 0.1}}"),
        ["broken.yaml:8: override.optimizer.wd: reaches no run", "has the setting 'wd'; did you mean 'weight_decay'?"],
    ),
    "a value in place of a list": (
        ("seeds: [0]", "seeds: 3"),
        ["broken.yaml:3: seeds: 3 is not valid: a list is expected, as in [3]"],
    ),
    "a component within a component": (
        ("adam: {}", "adam: {model: {activation: {name: rulu}}}"),
        ["broken.yaml:6: variants.adam.model.activation: 'rulu' is not a known activation; did you mean 'relu'?"],
    ),
    "a component that is a number": (
        ("adam: {}", "adam: {loss: 3}"),
        ["broken.yaml:6: variants.adam.loss: 3 is not valid: the name of a component, or a mapping of its settings"],
    ),
    "unknown setting of a component": (
        ("sgd: {optimizer: sgd}", "sgd:\n    optimizer:\n      name: sgd\n      betas: 0.9"),
        ["broken.yaml:10: variants.sgd.optimizer.betas: unknown key. Valid keys: learning_rate, weight_decay, moment"],
    ),
    "a component's setting outside of it": (
        ("{epochs: 2}", "{epochs: 2, learning_rate: 0.1}"),
        ["broken.yaml:4: base.learning_rate: is a setting of the optimizer; write optimizer: {learning_rate: ...}"],
    ),
    "row without a variant": (
        ("{variant: adam, label: Adam}", "{variant: adan, label: Adam}"),
        ["broken.yaml:12: tables.optimizers.rows[0].variant: no variant 'adan'; did you mean 'adam'?", "adam, sgd"],
    ),
    "the same run twice": (
        ("sgd: {optimizer: sgd}", "again: {optimizer: adam}"),
        ["broken.yaml:7: variants.again: is the same run as variant 'adam'"],
    ),
    "the setting of another optimizer": (
        ("adam: {}", "adam: {optimizer: {momentum: 0.5}}"),
        ["broken.yaml:6: variants.adam.optimizer.momentum: is a setting of sgd, custom_sign_sgd, and this optimizer"],
    ),
    "the setting of another loss": (
        ("adam: {}", "adam: {loss: {smoothing: 0.2}}"),
        [
            "broken.yaml:6: variants.adam.loss.smoothing: is a setting of label_smoothing, and this loss is",
            "Valid keys: none",
        ],
    ),
    "a setting that nothing has": (
        ("{epochs: 2}", "{epochs: 2}\noverride: {epochs: 1, optimizer: {momentum: 0.5, decay: 0.1}}"),
        [
            "The config has 1 error(s); no job was started.",
            "broken.yaml:5: override.optimizer.decay: reaches no run: no variant's optimizer has the setting 'decay'",
        ],
    ),
    "a value out of range": (
        ("{epochs: 2}", "{epochs: 0, model: {dropout: 1.5}}"),
        [
            "broken.yaml:4: base.epochs: 0 is not valid",
            "broken.yaml:4: base.model.dropout: 1.5 is not valid: input should be less than 1",
        ],
    ),
    "a wrong type": (
        ("{epochs: 2}", "{epochs: many}"),
        ["broken.yaml:4: base.epochs: 'many' is not valid: a whole number is expected"],
    ),
    "too few blocks": (
        ("{epochs: 2}", "{model: {filters: [8, 16]}}"),
        ["broken.yaml:4: base.model.filters: [8, 16] is not valid: list should have at least 3 items"],
    ),
    "a name that is none": (
        ("sgd: {optimizer: sgd}", "../../sgd: {optimizer: sgd}"),
        ["broken.yaml:7: variants.../../sgd: '../../sgd' is not a valid name; use small letters, digits"],
    ),
    "a key that appears twice": (
        ("adam: {}", "sgd: {}"),
        ["broken.yaml:7: variants.sgd: appears twice, first in config/broken.yaml:6; keep one"],
    ),
    "unknown data": (
        ("{name: digits}", "{name: cifar100}"),
        ["broken.yaml:2: data.name: 'cifar100' is not a valid option; choose one of 'cifar10', 'digits', 'images'"],
    ),
    "images from nowhere": (
        ("{name: digits}", "{name: images}"),
        ["broken.yaml:2: data.path: is missing"],
    ),
    "averaging behind the end": (
        ("adam: {}", "adam: {averaging: {name: swa, start: 9}}"),
        ["broken.yaml:6: variants.adam.averaging: start 9 is after the last epoch, 2 (variant 'adam')"],
    ),
    "a value of a grid": (
        ("adam: {}", "adam:\n    grid:\n      optimizer.learning_rate:\n      - 0.1\n      - -1"),
        ["broken.yaml:10: variants.adam.grid.optimizer.learning_rate[1]: -1 is not valid: input should be greater"],
    ),
    "a misspelt axis of a grid": (
        ("adam: {}", "adam:\n    grid:\n      optimiser.learning_rate: [0.1, 0.2]"),
        ["broken.yaml:8: variants.adam.grid.optimiser.learning_rate: unknown key; did you mean 'optimizer'?"],
    ),
    "a misspelt setting in a grid": (
        ("adam: {}", "adam:\n    one_at_a_time:\n      loss:\n        focal: {name: focal, gama: 1.0}"),
        ["broken.yaml:9: variants.adam.one_at_a_time.loss.focal.gama: unknown key; did you mean 'gamma'?"],
    ),
    "a misspelt setting under a grid": (
        ("adam: {}", "adam:\n    model: {batchnorm: false}\n    grid: {model: [vgg_a_light, vgg_a_dropout]}"),
        ["broken.yaml:7: variants.adam.model.batchnorm: unknown key; did you mean 'batch_norm'?"],
    ),
    "like a variant that is not there": (
        ("adam: {}", "adam: {like: sdg}"),
        ["broken.yaml:6: variants.adam.like: no variant 'sdg'; did you mean 'sgd'? Variants: adam, sgd"],
    ),
    "components from nowhere": (
        ("study: mine", "study: mine\ncomponents: [mine.py]"),
        ["broken.yaml:2: components[0]: 'config/mine.py' is not a file; give the path of a Python file"],
    ),
    "a seed twice": (("seeds: [0]", "seeds: [0, 0]"), ["broken.yaml:3: seeds[1]: seed 0 appears twice"]),
    "no seeds": (("seeds: [0]\n", ""), ["seeds: is missing"]),
    "extends a file that is not there": (
        ("study: mine", "study: mine\nextends: nowhere.yaml"),
        ["nowhere.yaml: cannot be read: No such file or directory"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_config_is_explained(project, name):
    (good, bad), expected = BROKEN[name]
    assert good in GOOD
    (project.folder / "config" / "broken.yaml").write_text(GOOD.replace(good, bad))
    result = project.snakemake(config="config/broken.yaml")
    assert result.returncode != 0
    for part in expected:
        assert part in result.stdout
    assert "Traceback" not in result.stdout
    assert not (project.folder / "results").exists()


def test_all_errors_come_at_once(project):
    text = GOOD
    for good, bad in (
        BROKEN[name][0] for name in ("misspelt key", "row without a variant", "unknown data", "no seeds")
    ):
        text = text.replace(good, bad)
    (project.folder / "config" / "broken.yaml").write_text(text)
    result = project.snakemake(config="config/broken.yaml")
    assert "The config has 4 error(s); no job was started." in result.stdout
    for part in ("variants.sgd.optimiser", "tables.optimizers.rows[0].variant", "data.name", "seeds: is missing"):
        assert part in result.stdout


def test_an_error_on_the_command_line_is_named_so(project):
    result = project.snakemake("-n", "--config", "seeds=[-1]")
    assert result.returncode != 0
    assert "The config has 1 error(s); no job was started.\n--config: seeds[0]: '-1' is not valid" in result.stdout


def test_the_results_of_another_study_are_not_overwritten(finished):
    before = finished.read("results/runs/adam/seed0/metrics.json")
    result = finished.snakemake("--config", "study=other")
    assert result.returncode != 0
    assert "results/ holds the study 'tiny', and this config is the study 'other'" in result.stdout
    assert "mv results results-tiny" in result.stdout
    assert finished.read("results/runs/adam/seed0/metrics.json") == before


@pytest.mark.parametrize(
    "target", ["runs/{}/seed0/metrics.json", "probes/{}/seed0/probe.json", "audit/{}/seed0/metrics.json"]
)
def test_a_run_of_a_variant_that_the_study_does_not_have_is_refused(finished, target):
    result = finished.snakemake("-n", f"results/{target.format('sdg')}")
    assert result.returncode != 0
    assert "no variant 'sdg'; did you mean 'sgd'? Variants: adam, sgd, exploding" in result.stdout
