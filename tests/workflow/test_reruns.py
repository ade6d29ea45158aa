"""What a change makes anew: a copy of a finished study is edited, and Snakemake asked what it would run."""

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

CONFIG = "config/study.yaml"
STUDY = """\
study: reruns
data: {name: images, path: set.tar}
seeds: [0, 1]
base: {model: vgg_a, width_multiplier: 0.05, batch_norm: false, activation: relu, epochs: 1, batch_size: 8,
  record_steps: true}
variants:
  slow: {}
  fast: {learning_rate: 0.002}
  bn-slow: {batch_norm: true}
  bn-fast: {batch_norm: true, learning_rate: 0.002}
  sgd: {optimizer: sgd}
tables:
  optimizers:
    title: Optimizers
    rows:
      - {variant: slow, label: Adam, reported: 50.0}
      - {variant: sgd, label: SGD}
landscape:
  title: Batch normalisation
  models:
    - {label: Plain, band: [slow, fast]}
    - {label: With BN, band: [bn-slow, bn-fast]}
"""
ALL = ["bn-fast 0", "bn-fast 1", "bn-slow 0", "bn-slow 1", "fast 0", "fast 1", "sgd 0", "sgd 1", "slow 0", "slow 1"]


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
    output = project.snakemake("-n", *arguments, config=CONFIG).stdout
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


def test_nothing_is_made_anew_by_a_touch_a_comment_or_other_jobs(study):
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


def test_nothing_is_made_anew_in_a_copy_of_another_time_and_place(study, tmp_path):
    subprocess.run(["cp", "-r", study.folder, tmp_path / "copy"], check=True)
    study.folder.rename(tmp_path / "moved")
    assert jobs(at(study, tmp_path / "copy")) == []
    assert jobs(at(study, tmp_path / "moved")) == []


def test_nothing_is_made_anew_by_moved_or_removed_images(study):
    (study.folder / "set.tar").rename(study.folder / "moved.tar")
    assert jobs(study) == []
    edit(study, CONFIG, "path: set.tar", "path: moved.tar")
    assert jobs(study) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sgd: {optimizer: sgd}", "sgd: {optimizer: sgd, momentum: 0.5}", ["sgd 0", "sgd 1"]),
        ("epochs: 1,", "epochs: 1, momentum: 0.5,", ["sgd 0", "sgd 1"]),
        ("epochs: 1,", "epochs: 1, smoothing: 0.3,", []),
        ("seeds: [0, 1]", "seeds: [0, 1, 2]", ["bn-fast 2", "bn-slow 2", "fast 2", "sgd 2", "slow 2"]),
        ("seeds: [0, 1]", "seeds: [1]", []),
        ("  slow: {}", "  slow: {}\n  elu: {activation: elu}", ["elu 0", "elu 1"]),
        ("reported: 50.0", "reported: 51.0", []),
        ("label: With BN", "label: Normalised", []),
        ("title: Batch normalisation", "title: Normalisation\n  accuracy_mark: 40.0", []),
        ("path: set.tar", "path: set.tar, train_images_per_class: 4", ALL),
    ],
    ids=[
        "a variant",
        "base, where it reaches one variant",
        "base, where it reaches none",
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
    assert ("Preparing the data set images" in messages) == (expected == ALL)


def test_other_images_train_everything(study):
    write_images(study.folder / "set.tar", seed=1)
    messages = jobs(study)
    assert trained(messages) == ALL
    assert "Preparing the data set images" in messages


def test_other_training_code_trains_everything(study):
    edit(study, LOOP, "parameters).backward()", "parameters).mul(2).backward()")
    messages = jobs(study)
    assert trained(messages) == ALL
    assert "Preparing the data set images" not in messages


def test_other_analysis_code_draws_anew(study):
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
    assert trained(jobs(study)) == ["bn-fast 2", "bn-slow 2", "fast 2", "sgd 2", "slow 2"]


def test_without_snakemake_s_notes_nothing_is_trained_and_the_report_names_what_is_outdated(study):
    shutil.rmtree(study.folder / ".snakemake")
    edit(study, CONFIG, "sgd: {optimizer: sgd}", "sgd: {optimizer: sgd, momentum: 0.5}")
    assert jobs(study) == []
    result = study.snakemake("--forcerun", "study", config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "Training" not in result.stdout
    report = study.read("results/report.md")
    assert "**Outdated** (2)" in report
    assert f"`snakemake results/runs/sgd/seed1/metrics.json --force --configfile {CONFIG}`" in report


def test_results_of_other_data_are_outdated(study):
    """As they are where somebody prepared other data and trained nothing anew."""
    metrics = study.folder / "results/runs/fast/seed0/metrics.json"
    record = json.loads(metrics.read_text())
    assert record["origin"]["data_digest"] == json.loads(study.read("results/data/images/data.json"))["digest"]
    metrics.write_text(json.dumps(record | {"origin": record["origin"] | {"data_digest": "0" * 16}}))
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
