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
        ["broken.yaml:7: variants.sgd.optimiser: unknown key; did you mean 'optimizer'? Valid keys: model, filters"],
    ),
    "unknown optimizer": (
        ("sgd: {optimizer: sgd}", "sgd: {optimizer: sdg}"),
        [
            "broken.yaml:7: variants.sgd.optimizer: 'sdg' is no valid option",
            "'adam', 'adamw', 'sgd', 'custom_sign_sgd'",
        ],
    ),
    "row without a variant": (
        ("{variant: adam, label: Adam}", "{variant: adan, label: Adam}"),
        ["broken.yaml:12: tables.optimizers.rows[0].variant: no variant 'adan'; did you mean 'adam'?", "adam, sgd"],
    ),
    "the same run twice": (
        ("sgd: {optimizer: sgd}", "again: {optimizer: adam}"),
        ["broken.yaml:7: variants.again: is the same run as variant 'adam'"],
    ),
    "a setting without effect": (
        ("adam: {}", "adam: {smoothing: 0.2}"),
        ["broken.yaml:6: variants.adam.smoothing: has no effect: it needs loss: label_smoothing"],
    ),
    "a value out of range": (
        ("{epochs: 2}", "{epochs: 0, dropout: 1.5}"),
        ["broken.yaml:4: base.epochs: 0 is not valid", "base.dropout: 1.5 is not valid: input should be less than 1"],
    ),
    "a wrong type": (
        ("{epochs: 2}", "{epochs: many}"),
        ["broken.yaml:4: base.epochs: 'many' is not valid: input should be a valid integer"],
    ),
    "too few blocks": (
        ("{epochs: 2}", "{filters: [8, 16]}"),
        ["broken.yaml:4: base.filters: [8, 16] is not valid: list should have at least 3 items"],
    ),
    "a name that is none": (
        ("sgd: {optimizer: sgd}", "../../sgd: {optimizer: sgd}"),
        ["broken.yaml:7: variants.../../sgd: '../../sgd' is no valid name; use small letters, digits"],
    ),
    "a key that stands twice": (
        ("adam: {}", "sgd: {}"),
        ["broken.yaml:7: variants.sgd: stands twice, first in config/broken.yaml:6; keep one"],
    ),
    "unknown data": (
        ("{name: digits}", "{name: cifar100}"),
        ["broken.yaml:2: data.name: 'cifar100' is no valid option; choose one of 'cifar10', 'digits', 'images'"],
    ),
    "images from nowhere": (
        ("{name: digits}", "{name: images}"),
        ["broken.yaml:2: data.path: is missing"],
    ),
    "averaging behind the end": (
        ("adam: {}", "adam: {swa: true, swa_start: 9}"),
        ["broken.yaml:6: variants.adam.swa_start: 9 lies behind the last epoch, 2"],
    ),
    "a seed twice": (("seeds: [0]", "seeds: [0, 0]"), ["broken.yaml:3: seeds[1]: seed 0 stands twice"]),
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
