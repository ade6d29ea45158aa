"""Several runs in one job: the same results as one by one, and none of them is lost with another."""

import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from ablation.runs.records import read_record, write_record

RESUME_LATER = 75
LOOP = "ablation.training.loop"


@pytest.fixture
def pack(new_run):
    """Three seeds of a variant."""
    return [new_run("together", seed=seed) for seed in (0, 1, 2)]


@pytest.fixture
def one_by_one(new_run):
    """What the three leave when each has a job of its own."""
    return [new_run("one-by-one", seed=seed).to_the_end().left() for seed in (0, 1, 2)]


def left(run):
    """What the run left, without the second copy of its record."""
    return {name: content for name, content in run.left().items() if name != "finished.json"}


def log_of(run):
    return (run.directory / "train.log").read_text()


def test_runs_side_by_side_end_as_one_by_one(pack, one_by_one):
    first, *others = pack
    assert first.job(together_with=others) == 0
    assert [left(run) for run in pack] == one_by_one
    assert all("epoch   3/3" in log_of(run) for run in pack)


def test_a_failed_run_takes_no_other_with_it(pack, one_by_one):
    """Snakemake then deletes the results of the whole job; the next job trains only the failed run."""
    first, second, third = pack
    second.directory.mkdir(parents=True)
    holder = subprocess.Popen(["flock", "--no-fork", str(second.directory / "run.lock"), "sleep", "60"])
    try:
        time.sleep(0.5)
        assert first.job(together_with=[second, third]) == 1
    finally:
        holder.kill()
        holder.wait()
    assert f"{second.directory} ended with status 1: error: {second.directory}: in use by" in first.said()
    for run in (first, third):
        (run.directory / "metrics.json").unlink()

    assert first.job(together_with=[second, third]) == 0
    assert ["was finished by an earlier job" in log_of(run) for run in pack] == [True, False, True]
    assert [left(run) for run in pack] == one_by_one


def test_a_folder_copied_to_another_seed_is_trained_as_that_seed(pack, one_by_one):
    first, *others = pack
    assert first.job(together_with=others[:1]) == 0
    shutil.copytree(first.directory, others[1].directory)
    (first.directory / "metrics.json").unlink()
    assert first.job(together_with=others) == 0
    assert [left(run) for run in pack] == one_by_one


def test_a_finished_run_of_other_settings_is_not_put_back(pack, new_run):
    first, second, _ = pack
    assert first.job(together_with=[second]) == 0
    faster = {"optimizer": {"learning_rate": 0.01}}
    second.change(**faster)
    second.to_the_end()
    assert second.left() == new_run("changed", seed=1, **faster).to_the_end().left()


@pytest.mark.parametrize("keep", [True, False])
def test_what_earlier_code_finished_is_put_back_only_to_keep_it(pack, one_by_one, keep):
    first, second, _ = pack
    assert first.job(together_with=[second]) == 0
    record = read_record(first.directory / "finished.json")
    earlier = record.origin.model_copy(update={"code_digest": "0" * 16})
    write_record(first.directory / "finished.json", record.model_copy(update={"origin": earlier}))
    (first.directory / "metrics.json").unlink()
    first.options += ["--keep"] * keep
    assert first.job(together_with=[second]) == 0
    assert ("was finished by an earlier job" in log_of(first)) == keep
    assert (first.left()["metrics.json"]["origin"]["code_digest"] == "0" * 16) == keep
    assert keep or left(first) == one_by_one[0]


@pytest.mark.parametrize(("threads", "of_each"), [(6, 2), (5, 1), (2, 1)])
def test_runs_share_the_threads_of_their_job(pack, threads, of_each):
    first, *others = pack
    first.options += ["--threads", str(threads)]
    assert first.job(together_with=others) == 0
    assert [run.left()["metrics.json"]["origin"]["threads"] for run in pack] == [of_each] * 3


# Before and after each fork, in the new process as in the job, in a run's first moment, and while the job waits.
MOMENTS = [
    *({moment: ["os.fork", count], "to": "job"} for count in (1, 2, 3) for moment in ("at", "after")),
    {"at": ["ablation.runs.side_by_side.end_with", 1], "to": "job"},
    {"at": ["ablation.runs.train_run.train_for_users", 1], "to": "job"},
    {"at": ["os.wait", 1], "to": "job"},
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_while_the_job_starts_its_runs_reaches_every_run(pack, name, moment):
    first, *others = pack
    first.change(epochs=500)
    status = first.job(checkpoint_seconds=60, together_with=others, signal=int(signal.Signals[name]), **moment)
    assert status == RESUME_LATER, first.said()
    assert all(f"ended by {name} after" in log_of(run) for run in pack)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_when_the_job_is_killed_its_runs_end_too(pack, moment):
    first, *others = pack
    first.change(epochs=500)
    assert first.job(together_with=others, signal=int(signal.SIGKILL), **moment) == -signal.SIGKILL
    wait_until_none_is_left(first.server)


def wait_until_none_is_left(server):
    for _ in range(100):
        if not server.processes():
            return
        time.sleep(0.05)
    raise AssertionError(f"still there after 5 s: {server.processes()}")


def test_when_the_job_is_killed_its_runs_go_on_with_the_next(pack, one_by_one):
    first, *others = pack
    status = first.job(together_with=others, at=[f"{LOOP}.Training.take_step", 3], signal=int(signal.SIGKILL), to="job")
    assert status == -signal.SIGKILL
    wait_until_none_is_left(first.server)
    assert first.job(together_with=others) == 0
    assert [left(run) for run in pack] == one_by_one


def test_a_signal_to_the_job_reaches_every_run(pack):
    first, *others = pack
    first.change(epochs=500)
    threading.Thread(target=end_when_all_train, args=(first.server, pack)).start()
    assert first.job(checkpoint_seconds=60, together_with=others) == RESUME_LATER
    assert all("ended by SIGTERM after" in log_of(run) for run in pack)
    assert all((run.directory / "checkpoint.pt").exists() for run in pack)


def end_when_all_train(server, runs):
    while not all((run.directory / "train.log").exists() and "epoch   1/" in log_of(run) for run in runs):
        time.sleep(0.05)
    os.kill(server.child, signal.SIGTERM)


def test_all_killed_runs_go_on(pack, one_by_one):
    first, *others = pack
    assert first.job(together_with=others, at=[f"{LOOP}.Training.take_step", 3], signal=int(signal.SIGKILL)) == 1
    assert first.job(together_with=others) == 0
    assert all("resumes from a checkpoint after 2 steps" in log_of(run) for run in pack)
    assert [left(run) for run in pack] == one_by_one
