"""The notes of submitted jobs."""

import pytest

from ablation.cluster.jobs import JOBS, SubmittedJob, read_job, read_jobs, running_job

JOB = SubmittedJob("7", "tiny-train-adam-seed0", "results/logs/submitit", "slurm")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    JOB.write()


def test_what_was_written_is_read():
    assert read_jobs() == [JOB]
    assert running_job(["another", JOB.name]) == JOB


def test_a_job_without_a_note_has_failed():
    assert read_job("8").state == "failed"


@pytest.mark.parametrize("note", ["", "[]", "null", "7", '{"job_id": "8"}', '{"job_id": "8", "of": "a newer version"}'])
def test_a_damaged_note_is_a_failed_job_and_hides_no_other(note, capsys):
    (JOBS / "8.json").write_text(note)
    assert [(job.job_id, job.state) for job in read_jobs()] == [("7", "running"), ("8", "failed")]
    assert "8.json is no note of a job" in capsys.readouterr().err


def test_a_folder_in_place_of_a_note_is_a_failed_job():
    (JOBS / "8.json").mkdir()
    assert read_job("8").state == "failed"
