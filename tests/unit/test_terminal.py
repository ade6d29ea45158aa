"""What the terminal says of a study, record by record of Snakemake's log."""

import json
import logging
import time
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from ablation.cluster.snakemake_calls import Planned
from ablation.overview import terminal
from ablation.overview.terminal import StudyTerminal, about_claims, job_of
from ablation.runs.lock import locked

RUN = "results/runs/adam/seed0/metrics.json"


def record(message="", **details):
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, message, None, None)
    vars(made).update(details)
    return made


def job_info(number, *outputs, rule="train", reason="Missing output files"):
    named = {"rule_name": rule, "rule_msg": f"Rule {rule}"}
    return record(event=LogEvent.JOB_INFO, jobid=number, output=list(outputs), reason=reason, **named)


def finished(number):
    return record(event=LogEvent.JOB_FINISHED, job_id=number)


@pytest.fixture
def said(tmp_path, monkeypatch, study):
    """What the terminal says of records, in a folder without results."""
    monkeypatch.chdir(tmp_path)

    class Said:
        speaker = StudyTerminal(study)

        def __call__(self, *records):
            shown = [self.speaker.format(each) for each in records if self.speaker.filter(each)]
            return [text for text in shown if text]

    return Said()


@pytest.mark.parametrize(
    "noise",
    [
        record("Select jobs to execute..."),
        record("Execute 2 jobs...", event=LogEvent.JOB_STARTED),
        record("1 of 3 steps (33%) done", event=LogEvent.PROGRESS),
        record("Job stats", event=LogEvent.RUN_INFO),
        record("Provided cores: 2", event=LogEvent.RESOURCES_INFO),
        record("Submitted job 3 with external jobid '7'."),
        record("Job 3 has been submitted with SLURM jobid 7 (log: x)."),
        record("Shell command: true", event=LogEvent.SHELLCMD),
        job_info(3, RUN),
    ],
    ids=lambda noise: noise.getMessage()[:20],
)
def test_noise_is_left_out(said, noise):
    assert said(noise) == []


@pytest.mark.parametrize("word", ["Nothing to be done", "WorkflowError: no", "Unlocked working directory."])
def test_everything_else_is_said_as_snakemake_says_it(said, word):
    assert said(record(word)) == [word]


def test_the_preparation_of_images_is_told_when_it_begins(said):
    assert said(job_info(1, "results/data/digits/data.json", rule="prepare_data")) == ["Rule prepare_data"]


def test_a_finished_run_is_told_with_its_accuracy_and_what_is_left(said, finish):
    outputs = [[f"results/runs/adam/seed{seed}/metrics.json"] for seed in (0, 1, 2)]
    begin = said.speaker.begin([*outputs, ["results/report.md"]], "status")
    assert begin == "3 runs to train, and 1 step without training. To see how far they are: status"
    said.speaker.runs.started = time.monotonic() - 100
    told = []
    for number, (run, best) in enumerate(zip(outputs, (80.0, None, 81.0), strict=True)):
        finish("adam", number, best=best, last=best)
        told += said(job_info(number, *run), finished(number))
    assert told[0] == "[1/3] adam, seed 0: 80.00 % in 60 min; about 3 min left"
    assert told[1].startswith("[2/3] adam, seed 1: diverged in epoch 4 in 60 min; about 50 s left")
    assert told[2] == "[3/3] adam, seed 2: 81.00 % in 60 min"


EPOCH = "epoch {}/4  lr 1.00e-03  train 1.2 55.00 %  held out 1.1 60.50 %  best 61.25 %  9 images/s  0:20 left\n"


def test_what_is_done_of_running_runs_counts(said, finish, tmp_path):
    """Two runs of four at a time; the second of them is at three quarters when the first has finished."""
    outputs = [[f"results/runs/adam/seed{seed}/metrics.json"] for seed in range(4)]
    said.speaker.begin(outputs, "status")
    said.speaker.runs.started = time.monotonic() - 140
    finish("adam", 0)
    with locked(tmp_path / "results/runs/adam/seed1"):
        (tmp_path / "results/runs/adam/seed1/train.log").write_text(EPOCH.format(3))
        (told,) = said(job_info(0, *outputs[0]), job_info(1, *outputs[1]), job_info(2, *outputs[2]), finished(0))
    # 1 3/4 runs in 140 s, and 2 1/4 are left.
    assert told.endswith("about 3 min left")
    assert said.speaker.runs.seconds_left() == pytest.approx(420, abs=5)


def test_what_an_earlier_call_has_trained_does_not_count(said, finish, tmp_path):
    """Two runs of two, the first of them at three quarters when it was interrupted."""
    outputs = [[f"results/runs/adam/seed{seed}/metrics.json"] for seed in range(2)]
    folder = tmp_path / "results/runs/adam/seed0"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text(EPOCH.format(3))
    (folder / "checkpoint.pt").touch()
    said.speaker.begin(outputs, "status")
    said.speaker.runs.started = time.monotonic() - 40
    finish("adam", 0)
    said(job_info(0, *outputs[0]), finished(0))
    assert said.speaker.runs.seconds_left() == pytest.approx(160, abs=5)


def test_a_run_of_unknown_time_counts_as_the_others(said, finish):
    """This one with probes left no record, so the runs to come are all that is known."""
    finish("adam", 0)
    probed = "results/probes/sgd/seed0/probe.json"
    said.speaker.begin([[probed], *([f"results/runs/adam/seed{seed}/metrics.json"] for seed in (1, 2))], "status")
    said.speaker.runs.started = time.monotonic() - 100
    (told,) = said(job_info(0, probed), finished(0))
    assert told.endswith("about 3 min left")


def test_of_many_runs_the_time_left_is_that_of_some_of_them(said, finish, monkeypatch):
    monkeypatch.setattr(terminal, "MAX_STATES", 2)
    outputs = [[f"results/runs/adam/seed{seed}/metrics.json"] for seed in range(11)]
    said.speaker.begin(outputs, "status")
    said.speaker.runs.started = time.monotonic() - 100
    finish("adam", 0)
    (told,) = said(job_info(0, *outputs[0]), finished(0))
    assert told.endswith("about 17 min left")


def test_a_job_of_several_runs_has_a_line_each(said, finish):
    outputs = [f"results/runs/adam/seed{seed}/metrics.json" for seed in (0, 1, 2)]
    said.speaker.begin([outputs[:2], outputs[2:]], "status")
    said.speaker.runs.started = time.monotonic() - 240
    for seed in (0, 1):
        finish("adam", seed)
    (told,) = said(job_info(0, *outputs[:2]), finished(0))
    assert told.splitlines() == [
        f"[{number}/3] adam, seed {number - 1}: 80.00 % in 60 min; about 2 min left" for number in (1, 2)
    ]


def test_a_run_whose_record_cannot_be_read_is_told(said):
    said.speaker.begin([[RUN]], "status")
    assert said(job_info(0, RUN), finished(0)) == ["[1/1] adam, seed 0: waiting"]


def test_the_steps_of_the_analysis_are_told_now_and_then(said, monkeypatch):
    said.speaker.begin([[f"results/tables/{name}.csv"] for name in "abc"], "status")
    jobs = [job_info(number, f"results/tables/{name}.csv", rule="compare") for number, name in enumerate("abc")]
    assert said(jobs[0], finished(0)) == []
    monkeypatch.setattr(terminal, "PAUSE", 0)
    assert said(jobs[1], finished(1)) == ["2 of 3 steps without training are done"]


def test_a_dry_run_tells_why(tmp_path, study, finish):
    finish("adam", 1, spec={"epochs": 3})
    finish("adam", 2)
    reason = "Missing output files"
    planned = [
        Planned("train", [RUN], reason),
        Planned("train", ["results/runs/adam/seed1/metrics.json"], reason),
        Planned("train", ["results/runs/adam/seed2/metrics.json"], "Forced \x1b[2J execution"),
        *(Planned("compare", [f"results/{name}.csv"], reason) for name in "ab"),
    ]
    speaker = StudyTerminal(study, lambda: planned)
    stats = record("Job stats", event=LogEvent.RUN_INFO)
    assert speaker.filter(stats)
    begin, *lines, time_needed = speaker.format(stats).splitlines()
    assert begin == "This would run:"
    assert "  1 run, no result yet: adam (seed 0)" in lines
    assert any(line.startswith("  1 run, made with other settings: ") for line in lines)
    assert r"  1 run, Forced \x1b[2J execution: adam (seed 2)" in lines
    assert lines[-1] == "  without training: compare (2)"
    assert time_needed.startswith("About 3 h 0 min of training")


def claims(**counts):
    found = [{"claim": f"{verdict}-{index}", "verdict": verdict} for verdict, n in counts.items() for index in range(n)]
    Path("results").mkdir(exist_ok=True)
    Path("results/claims.json").write_text(json.dumps({"claims": found}))


def test_the_end_tells_of_report_and_claims_in_three_lines(said):
    claims(supported=2, undecided=17, contradicted=6)
    said(job_info(0, "results/report.html", rule="write_page"))
    assert said.speaker.closing().splitlines() == [
        "Report: results/report.html",
        "Supported: supported-0, supported-1",
        f"Contradicted: {', '.join(f'contradicted-{index}' for index in range(5))} and 1 more; 17 claims undecided",
    ]


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        ({}, []),
        ({"undecided": 2}, ["2 claims undecided"]),
        ({"undecided": 1}, ["1 claim undecided"]),
        ({"supported": 1}, ["Supported: supported-0"]),
    ],
)
def test_of_few_verdicts_few_are_told(said, counts, lines):
    claims(**counts)
    assert about_claims("results/claims.json") == lines


def test_a_call_that_makes_no_report_names_none(said):
    assert about_claims("results/claims.json") == []
    said(job_info(0, RUN))
    assert said.speaker.closing() == ""


@pytest.mark.parametrize("path", ["results/report.md", "elsewhere/results/runs/a/seed0/metrics.json", f"{RUN}.json"])
def test_other_files_are_no_records_of_runs(path):
    assert job_of(path) is None
