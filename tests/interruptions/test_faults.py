"""What is broken around a run is told in one sentence, and the run can resume."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import torch

from ablation.runs.records import RecordError, read_record

LOOP = "ablation.training.loop"
SWITCH = {"epochs": 2}


@pytest.fixture
def interrupted(new_run):
    """A run with two checkpoints, and one like it that was never interrupted."""
    run = new_run("interrupted", **SWITCH)
    assert run.job(at=[f"{LOOP}.evaluate", 2], signal=int(signal.SIGKILL)) < 0
    assert sorted(path.name for path in run.directory.glob("checkpoint*")) == [
        "checkpoint.previous.pt",
        "checkpoint.pt",
    ]
    return run, new_run("whole", **SWITCH).to_the_end()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncated, emptied, flipped])
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(interrupted, damage):
    run, whole = interrupted
    damage(run.directory / "checkpoint.pt")
    run.to_the_end()
    assert "checkpoint.pt is damaged (" in run.said()
    assert "it is kept as checkpoint.damaged.pt" in run.said()
    assert "resumes from a checkpoint after 9 steps" in run.said()
    (run.directory / "checkpoint.damaged.pt").unlink()
    assert run.left() == whole.left()


def test_without_any_whole_checkpoint_the_run_starts_again(interrupted):
    run, whole = interrupted
    for path in run.directory.glob("checkpoint*"):
        flipped(path)
    run.to_the_end()
    assert "resumes from a checkpoint" not in run.said()
    (run.directory / "checkpoint.damaged.pt").unlink()
    assert run.left() == whole.left()


def test_a_checkpoint_with_a_stranger_s_pickle_runs_nothing(interrupted, tmp_path):
    class Stranger:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "was-run"),))

    run, whole = interrupted
    buffer = io.BytesIO()
    torch.save(Stranger(), buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    for path in run.directory.glob("checkpoint*"):
        path.write_bytes(f"ablation checkpoint 1, sha256 {digest}\n".encode() + buffer.getvalue())
    run.to_the_end()
    assert "it holds something else than a run's state" in run.said()
    assert not (tmp_path / "was-run").exists()
    (run.directory / "checkpoint.damaged.pt").unlink()
    assert run.left() == whole.left()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"optimizer": {"learning_rate": 0.01}}, r"optimizer\.learning_rate 0\.001 → 0\.01"),
        # Another optimizer is other code.
        (
            {"optimizer": "sgd"},
            r"code \w+ → \w+, optimizer adam → sgd, optimizer\.momentum \(not set\) → 0\.9, optimizer\.nesterov .*",
        ),
    ],
)
def test_a_checkpoint_of_other_settings_is_not_used(interrupted, new_run, change, told):
    run, _ = interrupted
    run.change(**change)
    run.to_the_end()
    assert re.search(rf"^checkpoint\.pt is of another run, so it is not used: {told}$", run.said(), re.MULTILINE)
    assert "resumes from a checkpoint" not in run.said()
    assert run.left() == new_run("changed", **SWITCH, **change).to_the_end().left()


def test_a_checkpoint_of_other_data_is_not_used(interrupted, tmp_path):
    run, _ = interrupted
    run.data = shutil.copytree(run.data, tmp_path / "other")
    description = json.loads((run.data / "data.json").read_text())
    (run.data / "data.json").write_text(json.dumps(description | {"digest": "0" * 16}))
    run.job()
    assert "resumes from a checkpoint" not in run.said()


def test_a_wall_clock_that_goes_backwards_changes_nothing(new_run):
    """Each look at it finds it a day earlier, and the files of the first job lie in the future."""
    whole, run = new_run("whole", **SWITCH).to_the_end(), new_run("earlier", **SWITCH)
    run.job(at=[f"{LOOP}.evaluate", 1], signal=int(signal.SIGKILL), clock=-86400)
    for path in run.directory.iterdir():
        os.utime(path, (time.time() + 1e9,) * 2)
    run.to_the_end(clock=-86400)
    assert "resumes from a checkpoint" in run.said()
    assert run.left() == whole.left()
    assert json.loads((run.directory / "metrics.json").read_text())["cost"]["wall_seconds"] > 0


# --- a second job ---


def test_a_second_job_on_the_same_run_refuses_and_says_who_holds_it(new_run):
    run = new_run()
    run.directory.mkdir(parents=True)
    holder = subprocess.Popen(["flock", "--no-fork", str(run.directory / "run.lock"), "sleep", "60"])
    try:
        wait_until((run.directory / "run.lock").exists)
        time.sleep(0.2)
        (run.directory / "run.lock").write_text("process 77 on node3, since 2026-01-01 00:00:00")
        assert run.job() == 1
        assert "in use by process 77 on node3, since 2026-01-01 00:00:00" in run.said()
        assert "wait for that one, or end it" in run.said()
        assert [path.name for path in run.directory.iterdir()] == ["run.lock"]
    finally:
        holder.kill()
        holder.wait()
    run.to_the_end()


def test_the_lock_of_a_killed_job_is_free(new_run):
    run = new_run(**SWITCH)
    run.job(at=[f"{LOOP}.Training.take_step", 3], signal=int(signal.SIGKILL))
    assert (run.directory / "run.lock").read_text().startswith("process ")
    run.to_the_end()


def wait_until(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited 10 s in vain")


# --- settings, memory and disk ---


def test_batches_larger_than_the_training_set_are_told(new_run):
    told = "batch_size 81 is more than the 80 training images: every step takes all of them\n"
    assert told in new_run("all", batch_size=81, epochs=1).to_the_end().said()
    assert "batch_size 8" not in new_run("whole", batch_size=80, epochs=1).to_the_end().said()


def test_without_memory_the_run_ends_with_a_sentence_and_later_goes_on(new_run):
    large = {"epochs": 2, "model": {"filters": [32, 32, 32]}, "batch_size": 80}
    whole, run = new_run("whole", **large).to_the_end(), new_run(**large)
    run.job(at=[f"{LOOP}.evaluate", 1], signal=int(signal.SIGKILL))
    assert run.job(memory=40) == 1
    assert "out of memory: " in run.said()
    assert "Give the job more memory or lower its batch_size" in run.said()
    assert "Traceback" not in run.said()
    assert run.to_the_end().left() == whole.left()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_keeps_the_last_checkpoint(new_run, small_disk):
    whole, run = new_run("whole", **SWITCH).to_the_end(), new_run(**SWITCH)
    run.directory = small_disk / "tiny" / "seed0"
    run.job(at=[f"{LOOP}.Training.take_step", 2], signal=int(signal.SIGKILL))
    filler = small_disk / "filler"
    filled = subprocess.run(["dd", "if=/dev/zero", f"of={filler}"], capture_output=True, text=True, check=False)
    assert "No space left on device" in filled.stderr
    assert run.job() == 1
    assert "checkpoint.pt cannot be read or written: No space left on device" in run.said()
    assert "Traceback" not in run.said()
    filler.unlink()
    run.to_the_end()
    assert "resumes from a checkpoint after 1 steps" in run.said()
    assert run.left() == whole.left()


def test_a_read_only_folder_is_told(new_run, small_disk):
    whole, run = new_run("whole", **SWITCH).to_the_end(), new_run(**SWITCH)
    run.directory = small_disk / "tiny" / "seed0"
    run.job(at=[f"{LOOP}.Training.take_step", 3], signal=int(signal.SIGKILL))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert run.job() == 1
    assert "run.lock cannot be read or written: Read-only file system" in run.said()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    run.to_the_end()
    assert run.left() == whole.left()


# --- records ---


@pytest.fixture
def metrics(new_run):
    return new_run("whole", epochs=1).to_the_end().directory / "metrics.json"


def test_a_pipe_in_the_place_of_a_checkpoint_is_told(interrupted):
    run, _ = interrupted
    (run.directory / "checkpoint.pt").unlink()
    os.mkfifo(run.directory / "checkpoint.pt")
    assert run.job() == 1
    assert "checkpoint.pt cannot be read or written: it is not a regular file" in run.said()


def test_half_a_record_is_refused(metrics):
    truncated(metrics)
    with pytest.raises(RecordError, match=r"The file is damaged .*: delete it and run `snakemake .*`"):
        read_record(metrics)


def test_a_record_of_an_older_schema_is_refused(metrics):
    record = json.loads(metrics.read_text()) | {"record_version": 1}
    del record["cost"]["interruptions"]
    metrics.write_text(json.dumps(record))
    with pytest.raises(RecordError, match="is a record of version 1, and this code reads version 6"):
        read_record(metrics)
