"""Where the file system knows no locks, a job runs all the same, and says so."""

import errno
import fcntl
import os

from ablation.training import run_directory


def test_a_file_system_without_locks_is_told_and_goes(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with run_directory.held(tmp_path):
        assert (tmp_path / "run.lock").read_text().startswith("process ")
    assert "run.lock: no lock to be had (No locks available): see to it that one job" in capsys.readouterr().out
