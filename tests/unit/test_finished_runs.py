"""A finished run's record is put back for what made it, whole and unchanged, and for nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablation.config.matrix import Run
from ablation.runs import finished
from ablation.runs.finished import Wanted, put_back
from ablation.runs.records import RunRecord, digests_of_files, read_record, write_record

Finish = Callable[..., RunRecord]
RUN = Path(Run("adam", 0).directory)
WEIGHTS = "best_model_ReLU_CrossEntropy_Adam_StepLR_8000.pth"


@pytest.fixture
def wanted(finish: Finish) -> Wanted:
    """What made adam's seed 0, of whose record Snakemake has left only the copy."""
    finish("adam", 0)
    record = read_record(RUN / "metrics.json")
    (RUN / WEIGHTS).write_bytes(b"weights")
    files = record.files | digests_of_files(RUN, [WEIGHTS])
    write_record(RUN / "finished.json", record.model_copy(update={"files": files}))
    (RUN / "metrics.json").unlink()
    return Wanted(record.study, record.spec, record.origin, keep=False)


def test_the_same_run_is_put_back_whole(wanted: Wanted, capsys: pytest.CaptureFixture) -> None:
    assert put_back(RUN, wanted)
    assert (RUN / "metrics.json").read_bytes() == (RUN / "finished.json").read_bytes()
    assert f"without {RUN}/finished.json, it would be trained again" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        {"study": "another"},
        {"spec": {"epochs": 1}},
        {"origin": {"data_digest": "0" * 16}},
        {"origin": {"code_digest": "0" * 16}},
    ],
)
def test_another_run_is_not(wanted: Wanted, change: dict[str, Any]) -> None:
    if "origin" in change:
        change = {"origin": wanted.origin.model_copy(update=change["origin"])}
    assert not put_back(RUN, replace(wanted, **change))
    assert not (RUN / "metrics.json").exists()


def test_the_run_of_earlier_code_is_put_back_to_keep_it(wanted: Wanted) -> None:
    earlier = wanted.origin.model_copy(update={"code_digest": "0" * 16})
    assert put_back(RUN, replace(wanted, origin=earlier, keep=True))


@pytest.mark.parametrize("copied_to", ["results/runs/adam/seed7", "results/runs/sgd/seed0"])
def test_a_copied_folder_does_not_get_the_record_of_another_run(wanted: Wanted, copied_to: str) -> None:
    shutil.copytree(RUN, copied_to)
    assert not put_back(Path(copied_to), wanted)
    assert not Path(copied_to, "metrics.json").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["finished.json", "history.csv", WEIGHTS])
@pytest.mark.parametrize("harm", [Path.unlink, cut, make_pipe])
def test_with_a_lost_or_damaged_file_it_is_trained_again(
    wanted: Wanted, name: str, harm: Callable, capsys: pytest.CaptureFixture
) -> None:
    harm(RUN / name)
    assert not put_back(RUN, wanted)
    assert not (RUN / "metrics.json").exists()
    told = capsys.readouterr().out
    assert told.startswith(f"is trained again: {RUN}/{name}") or not (RUN / "finished.json").exists()


def test_what_is_forced_is_forgotten(wanted: Wanted) -> None:
    other = Path("results/tables/finished.json")
    other.parent.mkdir()
    other.touch()
    finished.forget([f"{RUN}/metrics.json", "results/runs/adam/seed1/metrics.json", "results/tables/finished.csv"])
    assert not put_back(RUN, wanted)
    assert other.exists()
