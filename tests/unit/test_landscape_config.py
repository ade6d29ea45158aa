"""The landscape section: what is refused, and that the shipped one is the study's."""

from pathlib import Path

import pytest
import yaml

from ablation.config import matrix
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError

CONFIG = Path(__file__).resolve().parents[2] / "config"

GOOD = """\
study: small
seeds: [0, 1]
base: {model: vgg_a, record_steps: true}
variants:
  vgg:
    grid:
      model.batch_norm: {plain: false, bn: true}
      optimizer.learning_rate: [0.001, 0.002, 0.005]
  sgd: {like: vgg, optimizer: {name: sgd, learning_rate: 0.1}, grid: {model.batch_norm: {plain: false, bn: true}}}
  other: {epochs: 3}
landscape:
  title: Batch normalisation
  grid: vgg
  models: {plain: without, bn: with}
  band: [0.001, 0.002]
  probed: {adam: {learning_rate: 0.001}, sgd: {grid: sgd}}
"""


def load(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    return load_study([tmp_path / "study.yaml"])


def test_the_models_are_found_in_the_grid(tmp_path):
    without, with_it = load(tmp_path, GOOD).landscape_models
    assert (without.label, without.band, without.larger) == (
        "without",
        ("vgg-plain-1e-3", "vgg-plain-2e-3"),
        ("vgg-plain-5e-3",),
    )
    assert with_it.probed == {"adam": "vgg-bn-1e-3", "sgd": "sgd-bn"}


def test_runs_of_a_landscape_and_its_probes_are_listed_once(tmp_path):
    study = load(tmp_path, GOOD)
    runs = [run.variant for run in matrix.runs_of_landscape(study) if run.seed == 0]
    assert runs == [
        *("vgg-plain-1e-3", "vgg-plain-2e-3", "vgg-plain-5e-3", "sgd-plain"),
        *("vgg-bn-1e-3", "vgg-bn-2e-3", "vgg-bn-5e-3", "sgd-bn"),
    ]
    assert [run.probe for run in matrix.probed_runs(study)] == [
        f"results/probes/{variant}/seed{seed}/probe.json"
        for variant in ("vgg-plain-1e-3", "sgd-plain", "vgg-bn-1e-3", "sgd-bn")
        for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("bn: with}", "bn: without}", "study.yaml:14: landscape.models: have the same label; each needs its own"),
        (
            "grid: vgg\n",
            "grid: vgh\n",
            "study.yaml:13: landscape.grid: no variant 'vgh' with a grid; did you mean 'vgg'?",
        ),
        (
            "grid: vgg\n",
            "grid: other\n",
            "study.yaml:13: landscape.grid: no variant 'other' with a grid; Variants with",
        ),
        (
            "grid: vgg\n",
            "grid: sgd\n",
            "landscape.grid: 'sgd' has the axes model.batch_norm; it needs optimizer.learning",
        ),
        (
            "{grid: sgd}}",
            "{grid: sdg}}",
            "study.yaml:16: landscape.probed.sgd.grid: no variant 'sdg' with a grid; did you",
        ),
        (
            "bn: with}",
            "norm: with}",
            "study.yaml:14: landscape.models.norm: is not a value of model.batch_norm; Values: plain",
        ),
        (
            ", bn: with}",
            "}",
            "landscape.models: {'plain': 'without'} is not valid: dictionary should have at least 2 items",
        ),
        (
            "[0.001, 0.002]\n",
            "[0.001, 0.3]\n",
            "landscape.band[1]: no variant of 'plain' has the learning rate 0.3; they",
        ),
        (
            "band: [0.001, 0.002]",
            "band: [0.001]",
            "landscape.band: [0.001] is not valid: list should have at least 2 items",
        ),
        (
            "{learning_rate: 0.001}",
            "{}",
            "landscape.probed.adam: chooses 3 variants of 'plain': vgg-plain-1e-3, vgg-plain-2e",
        ),
        (
            "{learning_rate: 0.001}",
            "{learning_rate: 9}",
            "landscape.probed.adam: chooses 0 variants of 'plain'; it must be",
        ),
        (", record_steps: true}", "}", "landscape.band[0]: 'vgg-plain-1e-3' records no steps: set record_steps: true"),
        ("title: Batch", "titel: Batch", "landscape.titel: unknown key; did you mean 'title'? Valid keys: title, note"),
        ("  models:", "  probe: {evry: 5}\n  models:", "landscape.probe.evry: unknown key; did you mean 'every'?"),
        ("  models:", "  probe: {step_sizes: [0]}\n  models:", "landscape.probe.step_sizes[0]: 0 is not valid"),
        (
            "  models:",
            "  reported: {smoothnes: x}\n  models:",
            "'smoothnes' is not a valid option; choose one of 'epochs",
        ),
    ],
)
def test_a_wrong_landscape_is_refused_with_its_place(tmp_path, old, new, expected):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert expected in str(caught.value)


def test_the_shipped_landscape_is_the_study_s():
    study = load_study([CONFIG / "config.yaml"])
    for model, batch_norm in zip(study.landscape_models, (False, True), strict=True):
        band = [study.matrix.settings[variant] for variant in model.band]
        assert [settings.optimizer.learning_rate for settings in band] == [1e-4, 5e-4, 1e-3, 2e-3]
        assert all(study.matrix.settings[variant].optimizer.learning_rate > 2e-3 for variant in model.larger)
        for settings in band:
            assert (settings.model.name, settings.model.batch_norm) == ("vgg_a", batch_norm)
            assert (settings.model.activation.name, settings.optimizer.name) == ("relu", "adam")
            assert (settings.epochs, settings.batch_size, settings.augmentation.name) == (20, 128, "none")
            assert settings.mean == settings.std == (0.5, 0.5, 0.5)
            assert (settings.optimizer.weight_decay, settings.grad_clip, settings.scheduler.name) == (0.0, None, "none")
    assert study.landscape.probe.every == 50
    assert (min(study.landscape.probe.step_sizes), max(study.landscape.probe.step_sizes)) == (0.5, 4.0)


def test_the_paper_s_sgd_is_probed_beside_the_study_s_adam():
    study = load_study([CONFIG / "config.yaml"])
    for model in study.landscape_models:
        chosen = {pair: study.matrix.settings[variant].optimizer for pair, variant in model.probed.items()}
        assert {pair: (each.name, each.learning_rate) for pair, each in chosen.items()} == {
            "sgd": ("sgd", 0.1),
            "adam": ("adam", 1e-3),
        }
        assert chosen["sgd"].momentum == 0


def test_the_demo_probes_more_often():
    demo, study = (yaml.safe_load((CONFIG / f"{name}.yaml").read_text()) for name in ("demo", "config"))
    assert demo["landscape"]["probe"]["every"] < study["landscape"]["probe"]["every"]
