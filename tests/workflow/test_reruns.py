"""What a change reruns: a copy of a finished study is edited, and Snakemake asked what it would run."""

import io
import json
import os
import re
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image

from ablation.runs.records import read_record, write_record

CONFIG = "config/study.yaml"
STUDY = """\
study: reruns
components: [own.py]
data: {name: images, path: set.tar}
seeds: [0, 1]
base:
  model: {name: vgg_a, width_multiplier: 0.05, batch_norm: false, activation: relu}
  epochs: 1
  batch_size: 8
  record_steps: true
variants:
  vgg:
    grid:
      model.batch_norm: {plain: false, bn: true}
      optimizer.learning_rate: {slow: 0.001, fast: 0.002}
    name: "{batch_norm}-{learning_rate}"
  sgd: {optimizer: sgd}
  own: {loss: {name: own, factor: 2}}
tables:
  optimizers:
    title: Optimizers
    rows:
      - {variant: plain-slow, label: Adam, reported: 50.0}
      - {variant: sgd, label: SGD}
landscape:
  title: Batch normalisation
  grid: vgg
  models: {plain: Plain, bn: With BN}
  band: [0.001, 0.002]
"""
OWN = """\
from typing import Literal

from pydantic import Field

from ablation.config.kinds import Loss


class Own(Loss):
    name: Literal["own"] = "own"
    display_name = "Own"
    factor: float = Field(1.0, description="of the loss")

    def build(self):
        from helper import scaled

        return scaled(self.factor)
"""
HELPER = """\
from torch.nn.functional import cross_entropy


def scaled(factor):
    return lambda logits, labels: factor * cross_entropy(logits, labels)
"""
VARIANTS = ("bn-fast", "bn-slow", "own", "plain-fast", "plain-slow", "sgd")
ALL = [f"{variant} {seed}" for variant in VARIANTS for seed in (0, 1)]


def write_images(path, seed=0):
    random = np.random.default_rng(seed)
    with tarfile.open(path, "w") as tar:
        for index in range(24):
            content = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(content, "PNG")
            split, label = "train" if index < 16 else "test", ("ant", "bee")[index % 2]
            member = tarfile.TarInfo(f"{split}/{label}/{index}.png")
            member.size = content.tell()
            content.seek(0)
            tar.addfile(member, content)


@pytest.fixture(scope="module")
def original(tmp_path_factory, new_project):
    """A finished study of images in a tar; tests copy it."""
    project = new_project(tmp_path_factory.mktemp("original"))
    write_images(project.folder / "set.tar")
    (project.folder / CONFIG).write_text(STUDY)
    (project.folder / "config/own.py").write_text(OWN)
    (project.folder / "config/helper.py").write_text(HELPER)
    result = project.snakemake(config=CONFIG)
    assert result.returncode == 0, result.stdout
    return project


@pytest.fixture
def study(original, tmp_path):
    """A copy to edit, elsewhere, with all time stamps."""
    shutil.copytree(original.folder, tmp_path / "study")
    return at(original, tmp_path / "study")


def at(project, folder):
    """The project of a folder that is a checkout already."""
    other = object.__new__(type(project))
    other.folder = folder
    return other


def jobs(project, *arguments):
    """What Snakemake would run: the jobs' messages; none where there is nothing to be done."""
    output = project.snakemake("-np", *arguments, config=CONFIG).stdout
    messages = re.findall(r"^(?:Job \d+: )(.*)$", output, re.MULTILINE)
    assert messages or "Nothing to be done" in output, output
    return messages


def trained(messages):
    """The runs among them."""
    return sorted(f"{run[1]} {run[2]}" for run in map(re.compile(r"Training (\S+), seed (\d+)").match, messages) if run)


def edit(project, path, old, new):
    text = project.read(path)
    assert old in text
    (project.folder / path).write_text(text.replace(old, new, 1))


LOOP = "workflow/scripts/ablation/training/loop.py"
STEPS = "workflow/scripts/ablation/training/steps.py"


def test_nothing_reruns_by_a_touch_a_comment_or_other_jobs(study):
    assert jobs(study) == []
    for path in study.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    edit(study, LOOP, '"""The training loop:', '# A comment.\n"""The loop:')
    edit(
        study,
        CONFIG,
        "seeds: [0, 1]",
        "jobs: {threads: 2, mem_mb: 999, runtime: 7, checkpoint_seconds: 5}\nseeds: [0, 1]",
    )
    assert jobs(study) == []


def test_nothing_reruns_in_a_copy_of_another_time_and_place(study, tmp_path):
    subprocess.run(["cp", "-r", study.folder, tmp_path / "copy"], check=True)
    study.folder.rename(tmp_path / "moved")
    assert jobs(at(study, tmp_path / "copy")) == []
    assert jobs(at(study, tmp_path / "moved")) == []


def test_nothing_reruns_by_moved_or_removed_images(study):
    (study.folder / "set.tar").rename(study.folder / "moved.tar")
    assert jobs(study) == []
    edit(study, CONFIG, "path: set.tar", "path: moved.tar")
    assert jobs(study) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sgd: {optimizer: sgd}", "sgd: {optimizer: {name: sgd, momentum: 0.5}}", ["sgd 0", "sgd 1"]),
        ("factor: 2", "factor: 3", ["own 0", "own 1"]),
        (
            "fast: 0.002}",
            "fast: 0.002, faster: 0.003}",
            [f"{model}-faster {seed}" for model in ("bn", "plain") for seed in (0, 1)],
        ),
        ("  epochs: 1", "  epochs: 2", ALL),
        ("seeds: [0, 1]", "seeds: [0, 1, 2]", [f"{variant} 2" for variant in VARIANTS]),
        ("seeds: [0, 1]", "seeds: [1]", []),
        ("  sgd: {", "  elu: {model: {activation: elu}}\n  sgd: {", ["elu 0", "elu 1"]),
        ("reported: 50.0", "reported: 51.0", []),
        ("bn: With BN", "bn: Normalised", []),
        ("title: Batch normalisation", "title: Normalisation\n  accuracy_mark: 40.0", []),
        ("path: set.tar", "path: set.tar, train_images_per_class: 4", ALL),
    ],
    ids=[
        "a variant",
        "a setting of an own component",
        "a value more of a grid",
        "base",
        "a seed more",
        "a seed less",
        "a variant more",
        "a table",
        "the landscape",
        "the landscape's measures",
        "the data section",
    ],
)
def test_a_change_of_the_config_trains_only_what_it_reaches(study, old, new, expected):
    edit(study, CONFIG, old, new)
    messages = jobs(study)
    assert trained(messages) == expected
    assert "Writing results/report.md" in messages
    assert ("Preparing the data set images" in messages) == ("train_images_per_class" in new)


def test_other_images_train_everything(study):
    write_images(study.folder / "set.tar", seed=1)
    messages = jobs(study)
    assert trained(messages) == ALL
    assert "Preparing the data set images" in messages


COMPONENTS = "workflow/scripts/ablation/components"


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (STEPS, "parameters).backward()", "parameters).mul(2).backward()", ALL),
        (f"{COMPONENTS}/optimizers.py", "momentum=self.momentum", "momentum=0.5", ["sgd 0", "sgd 1"]),
        ("config/own.py", "scaled(self.factor)", "scaled(-self.factor)", ["own 0", "own 1"]),
        ("config/helper.py", "factor * cross", "2 * factor * cross", ["own 0", "own 1"]),
    ],
    ids=["the loop", "a component of ours", "an own component", "a file beside it"],
)
def test_a_change_of_code_trains_the_runs_that_use_it(study, path, old, new, expected):
    edit(study, path, old, new)
    messages = jobs(study)
    assert trained(messages) == expected
    assert "Preparing the data set images" not in messages


def test_code_that_changes_no_figure_trains_nothing(study):
    """Components and classes more, descriptions, log texts, messages, checkpoints and records."""
    scripts = "workflow/scripts/ablation"
    for path, old, new in (
        (f"{COMPONENTS}/optimizers.py", "class AdamW(", "class Helper:\n    pass\n\n\nclass AdamW("),
        (f"{COMPONENTS}/optimizers.py", "decay of the running sum", "how long it remembers"),
        ("config/own.py", 'description="of the loss"', 'description="by which the loss is multiplied"'),
        ("config/own.py", "class Own", "class Other:\n    pass\n\n\nclass Own"),
        (f"{scripts}/runs/checkpoint.py", "STATE_VERSION = ", "STATE_VERSION = 1"),
        (f"{scripts}/runs/progress.py", "images/s", "images a second"),
        (f"{scripts}/runs/records.py", "is damaged", "is broken"),
    ):
        edit(study, path, old, new)
    assert trained(jobs(study)) == []


def test_a_new_optimizer_trains_nothing_and_is_a_choice(study):
    optimizers = study.folder / COMPONENTS / "optimizers.py"
    sgd = optimizers.read_text().partition("class SGD")[2].partition("\n\n\n")[0]
    optimizers.write_text(optimizers.read_text() + "\n\nclass Second" + sgd.replace('"sgd"', '"second"'))
    assert jobs(study) == []
    edit(study, CONFIG, "  sgd: {", "  second: {optimizer: second}\n  sgd: {")
    assert trained(jobs(study)) == ["second 0", "second 1"]


def test_an_own_component_in_another_place_trains_nothing(study):
    for name in ("own", "helper"):
        (study.folder / f"config/{name}.py").rename(study.folder / f"{name}.py")
    edit(study, CONFIG, "[own.py]", "[../own.py]")
    assert trained(jobs(study)) == []


def test_finished_runs_can_be_kept_after_a_change_of_code(study):
    edit(study, STEPS, "parameters).backward()", "parameters).mul(1).backward()")
    edit(study, CONFIG, "seeds: [0, 1]", "seeds: [0, 1]\nkeep: true")
    edit(study, CONFIG, "sgd: {optimizer: sgd}", "sgd: {optimizer: {name: sgd, momentum: 0.5}}")
    assert trained(jobs(study)) == ["sgd 0", "sgd 1"], "other settings are no matter of code"
    assert study.snakemake(config=CONFIG).returncode == 0
    report = study.read("results/report.md")
    assert "> **Kept.** These runs were made by earlier training code" in report
    assert "`plain-slow`, seed 0, 1;" in report
    assert "`sgd`, seed" not in report.partition("**Kept.**")[2].partition("\n\n")[0]
    assert jobs(study) == []
    edit(study, CONFIG, "keep: true", "keep: false")
    assert trained(jobs(study)) == [run for run in ALL if not run.startswith("sgd")]


def test_other_analysis_code_draws_again(study):
    edit(study, "workflow/scripts/ablation/analysis/figures.py", "lines.linewidth", "lines.markersize")
    messages = jobs(study)
    assert trained(messages) == []
    assert "Plotting the training curves of table optimizers" in messages


def test_data_that_are_prepared_again_train_nothing(study):
    """This is what a damaged file asks for."""
    for path in (study.folder / "results/data/images").glob("*.npy"):
        path.write_bytes(b"damaged")
    result = study.snakemake("results/data/images/data.json", "--force", config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert jobs(study) == []


def test_deleted_data_train_nothing_once_they_are_prepared_again(study):
    shutil.rmtree(study.folder / "results/data")
    assert jobs(study) == []
    result = study.snakemake("results/data/images/data.json", config=CONFIG)
    assert result.returncode == 0, result.stdout
    edit(study, CONFIG, "seeds: [0, 1]", "seeds: [0, 1, 2]")
    assert trained(jobs(study)) == [f"{variant} 2" for variant in VARIANTS]


def test_without_snakemake_s_notes_nothing_is_trained_and_the_report_names_what_is_outdated(study):
    shutil.rmtree(study.folder / ".snakemake")
    edit(study, CONFIG, "sgd: {optimizer: sgd}", "sgd: {optimizer: {name: sgd, momentum: 0.5}}")
    assert jobs(study) == []
    result = study.snakemake("--forcerun", "study", config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "to train" not in result.stdout
    report = study.read("results/report.md")
    assert "**Outdated** (2)" in report
    assert f"`snakemake results/runs/sgd/seed{{0,1}}/metrics.json --force --configfile {CONFIG}`" in report


def test_results_of_other_data_are_outdated(study):
    """As they are where somebody prepared other data and trained nothing again."""
    metrics = study.folder / "results/runs/plain-fast/seed0/metrics.json"
    record = read_record(metrics)
    assert record.origin.data_digest == json.loads(study.read("results/data/images/data.json"))["digest"]
    origin = record.origin.model_copy(update={"data_digest": "0" * 16})
    write_record(metrics, record.model_copy(update={"origin": origin}))
    assert trained(jobs(study)) == []
    assert study.snakemake(config=CONFIG).returncode == 0
    assert "made with other data" in study.read("results/report.md")


def test_missing_images_are_told_before_any_job(study):
    shutil.rmtree(study.folder / "results/data")
    (study.folder / "set.tar").unlink()
    result = study.snakemake(config=CONFIG)
    assert result.returncode != 0
    assert "no job was started.\nset.tar: no such file or folder" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_dry_run_needs_no_writable_results(study):
    results = study.folder / "results"
    (results / "data/images/source.json").unlink()
    mounted = subprocess.run(
        ["mount", "--bind", "-o", "ro", results, results], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        assert not os.access(results, os.W_OK)
        assert jobs(study) == []
    finally:
        subprocess.run(["umount", results], check=True)
