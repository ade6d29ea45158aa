"""The model card of a study's best run: what it says, to people and to model hubs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ablation.analysis.model_card import model_card
from ablation.analysis.runs import load_runs
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.data.prepare import prepare
from ablation.runs.records import CONFUSION, RecordError, RunRecord, digests_of_files, write_confusion
from ablation.runs.results import digest_of_data
from ablation.training.outcome import TestScores as Scores

Finish = Callable[..., RunRecord]


@pytest.fixture
def study(study_with: Callable[..., Study]) -> Study:
    return study_with(title="Cats | dogs", data={"name": "digits", "train_images_per_class": 5})


@pytest.fixture
def data_digest(study: Study, finish: Finish) -> str:
    """That of prepared data."""
    prepare(study.data, Path("results/data/digits"))

    return str(digest_of_data(study))


@pytest.fixture
def card(study: Study, finish: Finish, data_digest: str) -> str:
    """Of three completed runs, the best of which has a confusion matrix."""
    origin = {"data_digest": data_digest}
    directory = Path(Run("sgd", 1).directory)
    counts = [[9, 1, 0, *[0] * 7], [0, 6, 4, *[0] * 7], *([0] * 10 for _ in range(8))]
    finish("sgd", 1, origin=origin)
    write_confusion(directory / CONFUSION, [str(number) for number in range(10)], counts)
    finish("adam", 0, best=81.0, origin=origin)
    finish("sgd", 0, best=80.0, origin=origin)
    files = {"history.csv", CONFUSION}
    record = finish("sgd", 1, best=82.0, origin=origin, test=Scores(class_accuracy=(90.0, 60.0), calibration_error=3.5))
    files_of_record = digests_of_files(directory, files) | {"best_model.pth": "abc"}
    finish("sgd", 1, best=82.0, origin=origin, test=record.test, files=files_of_record)
    return model_card(study, load_runs(study))


def test_it_is_about_the_best_run_and_says_what_it_was_chosen_from(card: str) -> None:
    assert "# Cats \\| dogs: `sgd`, seed 1\n" in card
    assert "The best of the study's 3 completed runs: it classifies 82.00 % of the test images rightly." in card
    assert "| this variant, mean ± std | 81.00 ± 1.41 (2 seeds) |" in card
    assert "the best of 3 runs by the test images, which chose its epoch too: on new images expect less" in card


def test_it_tells_data_training_and_results(card: str, data_digest: str) -> None:
    images = "Data set `digits`: 10 classes; 50 training images, 360 test images. They came with 8x8 pixels"
    assert f"{images}, and are 32x32, in colour. Digest of the arrays: `{data_digest}`" in card
    assert "4 epochs, 1.00 h on `processor A`. The weights are those of epoch 3." in card
    assert "| last epoch | 79.00 |" in card
    assert "Expected calibration error: 3.50 percentage points." in card
    assert "- Weights of the best epoch: `best_model.pth`, SHA-256 `abc`" in card
    assert "python workflow/scripts/predict.py results/runs/sgd/seed1 IMAGE..." in card


def test_it_names_the_most_frequent_mistakes_first(card: str) -> None:
    mistakes = [line for line in card.splitlines() if "are taken for" in line]
    assert mistakes == ["- 40.0 % of `1` are taken for `2`", "- 10.0 % of `0` are taken for `1`"]


def test_model_hubs_find_their_metadata(card: str) -> None:
    _, metadata, _ = card.split("---\n", 2)
    (model,) = yaml.safe_load(metadata)["model-index"]
    assert model["name"] == "small-sgd-seed1"
    (result,) = model["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.82}]
    assert result["dataset"]["name"] == "digits"


def test_without_a_completed_run_it_says_so(study: Study, finish: Finish) -> None:
    finish("adam", 0, best=None)
    assert model_card(study, load_runs(study)).endswith("No run is completed, so there is no model to describe.\n")


def test_a_damaged_confusion_matrix_is_refused(card: str, study: Study) -> None:
    Path(Run("sgd", 1).directory, CONFUSION).write_text("else")
    with pytest.raises(RecordError, match="is damaged"):
        model_card(study, load_runs(study))
