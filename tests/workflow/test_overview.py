"""What a user sees of a study before, while and after it runs."""

import json
import re
import subprocess
import time

from .conftest import ENVIRONMENT, warm_python

RUN = "results/runs/adam/seed0"


def test_a_line_a_finished_run_tells_its_accuracy_and_the_time_left(finished):
    record = json.loads(finished.read(f"{RUN}/metrics.json"))
    accuracy = record["best"]["test_accuracy"]
    lines = finished.result.stdout.splitlines()
    (begin,) = [line for line in lines if "to train, and" in line]
    assert begin.startswith("6 runs to train, and ")
    assert begin.endswith("python workflow/scripts/status.py --watch")
    told = [line for line in lines if re.match(r"\[\d/6\]", line)]
    assert len(told) == 6
    (adam,) = [line for line in told if "adam, seed 0" in line]
    assert re.match(rf"\[\d/6\] adam, seed 0: {accuracy:.2f} % in [\d.]+ s", adam)
    assert sum("diverged in epoch" in line for line in told) == 2
    assert all("; about " in line for line in told[:-1])
    assert "left" not in told[-1]


def test_the_end_names_the_report_and_there_is_no_noise(finished):
    assert "Report: results/report.html" in finished.result.stdout
    for noise in ("Select jobs", "Execute", "Building DAG", "Provided cores", "steps (", "jobid", "Reason"):
        assert noise not in finished.result.stdout
    assert "Select jobs to execute" in "".join(
        log.read_text() for log in (finished.folder / ".snakemake/log").glob("*.log")
    )


def test_snakemake_s_own_words_are_there_when_asked_for(finished):
    assert "Job stats" in finished.snakemake("-np", "--forceall").stdout


def test_a_dry_run_tells_what_would_run_and_why(finished, tmp_path):
    copied = finished.copy(tmp_path / "copy")
    path = copied.folder / "config/tiny.yaml"
    path.write_text(path.read_text().replace("sgd: {optimizer: sgd}", "sgd: {optimizer: {name: sgd, momentum: 0.5}}"))
    (copied.folder / RUN / "metrics.json").unlink()
    told = copied.snakemake("-n").stdout
    assert "  2 runs, made with other settings: optimizer.momentum 0.9 → 0.5: sgd\n" in told
    assert "  1 run, no result yet: adam (seed 0)\n" in told
    assert re.search(r"  without training: .*list_runs", told)
    assert re.search(r"About [\d.]+ s of training, [\d.]+ s with \d runs? at a time", told)


def test_a_dry_run_of_a_forced_run_gives_snakemake_s_reason(finished):
    told = finished.snakemake("-n", "--force", f"{RUN}/metrics.json").stdout
    assert "  1 run, Forced execution: adam (seed 0)\n" in told


def test_status_and_plan_are_about_the_study_of_the_last_call(finished):
    status = finished.script("status.py")
    assert status.returncode == 0, status.stderr
    assert "A tiny study\n6 of 6 runs finished, 2 diverged\nNothing is left to train." in status.stdout
    assert re.search(r"exploding +diverged +diverged", status.stdout)
    plan = finished.script("plan.py")
    assert "Nothing is left to train." in plan.stdout
    assert "jobs: runtime: 240 min is much" in plan.stdout


def test_a_failed_run_ends_the_status_with_one(finished, tmp_path):
    copied = finished.copy(tmp_path / "copy")
    (copied.folder / RUN / "metrics.json").unlink()
    with (copied.folder / RUN / "train.log").open("a") as log:
        log.write(f"error: {RUN}: no space left\n")
    status = copied.script("status.py")
    assert status.returncode == 1
    assert (
        "adam, seed 0: no space left\n  log:   results/runs/adam/seed0/train.log\n  rerun: snakemake" in status.stdout
    )
    (command,) = re.findall(r"rerun: snakemake (.*)", status.stdout)
    assert copied.snakemake(*command.split(), config="config/tiny.yaml").returncode == 0
    assert copied.script("status.py").returncode == 0


def test_a_watched_status_ends_with_ctrl_c(finished):
    command = [warm_python(), "workflow/scripts/status.py", "--watch", "--seconds", "0.2"]
    process = subprocess.Popen(command, cwd=finished.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    process.send_signal(2)
    assert "6 of 6 runs finished" in process.communicate(timeout=30)[0]
    assert process.returncode == 0


def test_an_audit_trains_finished_runs_again_and_they_repeat(finished, tmp_path):
    copied = finished.copy(tmp_path / "copy")
    result = copied.snakemake("audit", "--config", 'audit={"runs": 2}')
    assert result.returncode == 0, result.stdout
    assert "2 runs to train" in result.stdout
    assert len(re.findall(r", again: ", result.stdout)) == 2
    assert "Audit: 2 of 2 finished runs, trained again, repeat bit for bit. More in results/audit.md" in result.stdout
    assert "repeats bit for bit" in copied.read("results/audit.md")
    assert "Nothing to be done" in copied.snakemake("audit", "--config", 'audit={"runs": 2}').stdout
    assert "Nothing to be done" in copied.snakemake("-n").stdout


def test_an_audit_of_a_new_study_trains_what_it_then_trains_again(project):
    result = project.snakemake("audit", "--config", 'audit={"runs": 1}')
    assert result.returncode == 0, result.stdout
    assert "2 runs to train" in result.stdout
    assert "1 of 1 finished runs, trained again, repeat" in project.read("results/audit.md")
