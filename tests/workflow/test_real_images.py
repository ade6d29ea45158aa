"""The real CIFAR-10 images, where they are at hand: from the archive to a trained run."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = Path(os.environ.get("ABLATION_CIFAR10_IMAGES", ROOT.parent / "shared/data/cifar10-jpeg.tar.xz"))

STUDY = f"""\
study: real
data: {{name: images, path: {ARCHIVE}, validation_fraction: 0.0, train_images_per_class: 50}}
seeds: [0]
base: {{model: {{filters: [4, 6, 8]}}, epochs: 1}}
variants:
  adam: {{}}
"""


@pytest.mark.skipif(
    not ARCHIVE.is_file(), reason="no CIFAR-10 images: set ABLATION_CIFAR10_IMAGES to a tar of train/<class>/*"
)
def test_from_the_archive_to_a_trained_run(project):
    (project.folder / "config/real.yaml").write_text(STUDY)
    result = project.snakemake("results/runs/adam/seed0/metrics.json", config="config/real.yaml")
    assert result.returncode == 0, result.stdout

    facts = json.loads(project.read("results/data/images/data.json"))
    assert facts["classes"] == [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    assert facts["counts"] == {"train": 500, "validation": 0, "test": 10_000}
    labels = np.load(project.folder / "results/data/images/test_labels.npy")
    assert np.bincount(labels).tolist() == [1000] * 10

    record = json.loads(project.read("results/runs/adam/seed0/metrics.json"))
    assert record["status"] == "completed"
    assert record["origin"]["data_digest"] == facts["digest"]
    assert (record["epochs"], record["held_out_part"]) == (1, "test")
