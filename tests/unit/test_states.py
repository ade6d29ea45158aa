"""What each run of a study does, as told by its folder and the queue."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ablation.cluster import queue
from ablation.cluster.jobs import SubmittedJob
from ablation.cluster.slurm import slurm
from ablation.config.matrix import Run
from ablation.config.texts import RESUMES
from ablation.overview import states
from ablation.overview.states import PROBE, Job, jobs_of, states_of
from ablation.runs.lock import LockedError, is_locked, locked
from ablation.runs.log import duration, progress_in, seconds_of
from ablation.runs.progress import Progress

START = "2026-01-02 03:04:05  results/runs/adam/seed0 on a processor, threads: 1: {}\n"
FIGURES = "lr 1.00e-03  train 1.2000 55.00 %  held out 1.1000 60.50 %  best 61.25 %  1,234 images/s  0:20 left"
EPOCH = f"epoch   3/50  {FIGURES}\n"
RUN = Path("results/runs/adam/seed0")


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.setattr(queue, "_queue", lambda columns: [])


@pytest.fixture
def state(tmp_path, monkeypatch, study):
    """The state of the run of Adam with seed 0, in an empty folder, or after these files were written."""
    monkeypatch.chdir(tmp_path)

    def of(log=None, checkpoint=False):
        RUN.mkdir(parents=True, exist_ok=True)
        if log is not None:
            (RUN / "train.log").write_text(log)
        if checkpoint:
            (RUN / "checkpoint.pt").touch()
        return next(each for each in states_of(study) if each.job == Job(Run("adam", 0)))

    return of


def test_the_jobs_are_all_runs_and_those_with_probes(study):
    assert len(jobs_of(study)) == 9
    assert not any(job.probed for job in jobs_of(study))
    assert (Job(Run("adam", 0), PROBE).target, Job(Run("adam", 0)).log) == (
        "results/probes/adam/seed0/probe.json",
        "results/runs/adam/seed0/train.log",
    )


def test_a_finished_run_has_the_accuracy_on_the_test_images(finish, state):
    finish("adam", 0, best=81.5)
    found = state()
    assert (found.status, found.accuracy, found.detail) == ("completed", 81.5, "")


def test_a_diverged_run_is_finished(finish, state):
    finish("adam", 0, best=None, last=None)
    assert state().status == "diverged"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"spec": {"epochs": 3}}, "made with other settings"),
        ({"origin": {"code_digest": "0" * 16}}, "made by other code"),
        ({"origin": {"code_digest": "0" * 16, "code_files": {"training/loop.py": "0" * 8}}}, "training/loop.py"),
    ],
)
def test_an_outdated_run_tells_which_setting_or_code(finish, state, changes, detail):
    finish("adam", 0, **changes)
    assert state().status == "outdated"
    assert detail in state().detail
    assert state().accuracy is None


def test_with_keep_a_run_of_other_code_is_finished(finish, study_with):
    finish("adam", 0, origin={"code_digest": "0" * 16})
    assert states_of(study_with(keep=True))[0].status == "completed"


def test_a_damaged_record_is_told(finish, state):
    finish("adam", 0)
    path = RUN / "metrics.json"
    path.write_text(path.read_text().replace("80.0", "90.0"))
    assert (state().status, "its checksum is another" in state().detail) == ("damaged", True)


def test_nothing_there_is_waiting(state):
    assert state().status == "waiting"


HOLD = """
    import sys, time
    from pathlib import Path
    from ablation.runs.lock import locked
    with locked(Path(sys.argv[1])):
        print("locked", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def held(tmp_path):
    """Another process that has the lock of the run."""
    environment = os.environ | {"PYTHONPATH": str(Path(states.__file__).parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(HOLD), tmp_path / RUN]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_run_whose_folder_is_locked_runs_with_what_its_log_says(state, held):
    found = state(START + EPOCH)
    assert (found.status, found.progress[:5]) == ("running", (3, 50, 60.5, 61.25, 1234.0))
    assert 15 < found.progress.seconds_left <= 20
    assert found.accuracy == 60.5


def test_a_run_that_has_just_begun_again_has_no_progress_yet(state, held):
    assert state(START + EPOCH + START).progress is None


def test_to_ask_takes_no_lock_from_a_run_that_begins(tmp_path, held):
    assert is_locked(tmp_path / RUN)
    with pytest.raises(LockedError, match="in use by process"), locked(tmp_path / RUN):
        pass
    held.kill()
    held.wait()
    assert not is_locked(tmp_path / RUN)
    with locked(tmp_path / RUN):
        pass


@pytest.mark.parametrize(
    ("log", "checkpoint", "status", "detail"),
    [
        (f"{START}{EPOCH}{RUN}: ended by SIGTERM after 7 steps; {RESUMES}: snakemake", True, "interrupted", "ended by"),
        (START + EPOCH, True, "interrupted", "was killed"),
        (START, False, "interrupted", "was killed"),
        (f"{START}error: {RUN}: labels cannot be read\n", False, "failed", "labels cannot be read"),
        (f"{START}Traceback (most recent call last):\n  File\nKeyError: 'x'\n", True, "failed", "KeyError: 'x'"),
        (f"error: {RUN}: long ago\n{START}{EPOCH}", True, "interrupted", "was killed"),
        (START + EPOCH.replace("3/50", "50/50"), False, "waiting", ""),
    ],
    ids=["signal", "killed", "killed-early", "error", "traceback", "an-earlier-error", "record-removed"],
)
def test_what_a_run_left_tells_how_it_ended(state, log, checkpoint, status, detail):
    found = state(log, checkpoint)
    assert found.status == status
    assert found.detail.startswith(detail)


def test_slurm_s_own_log_tells_why_a_run_was_killed(state):
    logs = RUN / "slurm"
    logs.mkdir(parents=True, exist_ok=True) if RUN.exists() else None
    state(START + EPOCH, checkpoint=True)
    logs.mkdir(exist_ok=True)
    (logs / "7.log").write_text("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch\n")
    assert state().detail == "Detected 1 oom_kill event in StepId=7.batch"


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("7|PENDING|Priority|{here}|rule_train_wildcards_adam_0", "Priority"),
        ("7|RUNNING|None|{here}|rule_train_more_seeds_wildcards_adam_0", "starting"),
        ("7|PENDING|Resources|{here}|rule_train_wildcards_adam", "Resources"),
        ("9_0|PENDING|Dependency|/elsewhere|(null)", "Dependency"),
    ],
    ids=["executor", "starting", "all-seeds", "submitit"],
)
def test_a_run_in_the_queue_tells_what_it_waits_for(state, monkeypatch, line, detail):
    state()
    job = SubmittedJob("9_0", "small-train-adam-seed0 small-train-adam-seed1", "logs", "slurm")
    monkeypatch.setattr(queue, "read_jobs", lambda: [job])
    monkeypatch.setattr(queue, "_queue", lambda columns: [line.format(here=os.getcwd())])
    assert (state().status, state().detail) == ("queued", detail)


def test_jobs_of_another_folder_are_not_ours(state, monkeypatch):
    monkeypatch.setattr(queue, "_queue", lambda columns: ["7|PENDING|Priority|/elsewhere|rule_train_wildcards_adam_0"])
    assert state().status == "waiting"


def test_the_line_that_a_run_prints_is_the_one_that_is_read(tmp_path, capsys):
    row = {"epoch": 3, "learning_rate": 1e-3, "train_loss": 1.2, "train_accuracy": 55, "held_out_loss": 1.1}
    progress = Progress(epochs=50, images=1000, best=61.25, started=time.perf_counter() - 6)
    progress(row | {"held_out_accuracy": 60.5})
    log = tmp_path / "train.log"
    log.write_text(START + capsys.readouterr().out)
    found = progress_in(log)
    assert found[:4] == (3, 50, 60.5, 61.25)
    assert found.images_per_second == pytest.approx(500, rel=0.01)
    assert found.seconds_left == pytest.approx(94, abs=2)


@pytest.mark.parametrize("seconds", [0, 59, 60, 3599, 3600, 100_000])
def test_a_duration_is_read_as_it_was_written(seconds):
    assert seconds_of(duration(seconds)) == seconds


def test_hostile_texts_in_a_log_do_no_harm(state):
    found = state(f"{START}error: {RUN}: \x1b[2J\n")
    assert found.status == "failed"
    json.dumps(found.detail)


def test_the_users_variables_for_squeue_change_nothing(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\nenv | grep -c ^SQUEUE_\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    assert slurm("squeue").stdout == "0\n"
