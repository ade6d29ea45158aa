"""What `results/` holds is looked at before anything starts: nothing that lies there hangs or ends in a traceback."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.config.matrix import Run
from ablation.config.plain_yaml import ConfigError
from ablation.config.study import Study
from ablation.runs.records import RunRecord, read_record
from ablation.runs.results import check_results, code_of_finished, is_finished

Finish = Callable[..., RunRecord]
METRICS = Path(Run("adam", 0).metrics)


@pytest.fixture
def record(finish: Finish) -> RunRecord:
    finish("adam", 0)
    return read_record(METRICS)


def code_kept(record: RunRecord) -> str | None:
    return code_of_finished([str(METRICS)], record.spec, record.origin.data_digest)


def finished(study: Study, run: Run) -> bool:
    return is_finished(run, study, None)


def test_a_finished_run(study: Study, record: RunRecord) -> None:
    assert finished(study, Run("adam", 0))
    assert code_kept(record) == record.origin.code_digest
    check_results(study)


def test_the_results_of_another_study_are_refused(study_with: Callable, record: RunRecord) -> None:
    with pytest.raises(ConfigError, match="holds the study 'small'"):
        check_results(study_with(study="another"))


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"\xff", b'{"study": ["small"]}', b'{"study": 1, "origin": []}', b"null"]
)
def test_a_damaged_record_is_no_result(study: Study, record: RunRecord, content: bytes) -> None:
    METRICS.write_bytes(content)
    check_results(study)
    assert not finished(study, Run("adam", 0))
    assert code_kept(record) is None


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_neither_is_a_folder_or_a_pipe(study: Study, record: RunRecord, make: Callable) -> None:
    METRICS.unlink()
    make(METRICS)
    check_results(study)
    assert not finished(study, Run("adam", 0))
    assert code_kept(record) is None


def test_a_copied_folder_is_not_finished(study: Study, record: RunRecord) -> None:
    shutil.copytree(METRICS.parent, Run("adam", 1).directory)
    assert not finished(study, Run("adam", 1))


def record_of(folder: Path, study: object) -> None:
    path = folder / "runs/adam/seed0/metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"study": study}))


def test_the_command_moves_the_results_aside(study: Study, tmp_path: Path) -> None:
    results = tmp_path / "my results; $(touch pwned)"
    record_of(results, "other")
    with pytest.raises(ConfigError, match="holds the study 'other'") as error:
        check_results(study, results)
    command = str(error.value).partition("keep its results: ")[2]
    assert shlex.split(command) == ["mv", str(results), f"{results}-other"]


@pytest.mark.parametrize("name", ["x; touch pwned", "../x", "\x1b[2J", 7, {}, None, "X"])
def test_a_record_that_no_study_can_have_written_advises_no_command(study: Study, tmp_path: Path, name: object) -> None:
    record_of(tmp_path / "results", name)
    check_results(study, tmp_path / "results")
