"""What the states of a study become: status, plan, estimates, the comparison of two runs, the audit."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from ablation.cluster import queue
from ablation.config.kinds import ImageShape
from ablation.config.matrix import Run
from ablation.config.plain_yaml import ConfigError
from ablation.config.settings import complete, spec
from ablation.config.texts import SNAKEMAKE_OPTIONS
from ablation.data.arrays import Description, digest_of_all
from ablation.overview import audit, last_call, plan
from ablation.overview.comparison import compare
from ablation.overview.speed import Speeds, rough
from ablation.overview.states import AUDIT, PROBE, Job, State, states_of
from ablation.overview.status import as_json, screen
from ablation.runs.log import Progress
from ablation.runs.measure import epoch_seconds
from ablation.runs.records import ProbeRecord

SCRIPTS = Path(plan.__file__).parents[2]
FILES = {"training/loop.py": "a", "components/losses.py": "b"}
RUN = Job(Run("adam", 0))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.setattr(queue, "_queue", lambda columns: [])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SNAKEMAKE_OPTIONS, raising=False)


def shown(renderable, width=100):
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def states_with(study, **changes):
    """All runs waiting, but for these: by the variant and seed, as in `adam_0`."""
    of_job = {
        Job(Run(*[int(x) if x.isdigit() else x for x in name.split("_")])): each for name, each in changes.items()
    }
    return [of_job.get(state.job, state) for state in states_of(study)]


PROGRESS = Progress(3, 50, 60.5, 61.25, 1234.0, 20.0)


def test_the_status_tells_of_all_kinds_of_states(study, finish):
    finish("adam", 0, best=81.5)
    finish("adam", 1, best=None, last=None)
    states = states_with(
        study,
        adam_2=State(Job(Run("adam", 2)), "running", progress=PROGRESS),
        sgd_0=State(Job(Run("sgd", 0)), "queued", "Priority"),
        sgd_1=State(Job(Run("sgd", 1)), "failed", "no space\nleft"),
        sgd_2=State(Job(Run("sgd", 2)), "outdated", "epochs 3 → 4"),
    )
    text = shown(screen(study, states))
    assert "2 of 9 runs finished, 1 diverged, 1 running, 1 queued, 3 waiting, 1 outdated, 1 failed" in text
    assert re.search(r"adam, seed 2 +3/50 +60.50 % +61.25 % +1,234 +20 s", text)
    assert "sgd, seed 0: Priority" in text
    assert "sgd, seed 1: no space\nleft\n  log:   results/runs/sgd/seed1/train.log\n  rerun: snakemake results" in text
    assert "sgd, seed 2: epochs 3 → 4" in text
    assert re.search(r"adam +81.50 +diverged +epoch 3/50", text)
    assert re.search(r"swa +· +· +·", text)


def test_the_status_of_many_seeds_counts(study_with, finish):
    finish("adam", 0)
    study = study_with(seeds=list(range(11)))
    assert re.search(r"adam +1 completed, 10 waiting", shown(screen(study, states_of(study))))


def test_the_status_of_a_hostile_log_moves_no_cursor(study):
    states = states_with(study, sgd_1=State(Job(Run("sgd", 1)), "failed", "\x1b[2Jgone"))
    assert r"\x1b[2Jgone" in shown(screen(study, states))


def test_the_status_as_json(study, finish):
    finish("adam", 0, best=81.5)
    found = as_json(study, states_with(study, adam_1=State(Job(Run("adam", 1)), "running", progress=PROGRESS)))
    json.dumps(found)
    assert found["counts"] == {"completed": 1, "running": 1, "waiting": 7}
    first, second = found["runs"][:2]
    assert (first["status"], first["accuracy"], first["directory"]) == ("completed", 81.5, "results/runs/adam/seed0")
    assert (second["epoch"], second["epochs"], second["images_per_second"]) == (3, 50, 1234.0)


def test_a_run_takes_as_long_as_those_of_its_network(study, finish):
    finish("adam", 0)  # an hour for 4 epochs
    speeds = Speeds(study, states_of(study))
    assert speeds.seconds(RUN) == 3600
    assert speeds.seconds(Job(Run("sgd", 0))) == 3600
    assert speeds.seconds(Job(Run("swa", 0))) is None, "another network"
    assert speeds.seconds(Job(Run("adam", 0), PROBE)) is None, "none with probes is finished"
    left = speeds.left(states_of(study))
    assert (left.seconds, left.unknown) == (5 * 3600, 3)


def test_an_outdated_run_tells_of_its_network_still(study, study_with, finish):
    finish("adam", 0)
    longer = study_with(base={"epochs": 8})
    assert Speeds(longer, states_of(longer)).seconds(RUN) == 7200


def test_a_run_with_probes_tells_of_its_network(study):
    """Of 400 steps in four epochs, of 0.5 s, and every 20 steps a probe of 10 s: twice as long as without."""
    job = Job(Run("adam", 0), PROBE)
    record = ProbeRecord.model_construct(
        spec=spec(study.matrix.settings["adam"]),
        every=20,
        steps=(SimpleNamespace(step=100, epoch=1), SimpleNamespace(step=200, epoch=2)),
        seconds_per_step=0.5,
        seconds_per_probe=10.0,
    )
    speeds = Speeds(study, [State(job, "completed", record=record)])
    assert (speeds.seconds(RUN), speeds.seconds(job)) == (200, 400)
    assert Speeds(study, [State(job, "completed", record=record.model_copy(update={"steps": ()}))]).seconds(RUN) is None


def test_a_diverged_run_tells_nothing(study, finish):
    finish("adam", 0, best=None, last=None)
    assert Speeds(study, states_of(study)).seconds(RUN) is None


def test_what_was_measured_counts_where_no_run_is_finished(study, finish):
    finish("adam", 0)
    states, network = states_of(study), Speeds(study).network("swa")
    speeds = Speeds(study, states, {network: 10.0, Speeds(study).network("adam"): 1.0})
    assert (speeds.seconds(Job(Run("swa", 0))), speeds.seconds(RUN)) == (60, 3600)


def test_an_interrupted_run_has_the_rest_left(study, finish):
    finish("adam", 0)
    half = State(Job(Run("adam", 1)), "interrupted", progress=PROGRESS._replace(epoch=2, epochs=4))
    states = [*states_of(study)[:1], half, State(Job(Run("adam", 2)), "running", progress=PROGRESS)]
    assert Speeds(study, states).left(states).seconds == 1800 + 20


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (43.2, "43 s"), (720, "12 min"), (7800, "2 h 10 min"), (273_600, "3 days 4 h")],
)
def test_times_are_said_as_people_say_them(seconds, text):
    assert rough(seconds) == text


def test_the_plan_groups_runs_by_the_reason(study, finish):
    finish("adam", 0)
    finish("sgd", 1, spec={"epochs": 3})
    states = states_with(study, adam_2=State(Job(Run("adam", 2)), "interrupted", "killed", progress=PROGRESS))
    lines = plan.grouped(plan.reasons_of(states), study)
    assert lines[0] == "6 runs, no result yet: adam (seed 1), sgd (seed 0, 2), swa"
    assert lines[1] == "1 run, interrupted after epoch 3 of 50, and resumes: adam (seed 2)"
    assert "1 run, made with other settings" in lines[2]


def test_the_plan_of_very_many_variants_names_some(study_with):
    grid = {"grid": {"optimizer.learning_rate": [rate / 1000 for rate in range(1, 21)]}}
    study = study_with(variants={"rate": grid}, tables={})
    (line,) = plan.grouped(plan.reasons_of(states_of(study)), study)
    assert line.startswith("60 runs, no result yet: rate-")
    assert line.endswith(" and 12 more variants")


def test_the_plan_has_a_line_a_variant(study, finish):
    finish("adam", 0)
    states = states_of(study)
    text = shown(plan.variants_table(study, states, Speeds(study, states)))
    assert re.search(r"adam +3 +1 +2 +60 min +2 h 0 min", text)
    assert re.search(r"swa +3 +0 +3 +unknown +unknown", text)


def test_the_demand_has_wall_time_for_so_many_at_a_time(study, finish):
    finish("adam", 0)
    states = states_of(study)
    need = plan.demand(states, Speeds(study, states), at_a_time=2)
    assert plan.demand_text(need) == (
        "About 5 h 0 min of training, 2 h 30 min with 2 runs at a time, "
        "besides 3 runs of which none like them is finished."
    )
    assert "Nothing is left" in plan.demand_text(plan.demand(states[:1], Speeds(study, states), 2))


@pytest.mark.parametrize(
    ("runtime", "told"),
    [(90, "jobs: runtime: 90 min is short"), (10_000, "jobs: runtime: 10000 min is much"), (240, None)],
)
def test_a_time_limit_that_is_too_short_or_much_too_long_is_told(study_with, finish, runtime, told):
    finish("adam", 0)
    study = study_with(jobs={"runtime": runtime})
    states = states_of(study)
    lines = plan.advice(study, states, plan.demand(states, Speeds(study, states), 2))
    assert [line for line in lines if "runtime" in line] == ([] if told is None else [lines[0]])
    assert told is None or (lines[0].startswith(told) and "120 would do" in lines[0])
    assert "a job asks for 3,000 MB a run, and a finished run took up to 1,024 MB" in lines[-1]


def description(**counts):
    arrays = {f"{part}_{kind}": "0" for part in counts for kind in ("images", "labels")}
    classes = ("one", "two")
    return Description(
        name="digits", classes=classes, held_out_part="test", counts=counts, digest=digest_of_all(arrays), arrays=arrays
    )


def test_an_epoch_is_measured_by_its_steps_and_its_evaluation(monkeypatch):
    """Twice the images take twice as long, whatever the machine: the time of a step is measured once."""
    times = iter([8.0, 0.5, 8.0, 0.5])
    monkeypatch.setattr("ablation.runs.measure._seconds_of", lambda work, device: next(times))
    settings = complete({"model": {"filters": [2, 3, 4]}, "batch_size": 16})
    shape, device = ImageShape(3, 32, 32), torch.device("cpu")
    assert epoch_seconds(settings, description(train=160, test=1000), shape, device) == 10 * 2 + 2 * 0.5
    assert epoch_seconds(settings, description(train=320, test=500), shape, device) == 20 * 2 + 0.5


def test_a_measurement_trains_a_few_real_steps(monkeypatch):
    monkeypatch.setattr("ablation.runs.measure.SECONDS", 0.0)
    settings = complete({"model": {"filters": [2, 3, 4]}, "batch_size": 16})
    assert epoch_seconds(settings, description(train=160, test=10), ImageShape(3, 16, 16), torch.device("cpu")) > 0


def test_a_run_repeats_itself(finish, study):
    finish("adam", 0)
    found = compare(RUN.directory, RUN.directory)
    assert found.repeats
    assert found.parting is None
    assert not any(changed for _, changed in found.sections())


def test_two_runs_differ_in_all_that_they_differ_in(finish, history_rows):
    finish("adam", 0, origin={"code_files": FILES})
    finish(
        "sgd",
        1,
        best=50.0,
        origin={
            "device": "GPU",
            "data_digest": "e2",
            "code_files": {"training/loop.py": "c", "components/losses.py": "b"},
        },
        history=history_rows([2.0, 1.5, 1.3, 1.0], [40.0, 60.0, 70.0, 75.0]),
    )
    found = compare(RUN.directory, Path("results/runs/sgd/seed1"))
    assert not found.repeats
    assert found.run == {"seed": (0, 1), "variant": ("adam", "sgd")}
    assert found.settings["optimizer"] == ("adam", "sgd")
    assert found.code == {"training/loop.py": ("a", "c")}
    assert found.environment == {"device": ("processor A", "GPU")}
    assert found.data == {"digest": ("e1", "e2")}
    assert found.result["best.test_accuracy"] == (80.0, 50.0)
    assert found.files == ("history.csv",)
    assert (found.parting.epoch, found.parting.columns) == (3, ("train_loss", "held_out_loss"))


def test_a_longer_history_parts_where_the_shorter_ends(finish, history_rows):
    finish("adam", 0)
    finish("adam", 1, history=history_rows([2.0, 1.5], [40.0, 60.0]))
    assert compare(RUN.directory, "results/runs/adam/seed1").parting.epoch == 3


def script(name, *arguments):
    command = [sys.executable, SCRIPTS / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_diff_tells_what_differs(finish):
    finish("adam", 0)
    finish("adam", 1, best=50.0)
    same, other = (
        script("diff.py", RUN.directory, RUN.directory),
        script("diff.py", RUN.directory, "results/runs/adam/seed1"),
    )
    assert "The second run repeats the first bit for bit." in same.stdout
    assert "  best.test_accuracy: 80 → 50" in other.stdout
    missing = script("diff.py", RUN.directory, "results/runs/adam/seed7")
    assert missing.stderr == "error: results/runs/adam/seed7 holds no finished run: there is no metrics.json\n"


def test_the_audit_chooses_finished_runs_of_today_s_code(study_with, finish):
    for seed in range(3):
        finish("adam", seed)
    finish("sgd", 0, origin={"code_digest": "0" * 16})
    finish("sgd", 1, spec={"epochs": 3})
    chosen = audit.chosen(study_with(audit={"runs": 2}))
    assert len(chosen) == 2
    assert chosen == audit.chosen(study_with(audit={"runs": 2})), "the same call chooses the same"
    assert {run.variant for run in chosen} == {"adam"}
    assert len({tuple(audit.chosen(study_with(audit={"runs": 1, "seed": seed}))) for seed in range(20)}) == 3
    assert len(audit.chosen(study_with(audit={"runs": 9}))) == 3


def test_of_a_new_study_the_audit_chooses_among_all_runs(study):
    assert len(audit.chosen(study)) == 3


def test_the_audit_tells_which_runs_do_not_repeat(finish, history_rows):
    runs = [Run("adam", seed) for seed in (0, 1)]
    for run in runs:
        finish("adam", run.seed)
        Path(Job(run, AUDIT).directory).parent.mkdir(parents=True, exist_ok=True)
        Path(run.directory).rename(Job(run, AUDIT).directory)
    finish("adam", 0)
    finish("adam", 1, history=history_rows([2.0, 1.4, 1.2, 1.0], [40.0, 60.0, 70.0, 75.0]))
    first, _, *lines = audit.audit(runs).splitlines()
    assert first == "1 of 2 finished runs, trained again, repeat bit for bit."
    assert lines[0] == "- adam, seed 0: repeats bit for bit"
    assert "the histories part in epoch 2 (train_loss, held_out_loss); files that differ: history.csv" in lines[1]


def test_commands_are_about_the_study_of_the_last_call():
    Path("mine.yaml").write_text("study: mine\nseeds: [0]\nvariants: {adam: {}}\n")
    last_call.remember(["mine.yaml"], {"seeds": [3]}, "--profile slurm --configfile mine.yaml")
    arguments = type("Arguments", (), {"configfile": None})
    study = last_call.study_of(arguments)
    assert (study.study, study.seeds) == ("mine", (3,))
    assert os.environ.pop(SNAKEMAKE_OPTIONS) == "--profile slurm --configfile mine.yaml"


@pytest.mark.parametrize("content", ["", "[]", '{"configfiles": []}', "{"])
def test_a_damaged_note_of_the_last_call_means_the_demo(content):
    last_call.LAST_CALL.parent.mkdir()
    last_call.LAST_CALL.write_text(content)
    with pytest.raises(ConfigError, match=r"config/demo\.yaml"):
        last_call.study_of(type("Arguments", (), {"configfile": None}))
    os.environ.pop(SNAKEMAKE_OPTIONS)


def test_a_mistake_in_the_config_is_told_in_a_sentence():
    Path("mine.yaml").write_text("study: mine\nseeds: [0]\nvariants: {adam: {epoch: 3}}\n")
    for name in ("status.py", "plan.py"):
        result = script(name, "--configfile", "mine.yaml")
        assert result.returncode == 1
        assert "did you mean 'epochs'?" in result.stderr
        assert "Traceback" not in result.stderr
