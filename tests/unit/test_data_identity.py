"""What makes data stale: the content of the images, not their place or time; reading it again is avoided."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.config.study import DataConfig
from ablation.data import identity as module
from ablation.data.identity import data_identity
from ablation.data.image_files import DataError

FILES = [f"{split}/{label}/{index}.png" for split in ("train", "test") for label in ("ant", "bee") for index in (0, 1)]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a folder and a tar of files; whether these are images is not asked."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path("set", name).parent.mkdir(parents=True, exist_ok=True)
        Path("set", name).write_text(name)
    subprocess.run(["tar", "-cf", "set.tar", "set"], check=True)


def identity(path: str = "set", **settings: object) -> str:
    return data_identity(DataConfig.model_validate({"name": "images", "path": path, **settings}), Path("prepared"))


@pytest.mark.parametrize("path", ["set", "set.tar"])
def test_a_touched_a_copied_and_a_moved_source_are_the_same(path: str) -> None:
    first = identity(path)
    for file in (Path(path), *Path(path).rglob("*")):
        os.utime(file, ns=(1, 1))
    assert identity(path) == first
    subprocess.run(["cp", "-r", path, "copy"], check=True)
    assert identity("copy") == first
    Path(path).rename("moved")
    assert identity("moved") == first


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda folder: (folder / "train/ant/2.png").write_text("new"),
    "removed": lambda folder: (folder / "train/ant/1.png").unlink(),
    "edited": lambda folder: (folder / "train/ant/1.png").write_text("train/ant/2.png"),
    "renamed": lambda folder: (folder / "train/ant/1.png").rename(folder / "train/ant/2.png"),
    "of another class": lambda folder: (folder / "train/ant/1.png").rename(folder / "train/bee/2.png"),
    "swapped": lambda folder: shutil.copy(folder / "train/ant/1.png", folder / "train/ant/0.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_that_changes_is_noticed(change: str) -> None:
    first = identity()
    CHANGES[change](Path("set"))
    changed = identity()
    assert changed != first
    assert identity() == changed


def test_an_edit_that_keeps_size_and_time_is_noticed() -> None:
    first, image = identity(), Path("set/train/ant/0.png")
    before = image.stat()
    image.write_text(image.read_text()[::-1])
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (image.stat().st_size, image.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert identity() != first


def test_the_image_behind_a_link_is_noticed() -> None:
    Path("set/train/ant/0.png").rename("elsewhere.png")
    Path("set/train/ant/0.png").symlink_to(Path("elsewhere.png").absolute())
    first = identity()
    Path("elsewhere.png").write_text("another")
    assert identity() != first


def test_what_is_no_image_does_not_count() -> None:
    first = identity()
    for name in ("set/README.md", "set/.DS_Store", "set/train/ant/.cache"):
        Path(name).write_text("text")
    assert identity() == first


def test_a_tar_of_other_bytes_is_noticed() -> None:
    first = identity("set.tar")
    with open("set.tar", "ab") as file:
        file.write(b"\0")
    assert identity("set.tar") != first


def test_the_settings_count_but_not_the_path() -> None:
    assert identity() == identity("./set") == identity(validation_fraction=0.1, image_size=32, channels=3)
    changes = (
        {"validation_fraction": 0.0},
        {"train_images_per_class": 3},
        {"test_images_per_class": 1},
        {"image_size": 16},
        {"channels": 1},
    )
    assert len({identity(), *(identity(**each) for each in changes)}) == 1 + len(changes)
    digits = [data_identity(DataConfig(name="digits", path=path), Path("prepared")) for path in (None, "here")]
    assert digits[0] == digits[1] == '{"version": 2, "name": "digits"}'


def test_another_way_to_decode_images_makes_data_of_files_stale_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = DataConfig(name="digits")
    before = identity(), data_identity(digits, Path("prepared"))
    monkeypatch.setattr(module, "DECODING", module.DECODING + 1)
    assert identity() != before[0]
    assert data_identity(digits, Path("prepared")) == before[1]


def test_files_are_read_only_when_a_time_or_a_size_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    first, read = identity(), []
    original = module._digest_of_file
    monkeypatch.setattr(module, "_digest_of_file", lambda path: (read.append(path), original(path))[1])
    assert identity() == first
    assert read == []
    Path("set/train/ant/0.png").touch()
    assert identity() == first
    assert len(read) == len(FILES)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"path": "set"}', '{"path": 1, "stamp": [], "digest": {}}'])
def test_a_damaged_cache_is_rebuilt(text: str) -> None:
    first = identity()
    cache = Path("prepared/source.json")
    whole = cache.read_text()
    cache.write_text(text)
    assert identity() == first
    assert cache.read_text() == whole


def test_a_folder_that_cannot_be_written_does_no_harm() -> None:
    first = identity()
    shutil.rmtree("prepared")
    Path("prepared").write_text("a file stands in the way")
    assert identity() == first


def test_missing_images_are_told_unless_data_were_prepared_from_them() -> None:
    first = identity()
    Path("set").rename("gone")
    with pytest.raises(DataError, match=r"^set: no such file or folder"):
        identity()
    Path("prepared/data.json").touch()
    assert identity() == first
    with pytest.raises(DataError, match=r"^other: no such file or folder"):
        identity("other")


@pytest.mark.parametrize(("path", "reason"), [("x" * 300, "File name too long"), ("loop", "no such file or folder")])
def test_a_path_that_cannot_be_looked_up_is_told(path: str, reason: str) -> None:
    Path("loop").symlink_to("loop")
    with pytest.raises(DataError, match=f"^{path}: .*{reason}"):
        identity(path)


def test_a_job_of_a_cluster_does_not_look_at_the_images() -> None:
    config = DataConfig(name="images", path="set")
    Path("prepared").mkdir()
    Path("prepared/data.json").touch()
    first = identity()
    Path("set/train/ant/0.png").write_text("another")
    assert data_identity(config, Path("prepared"), look=False) == first
    Path("prepared/source.json").unlink()
    assert data_identity(config, Path("prepared"), look=False) != first


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("train/1.png", "out of place"),
        ("train/ant/deep/1.png", "out of place"),
        ("train/ant/9.png", "a link to nowhere"),
    ],
)
def test_what_can_be_no_image_is_told_before_any_job(name: str, problem: str) -> None:
    Path("set", name).parent.mkdir(exist_ok=True)
    Path("set", name).symlink_to("nowhere" if name == "train/ant/9.png" else Path("set.tar").absolute())
    with pytest.raises(DataError, match=f"^set: '{name}' is {problem}") as caught:
        identity()
    assert "\n" not in str(caught.value)


def test_what_was_read_is_kept_beside_the_prepared_data() -> None:
    identity()
    assert set(json.loads(Path("prepared/source.json").read_text())) == {"path", "stamp", "digest"}
