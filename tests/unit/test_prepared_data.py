"""Training reads prepared data only as they were written; otherwise it names the file and the command that fixes it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ablation.config.study import DataConfig
from ablation.data.arrays import PreparedDataError, digest_of
from ablation.data.prepare import prepare
from ablation.training.data import load_data

CPU = torch.device("cpu")
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare(DataConfig(name="digits", train_images_per_class=2), folder)
    return folder


@pytest.fixture
def data(digits: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(digits, tmp_path / "digits"))


def refusal(data: Path, file: str) -> str:
    """What is said of the file at fault."""
    with pytest.raises(PreparedDataError) as caught:
        load_data(data, CPU)
    text = str(caught.value)
    assert text.startswith(f"{data / file}: "), text
    assert text.endswith(f"Prepare the data again: snakemake {data / 'data.json'} --force")
    return text


def test_the_arrays_of_a_version_are_these(digits: Path) -> None:
    """Where the same source becomes other arrays, raise `arrays.VERSION`, and all data are prepared again."""
    assert load_data(digits, CPU).digest == "cf3d3b69d534b77d"


def test_whole_data_are_read(data: Path) -> None:
    loaded = load_data(data, CPU)
    np.testing.assert_array_equal(loaded.train.images.numpy(), np.load(data / "train_images.npy"))
    np.testing.assert_array_equal(loaded.test.labels.numpy(), np.load(data / "test_labels.npy"))
    assert loaded.held_out is loaded.test
    assert (len(loaded.train), loaded.classes) == (20, 10)
    assert loaded.image_shape == (3, 32, 32)


def test_images_of_another_shape_are_read(tmp_path: Path) -> None:
    prepare(DataConfig(name="digits", train_images_per_class=2, image_size=12, channels=1), tmp_path)
    assert load_data(tmp_path, CPU).image_shape == (1, 12, 12)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_cut_off_anywhere_is_named(data: Path, name: str) -> None:
    path = data / f"{name}.npy"
    whole = path.read_bytes()
    for length in (0, 1, 5, 9, 60, 127, 128, 129, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "cannot be read" in refusal(data, path.name), length


@pytest.mark.filterwarnings("ignore")  # numpy takes a damaged header for an old one
def test_a_bit_flipped_anywhere_is_found(data: Path) -> None:
    path = data / "train_labels.npy"
    whole, labels = path.read_bytes(), np.load(path)
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            loaded = load_data(data, CPU)
        except PreparedDataError as error:
            assert path.name in str(error)  # noqa: PT017 - some bits of the header say nothing
        else:
            assert bit < 8 * 128, "a bit of the content"
            np.testing.assert_array_equal(loaded.train.labels.numpy(), labels)


def test_replaced_arrays_are_named(data: Path) -> None:
    images = data / "train_images.npy"
    for other in (np.load(images)[::-1], np.load(images).astype(np.int16), np.zeros(0), np.array({}, dtype=object)):
        np.save(images, other)
        refusal(data, "train_images.npy")
    shutil.copy(data / "test_images.npy", images)
    assert "is not the array that data.json describes" in refusal(data, "train_images.npy")
    images.unlink()
    assert "No such file" in refusal(data, "train_images.npy")


@pytest.mark.parametrize("name", ["data.json", "train_images.npy"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_named(data: Path, name: str, make: Callable[[Path], None]) -> None:
    (data / name).unlink()
    make(data / name)
    assert "cannot be read: it is not a regular file" in refusal(data, name)


def test_a_description_cut_off_anywhere_is_refused(data: Path) -> None:
    path = data / "data.json"
    whole = path.read_bytes()
    for length in range(0, len(whole.rstrip()), 7):
        path.write_bytes(whole[:length])
        assert "is damaged or of another version" in refusal(data, "data.json"), length


def test_a_bit_flipped_in_the_description_is_found_where_it_matters(data: Path) -> None:
    """The names of the data set and of its classes, and the counts, are for the reader alone."""
    path = data / "data.json"
    whole, good = path.read_bytes(), load_data(data, CPU)
    for bit in range(0, 8 * len(whole), 5):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            loaded = load_data(data, CPU)
        except PreparedDataError as error:
            assert path.name in str(error)  # noqa: PT017
        else:
            assert (loaded.classes, loaded.held_out_part, loaded.digest) == (
                good.classes,
                good.held_out_part,
                good.digest,
            ), bit


@pytest.mark.parametrize("key", ["name", "classes", "held_out_part", "counts", "digest", "arrays"])
def test_a_description_without_a_key_is_refused(data: Path, key: str) -> None:
    facts = json.loads((data / "data.json").read_text())
    del facts[key]
    (data / "data.json").write_text(json.dumps(facts))
    assert f"{key}: Field required" in refusal(data, "data.json")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"version": 1}, "version: Input should be 2"),
        ({"more": 1}, "more: Extra inputs"),
        ({"held_out_part": "validation"}, "there are no images"),
        ({"counts": {"train": 20, "test": 0}}, "there are no images"),
        ({"counts": {"train": 20, "test": 360, "validation": 3}}, "name different splits"),
        ({"digest": "0" * 16}, "digest is not that of the arrays"),
        ({"arrays": dict.fromkeys(ARRAYS, "0" * 16)}, "digest is not that of the arrays"),
    ],
)
def test_a_description_of_other_content_is_refused(data: Path, changes: dict[str, object], problem: str) -> None:
    facts = json.loads((data / "data.json").read_text())
    (data / "data.json").write_text(json.dumps(facts | changes))
    assert problem in refusal(data, "data.json")


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[]", b"null", b"\0" * 900])
def test_what_is_no_description_is_refused(data: Path, text: bytes) -> None:
    (data / "data.json").write_bytes(text)
    assert "is damaged or of another version" in refusal(data, "data.json")


def test_the_digest_follows_type_shape_and_content() -> None:
    array = np.arange(6, dtype=np.int64)
    others = (array.reshape(2, 3), array.reshape(3, 2), array.astype(np.uint64), array[::-1], array[:5])
    assert digest_of(array) == digest_of(array.copy())
    assert len({digest_of(each) for each in (array, *others)}) == 6
    assert re.fullmatch("[0-9a-f]{16}", digest_of(array))
