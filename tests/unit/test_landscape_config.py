"""The landscape section: what is refused, and that the shipped one is the study's."""

from pathlib import Path

import pytest
import yaml

from ablation import matrix
from ablation.loading import load_study
from ablation.plain_yaml import ConfigError

CONFIG = Path(__file__).resolve().parents[2] / "config"

GOOD = """\
study: small
seeds: [0, 1]
base: {model: vgg_a, record_steps: true}
variants:
  slow: &plain {batch_norm: false}
  fast: {<<: *plain, learning_rate: 0.002}
  faster: {<<: *plain, learning_rate: 0.005}
  bn-slow: {}
  bn-fast: {learning_rate: 0.002}
landscape:
  title: Batch normalisation
  models:
    - {label: without, band: [slow, fast], larger: [faster], probed: {adam: slow}}
    - {label: with, band: [bn-slow, bn-fast], probed: {adam: bn-slow}}
"""


def load(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    return load_study([tmp_path / "study.yaml"])


def test_runs_of_a_landscape_and_its_probes_stand_once(tmp_path):
    study = load(tmp_path, GOOD)
    assert [(run.variant, run.seed) for run in matrix.runs_of_landscape(study)] == [
        (variant, seed) for variant in ("slow", "fast", "faster", "bn-slow", "bn-fast") for seed in (0, 1)
    ]
    assert [run.probe for run in matrix.probed_runs(study)] == [
        f"results/probes/{variant}/seed{seed}/probe.json" for variant in ("slow", "bn-slow") for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("label: without", "label: with", "landscape.models[1].label: 'with' is that of the first model too"),
        ("[slow, fast]", "[slow, fasd]", "study.yaml:13: landscape.models[0].band[1]: no variant 'fasd'; did you mean"),
        ("{adam: bn-slow}", "{adam: nowhere}", "landscape.models[1].probed.adam: no variant 'nowhere'"),
        (
            "{adam: bn-slow}",
            "{sgd: bn-slow}",
            "models[1].probed: names ['sgd'], and 'without' names ['adam']",
        ),
        ("[faster]", "[bn-fast]", "landscape.models[0].larger[0]: 'bn-fast' differs from 'slow' in batch_norm; only"),
        ("[bn-slow, bn-fast]", "[bn-slow]", "landscape.models[1].band: ['bn-slow'] is not valid: list should have"),
        (
            "bn-fast: {learning_rate: 0.002}",
            "bn-fast: {learning_rate: 0.003}",
            "landscape.models[1].band: has the learning rates [0.001, 0.003], and that of 'without' [0.001, 0.002]",
        ),
        (", record_steps: true}", "}", "landscape.models[0].band[0]: 'slow' records no steps: set record_steps: true"),
        ("title: Batch", "titel: Batch", "landscape.titel: unknown key; did you mean 'title'? Valid keys: title, note"),
        ("  models:", "  probe: {evry: 5}\n  models:", "landscape.probe.evry: unknown key; did you mean 'every'?"),
        ("  models:", "  probe: {step_sizes: [0]}\n  models:", "landscape.probe.step_sizes[0]: 0 is not valid"),
        ("  models:", "  reported: {smoothnes: x}\n  models:", "'smoothnes' is no valid option; choose one of 'epochs"),
    ],
)
def test_a_wrong_landscape_is_refused_with_its_place(tmp_path, old, new, expected):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert expected in str(caught.value)


@pytest.mark.parametrize("own", ["{filters: [4, 5, 6]}", "{dropout: 0.1}"])
def test_a_cnn_s_setting_has_no_effect_on_vgg(tmp_path, own):
    with pytest.raises(ConfigError, match=r"has no effect: it needs model: cnn"):
        load(tmp_path, GOOD.replace("bn-slow: {}", f"bn-slow: {own}"))


def test_the_shipped_landscape_is_the_study_s():
    study = load_study([CONFIG / "config.yaml"])
    resolved = matrix.resolve(study)
    for model, batch_norm in zip(study.landscape.models, (False, True), strict=True):
        band = [resolved[variant] for variant in model.band]
        assert [settings.learning_rate for settings in band] == [1e-4, 5e-4, 1e-3, 2e-3]
        assert all(resolved[variant].learning_rate > 2e-3 for variant in model.larger)
        for settings in band:
            assert (settings.model, settings.batch_norm, settings.optimizer) == ("vgg_a", batch_norm, "adam")
            assert (settings.epochs, settings.batch_size, settings.augmentation) == (20, 128, "none")
            assert settings.mean == settings.std == (0.5, 0.5, 0.5)
            assert (settings.weight_decay, settings.grad_clip, settings.scheduler) == (0.0, None, "none")
    assert study.landscape.probe.every == 50
    assert (min(study.landscape.probe.step_sizes), max(study.landscape.probe.step_sizes)) == (0.5, 4.0)


def test_the_paper_s_sgd_is_probed_beside_the_study_s_adam():
    study = load_study([CONFIG / "config.yaml"])
    resolved = matrix.resolve(study)
    for model in study.landscape.models:
        chosen = {pair: resolved[variant] for pair, variant in model.probed.items()}
        assert {pair: (each.optimizer, each.learning_rate) for pair, each in chosen.items()} == {
            "sgd": ("sgd", 0.1),
            "adam": ("adam", 1e-3),
        }


def test_the_demo_probes_more_often():
    demo, study = (yaml.safe_load((CONFIG / f"{name}.yaml").read_text()) for name in ("demo", "config"))
    assert demo["landscape"]["probe"]["every"] < study["landscape"]["probe"]["every"]
