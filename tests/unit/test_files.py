"""A file is written whole or not at all."""

import pytest

from ablation.files import atomic_write, write_text


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
