"""Bad sources, full and read-only disks, and kills: preparing ends with a sentence, and never with a mixture."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from ablation import files
from ablation.config.study import DataConfig
from ablation.data import image_files
from ablation.data import prepare as datasets
from ablation.data.arrays import PreparedDataError
from ablation.data.identity import data_identity
from ablation.data.image_files import path_of
from ablation.data.prepare import DataError, prepare
from ablation.training.data import load_data

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/prepare_data.py"
CPU = torch.device("cpu")
NOBODY = 65534


def picture(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {
    f"{split}/{label}/{index}.png": picture(10 * index + len(split) + len(label))
    for split in ("train", "test")
    for label in ("ant", "beetle")
    for index in range(3)
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A valid folder of images."""
    for name, content in PICTURES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    return tmp_path / "in"


def tar_of(path: Path) -> Path:
    """The same images as a tar, compressed as its ending says."""
    mode: Any = f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w"
    with tarfile.open(path, mode) as tar:
        for name, content in PICTURES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def prepare_images(path: Path, output: Path, **settings: Any) -> str:
    """Prepare them; the digest of what training then reads."""
    prepare(DataConfig(name="images", path=str(path), **settings), output)
    return load_data(output, CPU).digest


def refusal(path: Path, output: Path) -> str:
    with pytest.raises(DataError) as caught:
        prepare_images(path, output)
    assert not output.exists()
    return str(caught.value)


# --- Folders ---


def test_a_link_to_nowhere_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "train/ant/9.png").symlink_to("nowhere.png")
    assert "'train/ant/9.png' is a link to nowhere" in refusal(folder, tmp_path / "out")


def test_a_link_out_of_the_folder_is_followed(folder: Path, tmp_path: Path) -> None:
    before = prepare_images(folder, tmp_path / "out")
    (folder / "train/ant/0.png").rename(tmp_path / "elsewhere.png")
    (folder / "train/ant/0.png").symlink_to(tmp_path / "elsewhere.png")
    assert prepare_images(folder, tmp_path / "out") == before


def test_a_folder_that_holds_itself_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "train/ant/again").symlink_to(folder)
    assert "is out of place" in refusal(folder, tmp_path / "out")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["pipe", "device"])
def test_a_pipe_or_a_device_is_not_waited_for(folder: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(folder / "train/ant/9.png")
    assert "'train/ant/9.png' is a device or a pipe" in refusal(folder, tmp_path / "out")
    make(tmp_path / "set.tar")
    assert "no such file or folder" in refusal(tmp_path / "set.tar", tmp_path / "out")


@pytest.mark.parametrize("locked", ["train/ant/1.png", "train/ant", ""])
def test_a_file_or_a_folder_that_may_not_be_read_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    (folder / locked).chmod(0)
    try:
        with as_nobody():
            text = refusal(Path("in"), Path("out"))
    finally:
        (folder / locked).chmod(0o755)
    assert locked in text
    assert "cannot be read: Permission denied" in text


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_class_whose_name_is_not_utf_8_is_named(folder: Path, tmp_path: Path, kind: str) -> None:
    for split in ("train", "test"):
        os.rename(folder / split / "ant", os.fsencode(folder / split) + b"/caf\xe9")
    path = folder
    if kind == "tar":
        path = tmp_path / "set.tar"
        subprocess.run(["tar", "-cf", str(path), "-C", str(folder), "train", "test"], check=True)
    text = refusal(path, tmp_path / "out")
    assert "the name of the class folder 'caf\\udce9' in t" in text
    assert text.endswith("is not UTF-8; rename it")
    text.encode()  # can be printed


def test_a_file_whose_name_is_not_utf_8_is_an_image_like_others(folder: Path, tmp_path: Path) -> None:
    before = prepare_images(folder, tmp_path / "out")
    os.rename(folder / "train/ant/2.png", os.fsencode(folder) + b"/train/ant/\xe9.png")
    assert prepare_images(folder, tmp_path / "out") == before
    (folder / "train/ant/0.png").rename(folder / "train/ant/\x1b[2J.png")
    (folder / "train/ant/\x1b[2J.png").write_bytes(b"no image")
    assert "'train/ant/\\x1b[2J.png' cannot be read as an image" in refusal(folder, tmp_path / "none")


class as_nobody:  # noqa: N801 - it reads as a sentence
    """Root may read everything, so tests that run as root put their rights aside."""

    def __enter__(self) -> None:
        if os.getuid() == 0:
            os.seteuid(NOBODY)

    def __exit__(self, *_: object) -> None:
        if os.getuid() == 0:
            os.seteuid(0)


# --- Archives ---


def other_file(kind: str) -> bytes:
    if kind == "zip":
        with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
            archive.writestr("train/ant/0.png", picture(0))
        return buffer.getvalue()
    return {"empty": b"", "text": b"train/ant/0.png\n" * 100, "image": picture(0)}[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "image", "zip"])
def test_what_is_no_tar_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "set.tar").write_bytes(other_file(kind))
    assert f"{tmp_path / 'set.tar'}: cannot be read as a tar" in refusal(tmp_path / "set.tar", tmp_path / "out")


def test_a_tar_without_members_holds_no_images(tmp_path: Path) -> None:
    (tmp_path / "set.tar").write_bytes(tarfile.NUL * tarfile.RECORDSIZE)
    assert "holds no images" in refusal(tmp_path / "set.tar", tmp_path / "out")


# --- Sizes ---


def sparse(path: Path, size: int) -> Path:
    """A file that takes no space on disk."""
    path.touch()
    os.truncate(path, size)
    return path


def told_in_time(config: DataConfig, prepared: Path) -> str:
    """What a dry run says of the images, and a job too; neither reads them."""
    started = time.monotonic()
    with pytest.raises(DataError) as first:
        data_identity(config, prepared)
    with pytest.raises(DataError) as second:
        prepare(config, prepared)
    assert time.monotonic() - started < 5
    assert str(first.value) == str(second.value)
    return str(first.value)


def test_a_file_that_is_too_large_for_an_image_is_told_and_not_read(folder: Path, tmp_path: Path) -> None:
    sparse(folder / "train/ant/9.png", 2**40)
    text = told_in_time(DataConfig(name="images", path=str(folder)), tmp_path / "out")
    assert text == f"{folder}: 'train/ant/9.png' has {2**40:,} bytes; an image has 100,000,000 at most"


@pytest.mark.parametrize("content", [b"", b"a tar"])
def test_a_tar_of_holes_is_told_and_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.tar").write_bytes(content)
    path = sparse(tmp_path / "set.tar", 2**40)
    text = told_in_time(DataConfig(name="images", path=str(path)), tmp_path / "out")
    assert text == f"{path}: is a file of {2**40:,} bytes, nearly all of them holes, so it is no tar of images"


def test_where_holes_cannot_be_told_a_large_tar_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    path = sparse(tmp_path / "set.tar", 2**40)
    monkeypatch.setattr(os, "lseek", unknown)
    assert path_of(DataConfig(name="images", path=str(path))) == path


def with_header(path: Path, name: str, size: int, kind: bytes = tarfile.REGTYPE) -> Path:
    """The same images, and behind them a header that promises more than there is."""
    tar_of(path)
    with tarfile.open(path) as tar:
        end = tar.getmembers()[-1].offset_data + 512 * -(-tar.getmembers()[-1].size // 512)
    header = tarfile.TarInfo(name)
    header.size, header.type = size, kind
    path.write_bytes(path.read_bytes()[:end] + header.tobuf(tarfile.GNU_FORMAT))
    return path


@pytest.mark.parametrize(
    ("name", "size", "kind", "problem"),
    [
        ("train/ant/9.png", 2**62, tarfile.REGTYPE, f"'train/ant/9.png' has {2**62:,} bytes; an image has 100,000,000"),
        ("README", 2**62, tarfile.REGTYPE, "unpacks to more than 1,000,000,000 bytes, which no set of images does"),
        ("README", -8192, tarfile.REGTYPE, "is damaged: member 'README' has -8,192 bytes"),
        ("x", 2**62, tarfile.GNUTYPE_LONGNAME, f"claims {2**62:,} bytes"),
        ("x", 2**62, tarfile.XHDTYPE, f"claims {2**62:,} bytes"),
        ("x", -512, tarfile.XHDTYPE, "claims -512 bytes"),
    ],
)
def test_what_a_header_claims_is_checked_before_it_is_read(
    tmp_path: Path, name: str, size: int, kind: bytes, problem: str
) -> None:
    assert problem in refusal(with_header(tmp_path / "set.tar", name, size, kind), tmp_path / "out")


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_member_is_named_and_not_unpacked(folder: Path, tmp_path: Path, form: str) -> None:
    sparse(folder / "train/ant/9.png", 2**34)
    command = ["tar", f"--format={form}", "--sparse", "-C", str(folder), "-cf", str(tmp_path / "set.tar"), "train"]
    subprocess.run(command, check=True)
    assert (tmp_path / "set.tar").stat().st_size < 100_000
    text = refusal(tmp_path / "set.tar", tmp_path / "out")
    assert "member 'train/ant/9.png' is stored as a sparse file; store it whole" in text


@pytest.mark.parametrize("opened", [gzip.open, bz2.open, lzma.open])
def test_a_compressed_tar_without_end_is_not_unpacked_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Any]
) -> None:
    monkeypatch.setattr(image_files, "UNPACKED_AT_LEAST", 10_000_000)
    plain = tar_of(tmp_path / "plain.tar").read_bytes()
    with opened(tmp_path / "set.tar", "wb") as file:
        file.write(plain + bytes(20_000_000))
    assert "unpacks to more than 10,000,000 bytes" in refusal(tmp_path / "set.tar", tmp_path / "out")
    with opened(tmp_path / "set.tar", "wb") as file:
        file.write(plain + bytes(5_000_000))
    prepare_images(tmp_path / "set.tar", tmp_path / "out")


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tar.bz2", "set.tar.xz"])
def test_a_tar_with_a_flipped_bit_is_refused_or_gives_the_same_arrays(tmp_path: Path, name: str) -> None:
    """A time stamp or padding may be hit; PNG and compression have checksums for the rest."""
    tar = tar_of(tmp_path / name)
    whole, digest, refused = tar.read_bytes(), prepare_images(tar, tmp_path / "out"), 0
    flips = np.random.default_rng(0).integers(0, 8 * len(whole), 60)
    for flip in flips:
        damaged = bytearray(whole)
        damaged[flip // 8] ^= 1 << flip % 8
        tar.write_bytes(damaged)
        try:
            assert prepare_images(tar, tmp_path / "out") == digest, flip
        except DataError:
            refused += 1
    assert refused > 20


class Evil:
    """A pickle that does something when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_a_manipulated_batch_of_cifar10_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pixels = np.zeros((4, 3072), np.uint8)
    contents = {
        "data_batch_1": pickle.dumps({"data": pixels, "labels": [0, 1, 0, 1]}),
        "test_batch": pickle.dumps({"data": pixels, "labels": [0, 1, 0, 1]}),
        "batches.meta": pickle.dumps({"label_names": ["ant", "bee"]}),
    }
    md5 = {each: hashlib.md5(content).hexdigest() for each, content in contents.items()}
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", md5["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    (tmp_path / "cifar-10-batches-py").mkdir()
    for each, content in contents.items():
        (tmp_path / "cifar-10-batches-py" / each).write_bytes(content)
    prepare(DataConfig(name="cifar10", path=str(tmp_path)), tmp_path / "good")

    (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Evil(tmp_path / "was-here")))
    (tmp_path / CIFAR10.filename).write_bytes(b"another archive")
    with pytest.raises(DataError, match="is damaged: its md5 is not"):
        prepare(DataConfig(name="cifar10", path=str(tmp_path)), tmp_path / "out")
    assert not (tmp_path / "was-here").exists()


# --- Disks ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def script(output: Path, data: str) -> str:
    """Run `prepare_data.py`; the line with which it ends."""
    command = [sys.executable, str(SCRIPT), "--data", data, "--output", str(output)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout
    return result.stderr


def written_in_vain(path: Path, reason: str) -> str:
    return f"error: {path} cannot be read or written: {reason}. Once that is fixed, run the same command again\n"


def test_a_full_disk_is_named_and_what_is_there_does_not_pass_for_data(small_disk: Path, folder: Path) -> None:
    prepare_images(folder, small_disk / "out")
    text = script(small_disk / "out", '{"name": "digits"}')
    assert text == written_in_vain(small_disk / "out/train_images.npy", "No space left on device")
    assert list((small_disk / "out").iterdir()) == []
    with pytest.raises(PreparedDataError, match=r"data\.json: cannot be read"):
        load_data(small_disk / "out", CPU)


def test_on_a_read_only_disk_earlier_data_stay_as_they_were(small_disk: Path, folder: Path) -> None:
    digest = prepare_images(folder, small_disk / "out")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    text = script(small_disk / "out", '{"name": "digits"}')
    assert text == written_in_vain(small_disk / "out/data.json", "Read-only file system")
    assert load_data(small_disk / "out", CPU).digest == digest


# --- Kills ---


def killed_at_line(number: int, path: Path, output: Path) -> bool:
    """Prepare in a process that dies (kill -9) before the given line of `datasets.py` or `files.py` while it writes.

    False: it had ended by then.
    """
    pid = os.fork()
    if pid == 0:
        lines = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal lines
            if frame.f_code.co_filename not in (datasets.__file__, files.__file__):
                return None
            if event == "line":
                lines += 1
                if lines == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        write = datasets._write
        datasets._write = lambda *arguments: (sys.settrace(trace), write(*arguments))
        prepare(DataConfig(name="images", path=str(path)), output)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_killed_at_any_moment_there_is_a_whole_set_or_none(folder: Path, tmp_path: Path) -> None:
    old = prepare_images(folder, tmp_path / "old", validation_fraction=1 / 3)
    new = prepare_images(folder, tmp_path / "new")
    moments, outcomes = 0, set()
    while True:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.copytree(tmp_path / "old", tmp_path / "out")
        if not killed_at_line(moments + 1, folder, tmp_path / "out"):
            break
        moments += 1
        if (tmp_path / "out/data.json").exists():
            outcomes.add(load_data(tmp_path / "out", CPU).digest)
        else:
            outcomes.add("incomplete")
    print(f"{moments} kills")
    assert moments > 50
    assert outcomes == {old, "incomplete", new}

    killed_at_line(moments // 2, folder, tmp_path / "out")
    assert prepare_images(folder, tmp_path / "out") == new
    assert {file.name for file in (tmp_path / "out").iterdir()} == {file.name for file in (tmp_path / "new").iterdir()}
