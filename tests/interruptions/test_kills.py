"""A run that is killed, wherever and however often, ends as if nothing had happened: with the same bits."""

import random
import signal

import pytest
import torch

KILLED = -signal.SIGKILL
KILL = {"signal": int(signal.SIGKILL)}
LOOP = "ablation.training.loop"
PROBING = ["--every", "2", "--step-sizes", "0.5", "4"]
VGG = {"model": {"name": "vgg_a", "width_multiplier": 0.05}, "record_steps": True}
RUNS = {
    "adam-step": {"scheduler": {"step_size": 1}},
    "adam-cosine": {"scheduler": "cosine"},
    "adamw-plateau": {"optimizer": "adamw", "scheduler": {"name": "plateau", "patience": 0}},
    "adamw-none": {"optimizer": "adamw", "scheduler": "none"},
    "sgd-step": {"optimizer": "sgd", "scheduler": {"step_size": 1}},
    "sgd-plateau": {"optimizer": "sgd", "scheduler": {"name": "plateau", "patience": 0}},
    "sign-cosine": {"optimizer": "custom_sign_sgd", "scheduler": "cosine"},
    "sign-none": {"optimizer": "custom_sign_sgd", "scheduler": "none", "loss": "mse", "l1_lambda": 1e-4},
    "swa": {"averaging": {"name": "swa", "start": 2, "anneal_epochs": 2}},
    "swa-sgd": {"averaging": {"name": "swa", "start": 1}, "optimizer": "sgd", "scheduler": "cosine"},
    "ema-restarts": {"averaging": {"name": "ema", "decay": 0.8}, "scheduler": {"name": "warm_restarts", "period": 1}},
    "rand-augment": {"augmentation": "rand_augment", "averaging": "ema", "scheduler": "none"},
    "nesterov-one-cycle": {
        "optimizer": {"name": "sgd", "nesterov": True},
        "scheduler": {"name": "one_cycle", "warm_up": 0.5},
    },
    "resnet": {
        "model": {"name": "resnet", "stages": [2, 3], "blocks": 1, "activation": "swish"},
        "optimizer": "adamw",
    },
    "vgg": VGG,
    "vgg-dropout": {
        "model": {"name": "vgg_a_dropout", "width_multiplier": 0.05, "activation": "elu", "batch_norm": False},
        "record_steps": True,
    },
    "diverging": {
        "model": {"batch_norm": False},
        "optimizer": {"name": "sgd", "learning_rate": 0.9},
        "loss": "mse",
        "grad_clip": None,
    },
}
# What a kill can meet: a step, an epoch's evaluation, the last writing, a file being opened, renamed or removed.
PLACES = [
    {"at": [f"{LOOP}.Training.take_step", 2]},
    {"at": [f"{LOOP}.Training.take_step", 4]},
    {"at": [f"{LOOP}.evaluate", 1]},
    {"at": [f"{LOOP}.end_epoch", 1]},
    {"at": ["ablation.runs.records.write_history", 1]},
    {"at": ["ablation.runs.directory.save_weights", 1]},
    {"at_file_event": 7},
    {"at_file_event": 12},
]


def assert_same(run, reference):
    """A comparison that names the file rather than printing all its bytes."""
    left, expected = run.left(), reference.left()
    assert left.keys() == expected.keys()
    assert [name for name in left if left[name] != expected[name]] == []


@pytest.mark.parametrize("name", RUNS)
def test_killed_runs_end_with_the_same_bits(new_run, name):
    """Each place once, one after another, so that every job resumes from the last one's checkpoint."""
    reference = new_run("whole", **RUNS[name]).to_the_end()
    run = new_run("killed", **RUNS[name])
    kills = sum(run.job(**place, **KILL) == KILLED for place in PLACES)
    print(f"{kills} kills survived by {name}")
    assert kills >= 5
    assert_same(run.to_the_end(), reference)


@pytest.mark.parametrize("name", ["vgg", "vgg-dropout"])
def test_killed_probed_runs_end_with_the_same_bits(new_run, name):
    reference = new_run("whole", options=PROBING, **RUNS[name]).to_the_end()
    run = new_run("killed", options=PROBING, **RUNS[name])
    kills = sum(run.job(**place, **KILL) == KILLED for place in PLACES)
    kills += run.job(at=["ablation.training.probes.walk", 1], **KILL) == KILLED
    print(f"{kills} kills survived by {name}, probed")
    assert kills >= 6
    assert_same(run.to_the_end(), reference)


def test_a_kill_at_any_file_event_loses_nothing(new_run):
    """Every moment at which a file of the run is opened, renamed or removed, from the first to the last."""
    settings = {"epochs": 2, "averaging": {"name": "swa", "start": 2}, "batch_size": 40}
    reference = new_run("whole", **settings).to_the_end()
    kills = 0
    while True:
        run = new_run(f"killed-at-{kills + 1}", **settings)
        if run.job(at_file_event=kills + 1, **KILL) != KILLED:
            break
        kills += 1
        assert_same(run.to_the_end(), reference)
    print(f"{kills} kills survived, one at each file event")
    assert kills >= 30


def test_kills_at_random_moments_lose_nothing(new_run):
    """Thirty jobs, each given up to a tenth of a second, with a checkpoint at every step."""
    random_moments = random.Random(0)
    settings = {"epochs": 12, "model": {"filters": [16, 24, 32], "dropout": 0.3}}
    reference = new_run("whole", **settings).to_the_end()
    run = new_run("killed", **settings)
    kills = 0
    while kills < 30 and run.job(kill_after=random_moments.uniform(0.02, 0.2)) == KILLED:
        kills += 1
    print(f"{kills} kills survived: {run.said().count('resumes from a checkpoint')} times from a checkpoint")
    assert kills >= 10
    assert_same(run.to_the_end(), reference)


@pytest.mark.parametrize("later", ["2", "1", "3"])
def test_a_run_keeps_the_number_of_threads_that_it_began_with(new_run, later):
    """Another number would round differently, wherever the job that resumes the run has another."""
    model = {"model": {"filters": [16, 24, 32]}}
    reference = new_run("whole", options=["--threads", "2"], **model).to_the_end()
    run = new_run("killed", options=["--threads", "2"], **model)
    for step in (3, 5, 4):
        assert run.job(at=[f"{LOOP}.Training.take_step", step], **KILL) == KILLED
        run.options[-1] = later
    assert_same(run.to_the_end(), reference)
    assert run.left()["metrics.json"]["origin"]["threads"] == 2
    assert ("threads: 2, with which the run began, instead of" in run.said()) == (later != "2")


def test_another_number_of_threads_gives_other_bits(new_run):
    """Else the test above could not fail."""
    model = {"model": {"filters": [16, 24, 32]}}
    one, two = (new_run(n, options=["--threads", n], **model).to_the_end().left()["history.csv"] for n in "12")
    assert one != two


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize(
    "name",
    [
        "adam-cosine",
        "sgd-step",
        "sign-none",
        "swa",
        "ema-restarts",
        "rand-augment",
        "nesterov-one-cycle",
        "resnet",
        "vgg",
        "vgg-dropout",
    ],
)
def test_a_gpu_repeats_too_in_its_deterministic_mode(new_run, name):
    settings = {"options": ["--device", "cuda"], "deterministic": True, "model": {"filters": [16, 24, 32]}} | RUNS[name]
    reference = new_run("whole", **settings).to_the_end()
    run = new_run("killed", **settings)
    for step in (3, 5, 4):
        assert run.job(at=[f"{LOOP}.Training.take_step", step], **KILL) == KILLED
    assert_same(run.to_the_end(), reference)
