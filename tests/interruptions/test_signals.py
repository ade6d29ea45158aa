"""A signal ends a run at its next step, with a checkpoint and a status that says so; the same command resumes."""

import json
import signal

import pytest

RESUME_LATER = 75
LOOP = "ablation.training.loop"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT"])
def test_a_signal_ends_a_run_that_later_goes_on(new_run, name):
    number = int(signal.Signals[name])
    reference = new_run("whole").to_the_end()
    run = new_run("interrupted")
    for interruption, place in enumerate(("Training.take_step", "evaluate"), start=1):
        assert run.job(checkpoint_seconds=60, at=[f"{LOOP}.{place}", 1], signal=number) == RESUME_LATER
        assert f"ended by {name} after" in run.said()
        assert run.said().count("resumes from a checkpoint after") == interruption - 1
        assert "the same command resumes it: snakemake" in run.said().splitlines()[-1]
    assert run.to_the_end().left() == reference.left()
    record = json.loads((run.directory / "metrics.json").read_text())
    assert record["cost"]["interruptions"] == 2


def test_no_step_is_taken_twice(new_run):
    run = new_run(epochs=1)
    run.job(checkpoint_seconds=60, at=[f"{LOOP}.Training.take_step", 3], signal=int(signal.SIGTERM))
    assert "ended by SIGTERM after 3 steps" in run.said()
    run.to_the_end()
    assert "resumes from a checkpoint after 3 steps" in run.said()


def test_a_signal_while_the_average_is_finished_loses_only_that(new_run):
    swa = {"averaging": {"name": "swa", "start": 2}}
    reference = new_run("whole", **swa).to_the_end()
    run = new_run("interrupted", **swa)
    assert run.job(at=[f"{LOOP}.finish_average", 1], signal=int(signal.SIGTERM)) == RESUME_LATER
    assert run.to_the_end().left() == reference.left()
    assert "resumes from a checkpoint after 15 steps" in run.said()


def test_a_signal_during_the_last_writing_lets_it_end(new_run):
    run = new_run()
    assert run.job(at=["ablation.runs.records.write_history", 1], signal=int(signal.SIGTERM)) == 0
    assert "metrics.json" in run.left()


def test_time_spent_before_an_interruption_counts(new_run):
    run = new_run()
    run.job(at=[f"{LOOP}.evaluate", 2], signal=int(signal.SIGTERM))
    run.to_the_end()
    cost = json.loads((run.directory / "metrics.json").read_text())["cost"]
    assert 0 < cost["train_seconds"] < cost["device_seconds"] < cost["wall_seconds"]
    assert cost["images_per_second"] == pytest.approx(3 * 80 / cost["train_seconds"])


def test_short_epochs_share_a_checkpoint_and_long_ones_have_their_own(new_run):
    """With 10 s between two, one at an epoch's end is due after 1 s: none of these epochs takes so long."""
    for seconds, stored in ((10, 0), (0, 15)):
        run = new_run(f"every-{seconds}")
        run.job(checkpoint_seconds=seconds, at=["ablation.runs.records.write_history", 1], signal=int(signal.SIGKILL))
        run.to_the_end()
        resumed = f"resumes from a checkpoint after {stored} steps" in run.said()
        assert resumed == bool(stored)
