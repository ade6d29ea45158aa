"""What is said of a failed job: the run, what happened, the log, the command, in that order."""

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from ablation.config.texts import RESUMES, SNAKEMAKE_OPTIONS, study_options
from ablation.overview.terminal import Failure, ShortFailures

RUN = "results/runs/adam/seed0"
EPOCHS = "started\nepoch 1/2\n"
MEMORY = f"error: {RUN}: out of memory: 3 GiB\nGive the job more memory."
KILLED = "SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'. For further error details see the cluster log"


@pytest.fixture
def failure(tmp_path, monkeypatch):
    """What is said where the run's log has this text; none: there is no log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SNAKEMAKE_OPTIONS, "--profile slurm --configfile mine.yaml")

    def told(text, message="", outputs=(f"{RUN}/metrics.json",)):
        log = tmp_path / RUN / "train.log"
        log.parent.mkdir(parents=True)
        if text is not None:
            log.write_text(text)
        return str(Failure(outputs, [f"{RUN}/train.log"], message)).splitlines()

    return told


@pytest.mark.parametrize(
    ("text", "message", "reason"),
    [
        (f"{EPOCHS}error: {RUN}: labels cannot be read", "", ["labels cannot be read"]),
        (f"{EPOCHS}{MEMORY}", "", ["out of memory: 3 GiB", "Give the job more memory."]),
        (f"error: {RUN}: long ago\n{EPOCHS * 5}", KILLED, [KILLED.partition(" For")[0], "epoch 1/2"]),
        (f"{EPOCHS}Traceback\n  line 3\nKeyError: 'x'\n", "", ["KeyError: 'x'"]),
    ],
)
def test_the_reason_comes_before_the_log_and_the_command(failure, text, message, reason):
    assert failure(text, message) == [
        f"Failed: {RUN}/metrics.json",
        *(f"  {line}" for line in reason),
        f"  log:   {RUN}/train.log",
        f"  rerun: snakemake {RUN}/metrics.json --profile slurm --configfile mine.yaml",
    ]


def test_what_a_log_holds_does_nothing_to_the_terminal(failure, tmp_path):
    shown = failure(f"{EPOCHS}error: {RUN}: \x1b[2Jgone\a")
    record = logging.LogRecord("snakemake", logging.ERROR, "", 0, "", None, None)
    vars(record).update(event=LogEvent.JOB_ERROR, output=[f"{RUN}/metrics.json"], log=[f"{RUN}/train.log"], rule_msg="")
    text = ShortFailures().format(record)
    assert text.splitlines()[1] == r"  \x1b[2Jgone\x07"
    assert text.splitlines()[2:] == shown[2:]


def test_a_job_without_a_log_is_told(failure):
    assert failure(None)[1:] == [
        "  it left no message",
        f"  rerun: snakemake {RUN}/metrics.json --profile slurm --configfile mine.yaml",
    ]


def test_an_interrupted_run_is_told_on_one_line(failure):
    text = f"{EPOCHS}{RUN}: ended by SIGINT after 7 steps; {RESUMES}: snakemake ..."
    assert failure(text) == [f"Interrupted: {RUN}: ended by SIGINT after 7 steps"]


def test_of_several_runs_in_a_job_the_first_is_named(failure):
    outputs = [f"results/runs/adam/seed{seed}/metrics.json" for seed in range(3)]
    assert failure(MEMORY, outputs=outputs)[0] == f"Failed: {RUN}/metrics.json and 2 more"


@pytest.mark.parametrize(
    ("files", "overrides", "options"),
    [
        ([], {}, ""),
        (["a.yaml", "b c.yaml"], {"partial": True, "jobs": {"threads": 2}}, "--configfile a.yaml 'b c.yaml'"),
        (["a.yaml"], {"override": {"epochs": 1}}, "--configfile a.yaml --config 'override={\"epochs\": 1}'"),
    ],
)
def test_options_are_those_of_the_study(files, overrides, options):
    assert study_options(files, overrides) == options
