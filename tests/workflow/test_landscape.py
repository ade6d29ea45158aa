"""A tiny landscape from config to report: bands, probes, figures, and what a change of it reruns."""

import numpy as np
import pandas as pd
import pytest

STUDY = """\
study: landscape
data: {name: digits, train_images_per_class: 10}
seeds: [0]
base:
  model: {name: vgg_a, width_multiplier: 0.05}
  optimizer: {weight_decay: 0.0}
  scheduler: none
  epochs: 2
  batch_size: 16
  grad_clip: null
  record_steps: true
variants:
  vgg:
    grid:
      model.batch_norm: {plain: false, bn: true}
      optimizer.learning_rate: {slow: 0.001, fast: 0.002, endless: 1.0e+30}
    name: "{batch_norm}-{learning_rate}"
landscape:
  title: Batch normalisation
  note: What the paper found is another thing.
  grid: vgg
  models: {plain: Plain, bn: With BN}
  band: [0.001, 0.002, 1.0e+30]
  probed: {adam: {learning_rate: 0.002}}
  probe: {every: 3, step_sizes: [1, 4]}
  smoothing_steps: 3
  trained_accuracy: 0 # after 14 steps
"""
CONFIG = "config/landscape.yaml"


@pytest.fixture(scope="module")
def landscape(tmp_path_factory, new_project):
    """A project whose landscape has been made."""
    project = new_project(tmp_path_factory.mktemp("landscape"))
    (project.folder / CONFIG).write_text(STUDY)
    project.result = project.snakemake(config=CONFIG)
    assert project.result.returncode == 0, project.result.stdout
    return project


def table(project, name):
    return pd.read_csv(project.folder / f"results/landscape/{name}.csv")


@pytest.mark.parametrize("lost", ["landscape/bands.csv", "landscape/bands.svg", "probes/bn-fast/seed0/probe.json"])
def test_whatever_file_of_the_landscape_is_lost_is_made_again(landscape, lost, tmp_path):
    (landscape.folder / "results" / lost).rename(tmp_path / "lost")
    try:
        assert "Nothing to be done" not in landscape.snakemake("-n", config=CONFIG).stdout
    finally:
        (tmp_path / "lost").rename(landscape.folder / "results" / lost)


def test_the_band_is_that_of_the_recorded_losses(landscape):
    bands = table(landscape, "bands").set_index(["model", "step"])
    for label, model in (("Plain", "plain"), ("With BN", "bn")):
        losses = [
            np.load(landscape.folder / f"results/runs/{model}-{rate}/seed0/steps.npz")["loss"]
            for rate in ("slow", "fast")
        ]
        assert list(bands.loc[label, "min"]) == pytest.approx(np.minimum(*losses).tolist(), rel=1e-6)
        assert list(bands.loc[label, "max"]) == pytest.approx(np.maximum(*losses).tolist(), rel=1e-6)
        # 100 images in batches of 16, twice.
        assert len(losses[0]) == 14


def test_a_diverged_learning_rate_is_left_out_and_named(landscape):
    assert "Plain" in set(table(landscape, "left_out")["model"])
    assert "Plain: diverged at learning rate 1e+30, which is left out of both bands" in landscape.read(
        "results/report.md"
    )
    rates = table(landscape, "learning_rates").set_index("variant")
    assert rates.loc["plain-endless", "status"] == "diverged"
    assert not rates.loc["plain-endless", "trains"]


def test_probed_runs_repeat_their_run_bit_for_bit(landscape):
    states = table(landscape, "probe_states")
    assert list(states["variant"]) == ["plain-fast", "bn-fast"]
    assert states["same_as_run"].all()
    assert "2 of 2 repeat their run bit for bit" in landscape.read("results/report.md")


def test_probes_start_from_the_loss_of_their_step(landscape):
    probes = table(landscape, "probes").set_index("variant")
    for variant in ("plain-fast", "bn-fast"):
        steps = np.load(landscape.folder / f"results/runs/{variant}/seed0/steps.npz")
        probed = probes[probes["path"] == "gradient"].loc[variant]
        assert list(probed["step"]) == [3, 6, 9, 12]
        assert list(probed["loss"]) == pytest.approx(steps["loss"][probed["step"] - 1].tolist(), rel=1e-5)
        assert list(probed["gradient_norm"]) == pytest.approx(
            steps["gradient_norm"][probed["step"] - 1].tolist(), rel=1e-4
        )
        assert (probed["smoothness"] > 0).all()


def test_the_report_shows_every_figure_and_quantity(landscape):
    report = landscape.read("results/report.md")
    for name in ("bands", "accuracy", "learning-rates", "probe-adam", "probe-adam-step", "shift-adam"):
        assert f"(landscape/{name}.png)" in report
        assert (landscape.folder / f"results/landscape/{name}.png").stat().st_size > 10_000
        assert "</svg>" in landscape.read(f"results/landscape/{name}.svg")
    assert "What the paper found is another thing." in report
    quantities = table(landscape, "quantities")
    # Fourteen quantities; six of them along two paths, and each of these also at matched training loss.
    assert len(quantities) == 14 + 6 * 3
    quantities = quantities[~quantities["matched"] & (quantities["path"] != "optimizer")].set_index("quantity")
    for quantity in ("band_width", "smoothness", "gradient_distance", "covariate_shift"):
        line = quantities.loc[quantity]
        assert line["ratio"] == pytest.approx(line["with_mean"] / line["without_mean"], rel=1e-5)


def made_by(project, old, new):
    """The jobs that Snakemake would run after this change of the config."""
    (project.folder / CONFIG).write_text(STUDY.replace(old, new))
    try:
        output = project.snakemake("-np", config=CONFIG).stdout
    finally:
        (project.folder / CONFIG).write_text(STUDY)
    messages = ("Training ", "Probing ", "Measuring ", "Plotting the loss", "Writing results/report.md")
    return [message for message in messages if message in output]


def test_a_change_of_the_probing_or_the_band_trains_nothing(landscape):
    after = ["Measuring ", "Plotting the loss", "Writing results/report.md"]
    assert made_by(landscape, "every: 3", "every: 3") == []
    assert made_by(landscape, "every: 3", "every: 2") == ["Probing ", *after]
    assert made_by(landscape, "learning_rate: 0.002}", "learning_rate: 0.001}") == ["Probing ", *after]
    assert made_by(landscape, "smoothing_steps: 3", "smoothing_steps: 5") == after
    assert made_by(landscape, "band: [0.001, 0.002, 1.0e+30]", "band: [0.001, 0.002]") == after


def test_a_further_learning_rate_is_trained(landscape):
    made = made_by(landscape, "endless: 1.0e+30", "endless: 1.0e+30, mid: 0.0015")
    assert made == ["Training ", "Measuring ", "Plotting the loss", "Writing results/report.md"]
