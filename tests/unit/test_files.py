"""A file is written whole or not at all, and read only where it is one."""

import hashlib
import os

import pytest

from ablation.files import atomic_write, digest_of_file, read_file, write_text


def write_half(path):
    with atomic_write(path) as aside:
        aside.write_text("new, but")
        raise RuntimeError("half way")


def test_a_file_is_replaced_by_the_whole_new_one(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="half way"):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_name_keeps_the_ending(tmp_path):
    with atomic_write(tmp_path / "figure.svg") as aside:
        assert aside.suffix == ".svg"
        aside.touch()


def test_a_file_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    assert read_file(path) == b"content"
    assert digest_of_file(path) == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("read", [read_file, digest_of_file])
def test_what_is_no_file_is_not_waited_for(tmp_path, make, read):
    make(tmp_path / "other")
    with pytest.raises(OSError, match="it is not a regular file") as caught:
        read(tmp_path / "other")
    assert caught.value.filename == str(tmp_path / "other")
