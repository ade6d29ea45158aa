"""Ctrl-C and kills of a whole `snakemake`, as they happen in a terminal; the next call resumes."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from .conftest import wait_for

LONG = """\
study: tiny
data: {name: digits, train_images_per_class: 20}
seeds: [0]
base: {model: {filters: [8, 16, 16]}, epochs: 40, batch_size: 16}
variants:
  adam: {}
"""
CONFIG = "config/long.yaml"
RUN = "results/runs/adam/seed0"
TARGET = f"{RUN}/metrics.json"


@pytest.fixture
def training(project):
    """A project whose Snakemake, in a session of its own, is in the middle of its only run."""
    (project.folder / CONFIG).write_text(LONG)
    project.process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", TARGET, "--configfile", CONFIG],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: "epoch   2/40" in log(project))
    yield project
    if project.process.poll() is None:
        os.killpg(project.process.pid, signal.SIGKILL)


def log(project):
    path = project.folder / RUN / "train.log"
    return path.read_text() if path.exists() else ""


def test_the_status_shows_a_run_while_it_trains(training):
    run = int(re.match(r"process (\d+) on", training.read(f"{RUN}/run.lock")).group(1))
    os.kill(run, signal.SIGSTOP)
    try:
        shown = training.script("status.py").stdout
    finally:
        os.kill(run, signal.SIGCONT)
    assert re.search(r"adam, seed 0 +\d+/40 +[\d.]+ % ", shown)
    assert "left with 1 at a time" in shown


# A notebook's button sends it to Snakemake alone.
@pytest.mark.parametrize(("send", "received"), [(os.killpg, "SIGINT"), (os.kill, "SIGTERM")])
def test_ctrl_c_ends_at_once_with_a_checkpoint_and_the_next_call_resumes(training, send, received):
    send(training.process.pid, signal.SIGINT)
    output, _ = training.process.communicate(timeout=60)
    assert training.process.returncode != 0
    assert "Traceback" not in output
    wait_for(lambda: f"ended by {received} after" in log(training))
    assert not (training.folder / TARGET).exists()

    again = training.snakemake(TARGET, config=CONFIG)
    assert again.returncode == 0, again.stdout
    assert "resumes from a checkpoint after" in log(training)
    assert json.loads(training.read(TARGET))["cost"]["interruptions"] == 1


def test_sigterm_of_snakemake_ends_with_a_checkpoint(training):
    os.killpg(training.process.pid, signal.SIGTERM)
    training.process.communicate(timeout=60)
    wait_for(lambda: "ended by SIGTERM after" in log(training))
    assert not (training.folder / TARGET).exists()
    again = training.snakemake(TARGET, config=CONFIG)
    assert again.returncode == 0, again.stdout
    assert "resumes from a checkpoint after" in log(training)


def test_after_a_kill_of_snakemake_alone_a_second_job_does_not_disturb_the_first(training):
    """The run continues without its Snakemake; a new Snakemake wants to be unlocked, and its job refuses."""
    os.kill(training.process.pid, signal.SIGKILL)
    training.process.wait()
    orphan = int(re.match(r"process (\d+) on", training.read(f"{RUN}/run.lock")).group(1))
    os.kill(orphan, signal.SIGSTOP)
    try:
        locked = training.snakemake(TARGET, config=CONFIG)
        assert locked.returncode != 0
        assert "--unlock" in locked.stdout
        assert training.snakemake("--unlock", config=CONFIG).returncode == 0
        refused = training.snakemake(TARGET, config=CONFIG)
        assert refused.returncode != 0
        assert f"in use by process {orphan} on" in refused.stdout
    finally:
        os.kill(orphan, signal.SIGCONT)
    wait_for((training.folder / TARGET).exists)
    assert "Nothing to be done" in training.snakemake("-n", TARGET, config=CONFIG).stdout


def test_what_a_run_finished_without_its_snakemake_is_taken(training):
    os.kill(training.process.pid, signal.SIGKILL)
    training.process.wait()
    wait_for((training.folder / TARGET).exists)
    assert training.snakemake("--unlock", config=CONFIG).returncode == 0
    assert "Nothing to be done" in training.snakemake(TARGET, config=CONFIG).stdout
