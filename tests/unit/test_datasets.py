"""Data of every source becomes the same arrays, or is refused with what is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, utils

import prepare_data
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError
from ablation.config.study import DataConfig
from ablation.data.arrays import digest_of, digest_of_all
from ablation.data.pixels import LARGEST_IS_WHITE
from ablation.data.prepare import DataError, prepare

ROOT = Path(__file__).parents[2]
CLASSES = ("ant", "bee", "cow")


def picture(seed: int, size: tuple[int, int] = (32, 32), form: str = "PNG", mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


def as_png(image: Image.Image) -> bytes:
    image.save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


def small_set(train: int = 4, test: int = 2) -> dict[str, bytes]:
    """A valid data set: file name -> content."""
    names = [
        f"{split}/{label}/{index:02d}"
        for split, count in (("train", train), ("test", test))
        for label in CLASSES
        for index in range(count)
    ]
    return {
        f"{name}.{'jpg' if seed % 2 else 'png'}": picture(seed, form="JPEG" if seed % 2 else "PNG")
        for seed, name in enumerate(names)
    }


def as_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


def as_tar(path: Path, files: Mapping[str, bytes], *extra: tarfile.TarInfo) -> Path:
    """A tar, compressed as its ending says, with the files in reverse order."""
    mode: Any = f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w"
    with tarfile.open(path, mode) as tar:
        for name, content in reversed(list(files.items())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return path


def prepared(output: Path, name: str = "images", **settings: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """`data.json` and the arrays by name; without a validation split, if `settings` ask for none."""
    prepare(DataConfig.model_validate({"name": name, "validation_fraction": 0.0, **settings}), output)
    arrays = {file.stem: np.load(file, mmap_mode="r") for file in output.glob("*.npy")}
    return json.loads((output / "data.json").read_text(encoding="utf-8")), arrays


def prepared_images(tmp_path: Path, files: Mapping[str, bytes], **settings: Any) -> Any:
    return prepared(tmp_path / "out", path=str(as_folder(tmp_path / "in", files)), **settings)


def refusal(tmp_path: Path, path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepared(tmp_path / "out", path=str(path), **settings)
    assert not (tmp_path / "out").exists(), "nothing is written of data that is refused"
    return str(caught.value)


def rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


# --- arrays and data.json ---


def test_arrays_hold_the_pixels_sorted_by_class_and_file_name(tmp_path: Path) -> None:
    files = small_set()
    facts, arrays = prepared_images(tmp_path, files)
    expected = [
        np.asarray(Image.open(io.BytesIO(files[name]))).transpose(2, 0, 1) for name in sorted(files) if "train" in name
    ]
    np.testing.assert_array_equal(arrays["train_images"], expected)
    assert arrays["train_images"].dtype == np.uint8
    assert arrays["train_images"].flags.c_contiguous
    assert arrays["train_labels"].dtype == np.int64
    assert arrays["train_labels"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert arrays["test_labels"].tolist() == [0] * 2 + [1] * 2 + [2] * 2
    assert facts.pop("digest") == digest_of_all(facts["arrays"])
    assert facts.pop("arrays") == {name: digest_of(array) for name, array in arrays.items()}
    assert facts == {
        "version": 2,
        "name": "images",
        "classes": list(CLASSES),
        "held_out_part": "test",
        "counts": {"train": 12, "validation": 0, "test": 6},
        "class_counts": {"train": [4, 4, 4], "test": [2, 2, 2]},
        "sizes": [[32, 32], [32, 32]],
        "identity": "",
    }


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tar.bz2", "set.tar.xz"])
@pytest.mark.parametrize("prefix", ["", "./", "top/", "./top/"])
def test_a_tar_gives_what_its_folder_gives(tmp_path: Path, name: str, prefix: str) -> None:
    files = small_set()
    tar = as_tar(tmp_path / name, {prefix + file: content for file, content in files.items()})
    prepared(tmp_path / "from-tar", path=str(tar))
    prepared(tmp_path / "from-folder", path=str(as_folder(tmp_path / "in", files)))
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()}
        for folder in ("from-tar", "from-folder")
    )
    assert one == other


def test_a_folder_within_a_folder_is_accepted(tmp_path: Path) -> None:
    outer = prepared(tmp_path / "a", path=str(as_folder(tmp_path / "in", small_set())))[0]
    as_folder(tmp_path / "around/top", small_set())
    assert prepared(tmp_path / "b", path=str(tmp_path / "around"))[0] == outer


def test_digest_follows_pixels_labels_subset_and_shape(tmp_path: Path) -> None:
    files = small_set()
    renamed = {name.replace("bee", "bug"): content for name, content in files.items()}
    relabelled = {name.replace("ant", "zoo"): content for name, content in files.items()}
    changed = files | {"train/ant/00.png": picture(1000)}
    first, same, *others = (
        prepared(tmp_path / f"out{index}", path=str(as_folder(tmp_path / f"in{index}", each)))[0]["digest"]
        for index, each in enumerate((files, renamed, relabelled, changed))
    )
    settings = ({"train_images_per_class": 3}, {"image_size": 16}, {"channels": 1})
    others += [prepared(tmp_path / "out", path=str(tmp_path / "in0"), **each)[0]["digest"] for each in settings]
    assert first == same, "a class's name is in data.json, not in the arrays"
    assert len({first, *others}) == 6


def test_hidden_files_and_files_beside_the_splits_are_passed_over(tmp_path: Path) -> None:
    plain = prepared(tmp_path / "plain", path=str(as_folder(tmp_path / "in", small_set())))
    litter = ("README.txt", ".DS_Store", "train/.DS_Store", "train/ant/._00.png", "__MACOSX/train/ant/._00.png")
    files = small_set() | dict.fromkeys(litter, b"no image")
    for index, path in enumerate((as_tar(tmp_path / "set.tar", files), as_folder(tmp_path / "littered", files))):
        assert prepared(tmp_path / f"out{index}", path=str(path))[0] == plain[0]


def test_a_later_member_replaces_an_earlier_one_as_unpacking_would(tmp_path: Path) -> None:
    tar = as_tar(tmp_path / "set.tar", small_set() | {"train/ant/00.png": picture(77)})
    with tarfile.open(tar, "a") as appended:
        member, content = tarfile.TarInfo("train/ant/00.png"), picture(78)
        member.size = len(content)
        appended.addfile(member, io.BytesIO(content))
    images = prepared(tmp_path / "out", path=str(tar))[1]["train_images"]
    np.testing.assert_array_equal(images[0], np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    content = picture(5, mode=mode)
    _, arrays = prepared_images(tmp_path, small_set() | {"train/ant/00.png": content})
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(arrays["train_images"][0], expected)


def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "in", small_set())
    (folder / "train/cow").rename(tmp_path / "cows")
    (folder / "train/cow").symlink_to(tmp_path / "cows")
    assert prepared(tmp_path / "out", path=str(folder))[0]["counts"]["train"] == 12


SHADES = np.arange(32 * 32).reshape(32, 32) * 64


@pytest.mark.parametrize("empty", ["train/emu", "test/emu"])
def test_a_class_without_images_is_refused(tmp_path: Path, empty: str) -> None:
    folder = as_folder(tmp_path / "images", small_set())
    (folder / empty).mkdir()
    (folder / "train/.cache").mkdir()
    assert f"the class folder '{empty}' has no images; fill or delete it" in refusal(tmp_path, folder)


@pytest.mark.parametrize("empty", ["train/emu", "set/test/emu/"])
def test_a_class_without_images_is_refused_in_a_tar(tmp_path: Path, empty: str) -> None:
    top = "set/" if empty.startswith("set") else ""
    folders = [
        tarfile.TarInfo(name) for name in (empty, f"{top}train", f"{top}train/ant", f"{top}train/.cache", "other")
    ]
    for folder in folders:
        folder.type = tarfile.DIRTYPE
    files = {f"{top}{name}": content for name, content in small_set().items()}
    path = as_tar(tmp_path / "set.tar", files, *folders)
    assert f"the class folder '{empty.rstrip('/')}' has no images; fill or delete it" in refusal(tmp_path, path)
    prepared(tmp_path / "out", path=str(as_tar(tmp_path / "fine.tar", files, *folders[1:])))


def test_the_images_of_each_class_and_their_sizes_are_told(tmp_path: Path) -> None:
    files = small_set(train=4) | {"train/ant/tall.png": saved(Image.new("L", (20, 90)), "PNG")}
    files |= {"test/cow/small.png": saved(Image.new("L", (3, 5)), "PNG")}
    facts, _ = prepared(tmp_path / "out", path=str(as_folder(tmp_path / "in", files)))
    assert facts["class_counts"] == {"train": [5, 4, 4], "test": [2, 2, 3]}
    assert facts["sizes"] == [[3, 5], [20, 90]]
    digits, _ = prepared(tmp_path / "digits", "digits", train_images_per_class=7)
    assert digits["class_counts"]["train"] == [7] * 10
    assert digits["sizes"] == [[8, 8], [8, 8]]


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    image.save(buffer := io.BytesIO(), form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        saved(Image.fromarray(SHADES.astype(np.uint16)), "PNG"),
        saved(Image.fromarray(SHADES.astype(np.uint16)), "TIFF"),
        saved(Image.frombytes("I;16B", (32, 32), SHADES.astype(">u2").tobytes()), "TIFF"),
        b"P5 32 32 65535\n" + SHADES.astype(">u2").tobytes(),
    ],
    ids=["PNG", "TIFF", "TIFF, big-endian", "PGM"],
)
def test_grey_images_of_16_bits_keep_their_shades(tmp_path: Path, content: bytes) -> None:
    """Such files hold medical and scientific images; Pillow's own conversion cuts all shades above 255 off."""
    _, arrays = prepared_images(tmp_path, small_set() | {"train/ant/00.png": content}, channels=1)
    np.testing.assert_allclose(arrays["train_images"][0, 0], SHADES / 257, atol=1)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (saved(Image.fromarray(SHADES.astype(np.float32)), "TIFF"), "F"),
        (saved(Image.fromarray(SHADES.astype(np.int32)), "TIFF"), "I"),
        (saved(Image.fromarray(SHADES.astype(np.uint16)), "TIFF", tiffinfo={LARGEST_IS_WHITE: 0}), "I;16"),
        (saved(Image.new("LAB", (32, 32)), "TIFF"), "LAB"),
    ],
    ids=["float", "32 bits", "16 bits, 0 is white", "LAB"],
)
def test_an_image_whose_shades_would_be_lost_is_named(tmp_path: Path, content: bytes, mode: str) -> None:
    text = refusal(tmp_path, as_folder(tmp_path / "in", small_set() | {"train/bee/02.png": content}))
    assert f"'train/bee/02.png' has pixels of a kind that is not read (Pillow's mode {mode}); save it with 8 b" in text


@pytest.mark.parametrize("form", ["EPS", "PDF", "ICO"])
def test_other_formats_are_refused_and_none_is_given_to_another_program(tmp_path: Path, form: str) -> None:
    """Pillow would hand an EPS to Ghostscript."""
    content = saved(Image.new("RGB", (32, 32)), form)
    text = refusal(tmp_path, as_folder(tmp_path / "in", small_set() | {"train/ant/00.png": content}))
    assert "'train/ant/00.png' cannot be read as an image (it is none of AVIF, BMP, GIF, JPEG, JPEG2000, PNG," in text


def half_transparent(mode: str) -> bytes:
    """Black on the left, and on the right black that is not to be seen."""
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (16, 0, 32, 32))
    if mode != "P":
        return saved(image.convert(mode), "PNG")
    palette = Image.fromarray(np.repeat([[0] * 16 + [1] * 16], 32, axis=0).astype(np.uint8), "P")
    palette.putpalette([0] * 768)
    return saved(palette, "PNG", transparency=1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_become_white(tmp_path: Path, mode: str, channels: int) -> None:
    files = small_set() | {"train/ant/00.png": half_transparent(mode)}
    image = prepared_images(tmp_path, files, channels=channels)[1]["train_images"][0]
    assert (image[..., :16] == 0).all()
    assert (image[..., 16:] == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_an_image_is_turned_as_its_camera_was_held(tmp_path: Path, mode: str) -> None:
    """Orientation 6 says that the first row of the file is the right edge of the image."""
    shades = np.zeros((32, 32), np.uint16)
    shades[:16] = 65535
    image = (
        Image.fromarray(shades) if mode == "I;16" else Image.fromarray((shades // 257).astype(np.uint8)).convert(mode)
    )
    orientation = Image.Exif()
    orientation[0x112] = 6
    files = small_set() | {"train/ant/00.png": saved(image, "PNG", exif=orientation)}
    pixels = prepared_images(tmp_path, files, channels=1)[1]["train_images"][0, 0]
    assert (pixels[:, :16] == 0).all()
    assert (pixels[:, 16:] == 255).all()


# --- scaling ---


def first_image(tmp_path: Path, image: Image.Image, **settings: Any) -> np.ndarray:
    """What becomes of an image in a set of others, of which all are brought to the same shape."""
    _, arrays = prepared_images(tmp_path, small_set() | {"train/ant/00.png": as_png(image)}, **settings)
    shape = (settings.get("channels", 3), settings.get("image_size", 32), settings.get("image_size", 32))
    assert arrays["train_images"].shape == (12, *shape)
    assert arrays["test_images"].shape == (6, *shape)
    return arrays["train_images"][0]


@pytest.mark.parametrize("image_size", [32, 20])
@pytest.mark.parametrize("width", [8, 32, 64, 100])
def test_images_of_another_size_are_scaled(tmp_path: Path, width: int, image_size: int) -> None:
    """The left half stays black and the right half white; only between them there may be grey."""
    halves = Image.new("RGB", (width, width), "black")
    halves.paste("white", (width // 2, 0, width, width))
    pixels = first_image(tmp_path, halves, image_size=image_size)
    left, right = image_size * 3 // 8, image_size * 5 // 8
    assert (pixels[:, :, :left] == 0).all()
    assert (pixels[:, :, right:] == 255).all()


@pytest.mark.parametrize("image_size", [32, 20])
@pytest.mark.parametrize(("size", "middle"), [((96, 32), (32, 0, 64, 32)), ((20, 61), (0, 20, 20, 41))])
def test_of_an_image_that_is_not_square_the_middle_is_taken(
    tmp_path: Path, size: tuple[int, int], middle: tuple[int, int, int, int], image_size: int
) -> None:
    image = Image.new("RGB", size, (255, 0, 0))
    image.paste((0, 200, 100), middle)
    inside = first_image(tmp_path, image, image_size=image_size)[:, 1:-1, 1:-1]
    assert (inside == np.reshape((0, 200, 100), (3, 1, 1))).all()


@pytest.mark.parametrize("image_size", [32, 20])
def test_with_one_channel_images_are_grey(tmp_path: Path, image_size: int) -> None:
    image = Image.new("RGB", (40, 40), (200, 100, 50))
    pixels = first_image(tmp_path, image, image_size=image_size, channels=1)
    np.testing.assert_allclose(pixels, 0.299 * 200 + 0.587 * 100 + 0.114 * 50, atol=1)


def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    image = Image.open(io.BytesIO(picture(5, (20, 20))))
    np.testing.assert_array_equal(first_image(tmp_path, image, image_size=20), np.asarray(image).transpose(2, 0, 1))


def test_digits_are_scaled_too(tmp_path: Path) -> None:
    usual = prepared(tmp_path / "usual", "digits")[1]
    _, arrays = prepared(tmp_path / "small", "digits", image_size=8, channels=1)
    assert arrays["train_images"].shape == (1437, 1, 8, 8)
    np.testing.assert_array_equal(arrays["test_labels"], usual["test_labels"])
    levels = {image.tobytes() for image in np.rint(load_digits().images * (255 / 16)).astype(np.uint8)}
    assert rows(arrays["train_images"]) | rows(arrays["test_images"]) == levels


# --- refusals ---


@pytest.mark.parametrize("content", [b"", b"no image", picture(3)[:100], picture(3, form="JPEG")[:400]])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes) -> None:
    text = refusal(tmp_path, as_tar(tmp_path / "set.tar", small_set() | {"test/cow/01.jpg": content}))
    assert "'test/cow/01.jpg' cannot be read as an image" in text
    assert "1 of 18" in text


def test_unusable_images_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    files = small_set() | {"train/bee/00.png": b"", "train/ant/03.jpg": b""}
    text = refusal(tmp_path, as_folder(tmp_path / "in", files))
    for part in ("'train/ant/03.jpg' cannot be read", "Unusable images: 2 of 18", str(tmp_path / "in")):
        assert part in text


def test_classes_on_one_side_only_are_named(tmp_path: Path) -> None:
    files = {name: content for name, content in small_set().items() if not name.startswith("test/cow")}
    text = refusal(tmp_path, as_folder(tmp_path / "in", files | {"test/dog/1.png": picture(9)}))
    assert "only in train: 'cow'; only in test: 'dog'" in text


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    files = {name: content for name, content in small_set().items() if "ant" in name}
    assert "only 'ant'" in refusal(tmp_path, as_folder(tmp_path / "in", files))


def test_no_images_two_data_sets_and_misplaced_images(tmp_path: Path) -> None:
    assert "no images" in refusal(tmp_path, as_folder(tmp_path / "none", {"cats/1.png": picture(1)}))
    two = {f"{top}/{name}": content for top in "ab" for name, content in small_set().items()}
    assert "several data sets, in 'a', 'b'" in refusal(tmp_path, as_folder(tmp_path / "two", two))
    for name in ("train/1.png", "top/test/1.png", "train/ant/deep/1.png"):
        place = tmp_path / name.replace("/", "-")
        assert f"'{name}' is out of place" in refusal(tmp_path, as_folder(place, {name: picture(1)}))


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'}: no such file or folder" in refusal(tmp_path, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"data\.path is missing"):
        prepare(DataConfig(name="images"), tmp_path / "out")


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("train/ant/../../../evil.png"), "leads out"),
        (member("../evil.png"), "leads out"),
        (member("/train/ant/evil.png"), "absolute path"),
        (member("train/ant/evil.png", tarfile.SYMTYPE, "/etc/hostname"), "is a link"),
        (member("train/ant/evil.png", tarfile.LNKTYPE, "train/ant/00.png"), "is a link"),
        (member(".hidden", tarfile.SYMTYPE, ".."), "is a link"),
        (member("train/ant/evil.png", tarfile.FIFOTYPE), "device"),
        (member("train/ant/evil.png", tarfile.CHRTYPE), "device"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_unsafe_members_are_refused_by_name(tmp_path: Path, bad: tarfile.TarInfo, reason: str) -> None:
    tar = as_tar(tmp_path / "set.tar", small_set(), bad)
    before = sorted(tmp_path.rglob("*"))
    text = refusal(tmp_path, tar)
    assert bad.name in text
    assert reason in text
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tar.bz2", "set.tar.xz"])
def test_a_tar_cut_off_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    tar = as_tar(tmp_path / name, small_set(train=3, test=1))
    whole = tar.read_bytes()
    end = len(whole.rstrip(b"\0"))  # a plain tar ends in padding
    for length in (*range(0, end, end // 40), end - 1):
        tar.write_bytes(whole[:length])
        assert "cannot be read as a tar" in refusal(tmp_path, tar), length


def test_a_tar_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    tar = as_tar(tmp_path / "set.tar", small_set())
    content = bytearray(tar.read_bytes())
    with tarfile.open(tar) as opened:
        content[opened.getmembers()[9].offset] ^= 1
    tar.write_bytes(content)
    assert "breaks off" in refusal(tmp_path, tar)


# --- splits ---


def test_the_validation_split_is_stratified_disjoint_and_complete(tmp_path: Path) -> None:
    whole = prepared(tmp_path / "whole", path=str(as_folder(tmp_path / "in", small_set(train=10))))[1]
    facts, arrays = prepared(tmp_path / "out", path=str(tmp_path / "in"), validation_fraction=0.2)
    assert facts["held_out_part"] == "validation"
    assert facts["counts"] == {"train": 24, "validation": 6, "test": 6}
    assert np.bincount(arrays["train_labels"]).tolist() == [8, 8, 8]
    assert np.bincount(arrays["validation_labels"]).tolist() == [2, 2, 2]
    train, validation = rows(arrays["train_images"]), rows(arrays["validation_images"])
    assert not train & validation
    assert train | validation == rows(whole["train_images"])
    label_of = dict(zip(map(np.ndarray.tobytes, whole["train_images"]), whole["train_labels"], strict=True))
    for split in ("train", "validation"):
        for image, label in zip(arrays[f"{split}_images"], arrays[f"{split}_labels"], strict=True):
            assert label_of[image.tobytes()] == label


def test_own_images_have_a_validation_split_if_nothing_is_said_and_others_have_none(tmp_path: Path) -> None:
    folder = str(as_folder(tmp_path / "in", small_set(train=20)))
    facts, _ = prepared(tmp_path / "out", path=folder, validation_fraction=None)
    assert (facts["held_out_part"], facts["counts"]) == ("validation", {"train": 54, "validation": 6, "test": 6})
    few = str(as_folder(tmp_path / "few", small_set(train=2)))
    facts, _ = prepared(tmp_path / "out-few", path=few, validation_fraction=None)
    assert facts["counts"] == {"train": 3, "validation": 3, "test": 6}
    facts, _ = prepared(tmp_path / "digits", "digits", validation_fraction=None)
    assert facts["held_out_part"] == "test"


def test_a_validation_split_that_cannot_hold_every_class_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, as_folder(tmp_path / "in", small_set()), validation_fraction=0.1)
    assert "validation_fraction 0.1" in text
    assert "12 training images" in text


def test_fewer_images_per_class_leave_validation_and_test_alone(tmp_path: Path) -> None:
    path = str(as_folder(tmp_path / "in", small_set(train=10)))
    runs = [
        prepared(tmp_path / f"out{count}", path=path, validation_fraction=0.2, train_images_per_class=count)
        for count in (8, 5, 2)
    ]
    for (facts, arrays), count in zip(runs, (8, 5, 2), strict=True):
        assert facts["counts"] == {"train": 3 * count, "validation": 6, "test": 6}
        assert np.bincount(arrays["train_labels"]).tolist() == [count] * 3
        np.testing.assert_array_equal(arrays["validation_images"], runs[0][1]["validation_images"])
    assert rows(runs[2][1]["train_images"]) < rows(runs[1][1]["train_images"]) < rows(runs[0][1]["train_images"])


def test_fewer_test_images_per_class_leave_training_alone(tmp_path: Path) -> None:
    path = str(as_folder(tmp_path / "in", small_set(train=10)))
    facts, arrays = prepared(tmp_path / "all", path=path, validation_fraction=0.0)
    fewer, kept = prepared(tmp_path / "fewer", path=path, validation_fraction=0.0, test_images_per_class=1)
    assert fewer["counts"] == facts["counts"] | {"test": 3}
    np.testing.assert_array_equal(kept["train_images"], arrays["train_images"])
    assert np.bincount(kept["test_labels"]).tolist() == [1] * 3
    assert rows(kept["test_images"]) < rows(arrays["test_images"])


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("train_images_per_class", "train_images_per_class 5: class 'ant' has 4 training images only"),
        ("test_images_per_class", "test_images_per_class 5: class 'ant' has 2 test images only"),
    ],
)
def test_too_few_images_per_class_are_refused(tmp_path: Path, key: str, problem: str) -> None:
    assert problem in refusal(tmp_path, as_folder(tmp_path / "in", small_set()), **{key: 5})


# --- digits ---


def test_digits_are_those_of_scikit_learn(tmp_path: Path) -> None:
    facts, arrays = prepared(tmp_path / "out", "digits")
    source = load_digits()
    counts = {split: np.bincount(arrays[f"{split}_labels"]) for split in ("train", "test")}
    assert facts["classes"] == list("0123456789")
    assert facts["counts"] == {"train": 1437, "validation": 0, "test": 360}
    assert arrays["train_images"].shape == (1437, 3, 32, 32)
    np.testing.assert_array_equal(counts["train"] + counts["test"], np.bincount(source.target))
    assert np.abs(counts["test"] - np.bincount(source.target) * 0.2).max() <= 1
    assert arrays["train_images"].min() == 0
    assert arrays["train_images"].max() > 250
    assert (arrays["train_images"] == arrays["train_images"][:, :1]).all(), "grey: the three channels are equal"


def test_a_digit_keeps_its_label_and_its_shape(tmp_path: Path) -> None:
    """Each 4 x 4 block's mean is close to its source pixel, and no other digit is closer."""
    _, arrays = prepared(tmp_path / "out", "digits")
    source = load_digits()
    blocks = arrays["test_images"][:, 0].reshape(-1, 8, 4, 8, 4).mean((2, 4)).reshape(-1, 64)
    flat = source.images.reshape(-1, 64) * (255 / 16)
    nearest = ((blocks[:, None] - flat[None]) ** 2).sum(2).argmin(1)
    assert (source.target[nearest] == arrays["test_labels"]).mean() > 0.99


def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        prepared(tmp_path / folder, "digits", validation_fraction=0.1, train_images_per_class=20)
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert len(names) == 7
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


# --- whole or not at all ---


def test_an_earlier_validation_split_does_not_stay(tmp_path: Path) -> None:
    prepared(tmp_path / "out", "digits", validation_fraction=0.1)
    _, arrays = prepared(tmp_path / "out", "digits")
    assert set(arrays) == {"train_images", "train_labels", "test_images", "test_labels"}


# --- cifar10 ---


def no_network(*_: Any, **__: Any) -> None:
    raise URLError("no route to host")


def test_cifar10_without_a_network_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    text = refusal(tmp_path, tmp_path / "in", name="cifar10")
    for part in (
        "could not be downloaded",
        "no route to host",
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        str(tmp_path / "in"),
    ):
        assert part in text
    assert list((tmp_path / "in").iterdir()) == []


def test_a_download_that_breaks_off_leaves_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(_: str, filename: str, **__: Any) -> None:
        Path(filename).write_bytes(b"half")
        raise URLError("timed out")

    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr(utils, "_urlretrieve", breaks_off)
    assert "timed out" in refusal(tmp_path, tmp_path / "in", name="cifar10")
    assert list((tmp_path / "in").iterdir()) == []


def test_a_damaged_cifar10_archive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    archive = as_tar(tmp_path / "cifar-10-python.tar.gz", {"cifar-10-batches-py/data_batch_1": b"not this"})
    text = refusal(tmp_path, tmp_path, name="cifar10")
    assert f"{archive}: is damaged" in text
    assert "c58f30108f718f92721af3b95e74349a" in text
    assert "give the folder" in refusal(tmp_path, archive, name="cifar10")


def test_a_cifar10_archive_is_verified_unpacked_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3072), dtype=np.uint8)
    files = {
        "data_batch_1": pickle.dumps({"data": pixels[0], "labels": [0, 1, 2, 2]}),
        "test_batch": pickle.dumps({"data": pixels[1], "labels": [2, 1, 0, 0]}),
        "batches.meta": pickle.dumps({"label_names": list(CLASSES)}),
    }
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    archive = as_tar(tmp_path / CIFAR10.filename, {f"cifar-10-batches-py/{name}": each for name, each in files.items()})
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", md5["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})

    facts, arrays = prepared(tmp_path / "one", "cifar10", path=str(tmp_path))
    np.testing.assert_array_equal(arrays["train_images"], pixels[0].reshape(-1, 3, 32, 32))
    assert arrays["test_labels"].tolist() == [2, 1, 0, 0]
    assert arrays["test_labels"].dtype == np.int64
    assert facts["classes"] == list(CLASSES)
    small = prepared(tmp_path / "small", "cifar10", path=str(tmp_path), image_size=16, channels=1)[1]
    assert (small["train_images"].shape, small["train_labels"].tolist()) == ((4, 1, 16, 16), [0, 1, 2, 2])

    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(b"damaged")
        assert prepared(tmp_path / "two", "cifar10", path=str(tmp_path))[0] == facts
    archive.unlink()
    assert prepared(tmp_path / "three", "cifar10", path=str(tmp_path))[0] == facts


# --- config, script, the real archive ---


def test_images_without_a_path_are_refused_with_the_config(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("study: mine\nseeds: [0]\nvariants:\n  a: {}\ndata:\n  name: images\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml:5: data\.path: is missing"):
        load_study([config])
    assert load_study([config], {"data": {"path": "here"}}).data.path == "here"


def run_main(monkeypatch: pytest.MonkeyPatch, output: Path, **data: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["prepare_data.py", "--data", json.dumps(data), "--output", str(output)])
    prepare_data.main()


def test_the_script_prints_the_arrays_and_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_main(monkeypatch, tmp_path / "out", name="digits")
    digest = json.loads((tmp_path / "out/data.json").read_text(encoding="utf-8"))["digest"]
    assert capsys.readouterr().out.splitlines() == [
        "test_images: 360 x 3 x 32 x 32",
        "test_labels: 360",
        "train_images: 1437 x 3 x 32 x 32",
        "train_labels: 1437",
        f"digest: {digest}",
    ]


def test_the_script_refuses_unknown_settings_and_unwritable_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"^error: .*file"):
        run_main(monkeypatch, tmp_path / "file/out", name="digits")
    with pytest.raises(SystemExit, match="2"):
        run_main(monkeypatch, tmp_path / "out", nmae="digits")
    assert "nmae" in capsys.readouterr().err


def test_the_script_ends_with_one_line_of_error(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "workflow/scripts/prepare_data.py"), "--data", '{"name": "images"}']
    failed = subprocess.run([*command, "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: data.path is missing")
    assert len(failed.stderr.splitlines()) == 1
