"""Bands, probes and the numbers behind the claims, against numbers computed by hand."""

from __future__ import annotations

import json
import os
import random
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from ablation.analysis.frames import write_csv
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.landscape.probes import load_probes
from ablation.analysis.landscape.report import untrained_text, wider_text
from ablation.analysis.landscape.tables import landscape_tables, read_landscape
from ablation.analysis.runs import load_results
from ablation.config.claims import Quantity
from ablation.config.matrix import Run
from ablation.config.settings import spec
from ablation.config.study import Study
from ablation.runs.records import (
    Origin,
    ProbedStep,
    ProbeRecord,
    RunRecord,
    read_probe,
    write_record,
)
from ablation.training.outcome import LayerShift, Walk

Train = Callable[..., None]
Write = Callable[..., None]
EXACT = {"abs": 1e-9}
SCRIPT = Path(__file__).parents[2] / "workflow/scripts/landscape.py"
RATES = {"low": 1e-3, "mid": 2e-3, "high": 3e-3, "huge": 1e-1}
ORIGIN = Origin(device="GPU A", threads=None, versions={}, git_commit="c1", code_digest="d1", data_digest="e1")


LANDSCAPE = {
    "title": "Batch normalisation",
    "grid": "nets",
    "models": {"plain": "Plain", "bn": "BN"},
    "band": [RATES["low"], RATES["mid"], RATES["high"]],
    "probed": {"sgd": {"learning_rate": RATES["mid"]}},
    "probe": {"every": 2, "step_sizes": [0.5, 2.0]},
    "smoothing_steps": 3,
    "accuracy_mark": 50,
    "trained_accuracy": 20,
    "reported": {"epochs_to_mark": "10 against 25", "smoothness": "smaller"},
}
VARIANTS = {
    "nets": {
        "optimizer": "sgd",
        "record_steps": True,
        "grid": {"model.batch_norm": {"plain": False, "bn": True}, "optimizer.learning_rate": RATES},
        "name": "{batch_norm}-{learning_rate}",
    }
}


@pytest.fixture
def study(study_with: Callable[..., Study]) -> Study:
    """Takes the place of the common study, so `finish` writes runs of this one."""
    return study_with(seeds=[0, 1], variants=VARIANTS, tables={}, landscape=LANDSCAPE)


@pytest.fixture
def train(finish: Callable[..., RunRecord], history_rows: Callable) -> Train:
    """Write a run with its steps, two an epoch, and the held-out accuracies of its epochs."""

    def write(
        variant: str,
        seed: int,
        losses: tuple[float, ...] = (2, 1),
        held_out: tuple[float, ...] = (40, 60),
        **changes: Any,
    ) -> None:
        rows = history_rows([2.0 for _ in held_out], list(held_out))
        finish(variant, seed, **{"losses": losses, "history": rows} | changes)

    return write


@pytest.fixture
def probe(study: Study) -> Write:
    """Write a probe of two steps; `changes` are those of its record."""

    def write(variant: str, seed: int, steps: tuple[ProbedStep, ...] | None = None, **changes: Any) -> None:
        record = ProbeRecord(
            study=study.study,
            variant=variant,
            seed=seed,
            spec=spec(study.matrix.settings[variant]),
            every=2,
            step_sizes=(0.5, 2.0),
            steps=(probed_step(2), probed_step(4)) if steps is None else steps,
            train_losses=(1.9, 1.9),
            seconds_per_step=0.1,
            seconds_per_probe=0.4,
            origin=ORIGIN,
        )
        write_record(Run(variant, seed).probe, record.model_copy(update=changes))

    return write


def probed_step(step: int, factor: float = 1.0, **changes: Any) -> ProbedStep:
    """A start at loss 2 with gradient norm 4, and a path to losses 1.5 and 3 with distances 1 and 2 times `factor`."""
    seen = {
        "step": step,
        "epoch": 1,
        "learning_rate": 0.1,
        "loss": 2.0,
        "gradient_norm": 4.0,
    }
    path = {"length": 0.4, "losses": (1.5, 3.0), "gradient_distances": (factor, 2 * factor), "cosines": (0.9, 0.5)}
    walk = Walk(**path | {key: changes.pop(key) for key in path if key in changes})
    along_the_step = Walk(length=2.0, losses=(1.0, 1.2), gradient_distances=(3.0, 4.0), cosines=(0.8, -0.5))
    shifts = tuple(LayerShift(layer=layer, distance=factor, cosine=0.75) for layer in ("2", "4"))
    seen |= {"walks": {"gradient": walk, "optimizer": along_the_step}, "shifts": shifts}
    return ProbedStep(**seen | changes)


def bands_of(study: Study) -> pd.DataFrame:
    return landscape_tables(study)["bands"]


def train_band(train: Train, prefix: str, seed: int) -> None:
    """Losses at the three learning rates: 4 2 6 8, 3 5 1 2 and 5 3 2 1."""
    train(f"{prefix}-low", seed, losses=(4, 2, 6, 8))
    train(f"{prefix}-mid", seed, losses=(3, 5, 1, 2))
    train(f"{prefix}-high", seed, losses=(5, 3, 2, 1))


def test_the_band_spans_the_losses_of_all_learning_rates(study: Study, train: Train) -> None:
    train_band(train, "plain", 0)
    band = bands_of(study)
    assert list(band["step"]) == [1, 2, 3, 4]
    assert list(band["epoch"]) == [1, 1, 2, 2]
    assert list(band["min"]) == [3, 2, 1, 1]
    assert list(band["max"]) == [5, 5, 6, 8]
    assert list(band["width"]) == [2, 3, 5, 7]
    assert band[["model", "seed", "learning_rates"]].drop_duplicates().values.tolist() == [["Plain", 0, 3]]


def test_each_run_is_smoothed_before_the_band_is_taken(study: Study, train: Train) -> None:
    train_band(train, "plain", 0)
    band = bands_of(study)
    # Running means of three steps, of two at the ends: 3 4 16/3 7; 4 3 8/3 3/2; 4 10/3 2 3/2.
    assert list(band["smoothed_min"]) == pytest.approx([3, 3, 2, 1.5], **EXACT)
    assert list(band["smoothed_max"]) == pytest.approx([4, 4, 16 / 3, 7], **EXACT)
    assert list(band["smoothed_width"]) == pytest.approx([1, 1, 10 / 3, 5.5], **EXACT)


def train_epochs(train: Train, history_rows: Callable, prefix: str, losses: dict[str, tuple[float, ...]]) -> None:
    """Runs of seed 0 with these training losses by epoch."""
    for name, of_epochs in losses.items():
        # In those rows the training loss is 0.1 below the held-out one.
        rows = history_rows([loss + 0.1 for loss in of_epochs], [50.0] * len(of_epochs))
        train(f"{prefix}-{name}", 0, history=rows)


def test_the_band_by_epoch_spans_the_training_losses_of_the_epochs(
    study: Study, train: Train, history_rows: Callable
) -> None:
    train_epochs(train, history_rows, "plain", {"low": (2.0, 1.9), "mid": (1.5, 1.0), "high": (1.8, 1.2)})
    band = landscape_tables(study)["bands_by_epoch"]
    assert list(band.columns) == ["model", "seed", "epoch", "min", "max", "width"]
    assert band["epoch"].tolist() == [1, 2]
    assert band[["min", "max", "width"]].to_numpy() == pytest.approx(np.array([[1.5, 2.0, 0.5], [1.0, 1.9, 0.9]]))
    # On average over the two epochs.
    assert seed_line(study, "epoch_band_width", 0)["without"] == pytest.approx(0.7, **EXACT)


def test_the_epochs_in_which_the_band_is_wider_with_the_ingredient_are_named(
    study: Study, train: Train, history_rows: Callable
) -> None:
    train_epochs(train, history_rows, "plain", {"low": (2.0, 1.9), "mid": (1.5, 1.0), "high": (1.8, 1.2)})
    assert wider_text(study, landscape_tables(study)["bands_by_epoch"]) == ""
    train_epochs(train, history_rows, "bn", {"low": (2.0, 1.9), "mid": (1.2, 1.5), "high": (1.8, 1.8)})
    assert wider_text(study, landscape_tables(study)["bands_by_epoch"]) == (
        "Of the losses by epoch, the band of BN is the wider one in 1 of 2 epochs: 1 (mean width 0.80 against 0.50)."
    )
    train_epochs(train, history_rows, "bn", {"low": (1.0, 1.9), "mid": (1.2, 1.5), "high": (1.2, 1.8)})
    assert wider_text(study, landscape_tables(study)["bands_by_epoch"]).endswith(" in 0 of 2 epochs.")


def test_a_learning_rate_that_diverged_is_in_no_band(study: Study, train: Train) -> None:
    for prefix, seed in (("plain", 0), ("plain", 1), ("bn", 0)):
        train_band(train, prefix, seed)
    train("plain-low", 1, losses=(4, np.nan, np.inf, 8), held_out=(40, np.nan), status="diverged", last=None)
    band = bands_of(study).set_index(["model", "seed"])
    # Without 4 2 6 8 there remain 3 5 1 2 and 5 3 2 1, in seed 0 and in the other model too: bands of other learning
    # rates would not compare.
    for model, seed in (("Plain", 0), ("Plain", 1), ("BN", 0)):
        assert list(band.loc[(model, seed), "width"]) == [2, 2, 1, 1]
        assert set(band.loc[(model, seed), "learning_rates"]) == {2}
    by_epoch = landscape_tables(study)["bands_by_epoch"]
    assert set(by_epoch["model"]) == {"Plain", "BN"}
    assert np.isfinite(by_epoch["width"]).all()
    assert landscape_tables(study)["left_out"].values.tolist() == [["Plain", 1e-3]]


def test_learning_rates_left_out_are_named_once_and_ascending(study: Study, train: Train) -> None:
    for seed in study.seeds:
        train_band(train, "plain", seed)
        for variant in ("plain-high", "plain-low", "plain-huge"):
            train(variant, seed, status="diverged", last=None)
    # The huge one diverged too, but was never meant for the band. One learning rate spans none.
    assert landscape_tables(study)["left_out"].values.tolist() == [["Plain", 1e-3], ["Plain", 3e-3]]
    assert bands_of(study).empty


def lose(how: str) -> None:
    path = Path(Run("plain-mid", 0).metrics)
    if how == "missing":
        path.unlink()
    else:
        path.write_text("{")


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_seed_without_one_of_its_runs_has_no_band(study: Study, train: Train, how: str) -> None:
    for seed in study.seeds:
        train_band(train, "plain", seed)
    lose(how)
    assert set(bands_of(study)["seed"]) == {1}


def test_an_outdated_run_spans_no_band(study: Study, train: Train) -> None:
    train_band(train, "plain", 0)
    train("plain-mid", 0, spec={"epochs": 1})
    assert bands_of(study).empty


def test_a_run_that_lost_its_steps_is_damaged_and_its_seed_has_no_band(study: Study, train: Train) -> None:
    train_band(train, "plain", 0)
    train_band(train, "plain", 1)
    Path(Run("plain-mid", 0).directory, "steps.npz").unlink()
    assert set(landscape_tables(study)["bands"]["seed"]) == {1}
    assert rates_of(study).loc[("plain-mid", 0), "status"] == "damaged"


def rates_of(study: Study) -> pd.DataFrame:
    return landscape_tables(study)["learning_rates"].set_index(["variant", "seed"])


def test_which_learning_rates_train(study: Study, train: Train) -> None:
    train("plain-low", 0, last=20.0)
    train("plain-mid", 0, last=19.9)
    train("plain-huge", 0, last=30.0, status="diverged", held_out=(40, np.nan))
    rates = rates_of(study)
    # Two models of four learning rates and two seeds.
    assert len(rates) == 16
    assert list(rates.loc[(slice(None), 0), "trains"])[:4] == [True, False, pd.NA, False]
    assert list(rates.loc[(slice(None), 0), "learning_rate"])[:4] == [1e-3, 2e-3, 3e-3, 1e-1]
    assert list(rates.loc[(slice(None), 0), "in_band"])[:4] == [True, True, True, False]
    assert list(rates.loc[(slice(None), 0), "status"])[:4] == ["completed", "completed", "missing", "diverged"]
    assert list(rates.loc[(slice(None), 0), "model"]) == ["Plain"] * 4 + ["BN"] * 4
    assert rates.loc[("plain-mid", 0), "last_accuracy"] == 19.9
    assert pd.isna(rates.loc[("plain-high", 0), "last_accuracy"])


def test_the_first_epoch_at_the_mark(study: Study, train: Train) -> None:
    train("plain-low", 0, held_out=(40, 50, 45, 60))
    train("plain-mid", 0, held_out=(40, 49.9))
    train("plain-high", 0, held_out=(51, np.nan), status="diverged")
    train("plain-huge", 0, held_out=(60, 60), spec={"epochs": 1})
    epochs = rates_of(study)["epochs_to_mark"].loc[(slice(None), 0)]
    assert list(epochs)[:5] == [2, pd.NA, 1, pd.NA, pd.NA]


def test_accuracies_of_completed_runs_of_the_bands(study: Study, train: Train) -> None:
    train("plain-mid", 1, held_out=(40, 60))
    train("plain-low", 0, held_out=(45, np.nan), status="diverged")
    train("plain-huge", 0, held_out=(45, 50))
    seen = landscape_tables(study)["accuracies"]
    assert list(seen.columns) == ["model", "learning_rate", "seed", "epoch", "held_out_accuracy"]
    assert seen.values.tolist() == [["Plain", 2e-3, 1, 1, 40.0], ["Plain", 2e-3, 1, 2, 60.0]]


def test_what_a_probe_saw(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 1, steps=(probed_step(2, epoch=3),))
    seen = landscape_tables(study)["probes"]
    assert list(seen["path"]) == ["gradient", "optimizer"]
    line = seen.iloc[0]
    assert tuple(line[["pair", "optimizer", "model", "variant", "seed"]]) == ("sgd", "SGD", "BN", "bn-mid", 1)
    assert tuple(line[["step", "epoch", "learning_rate", "loss", "gradient_norm"]]) == (2, 3, 0.1, 2.0, 4.0)
    # The start, loss 2, does not count.
    assert tuple(line[["min_loss", "max_loss", "loss_range"]]) == (1.5, 3.0, 1.5)
    assert tuple(line[["min_gradient_distance", "max_gradient_distance"]]) == (1.0, 2.0)
    assert line["relative_gradient_distance"] == 0.5
    # Distances 1 and 2 after moving 0.5 * 0.1 * 4 = 0.2 and 2 * 0.1 * 4 = 0.8: 5 and 2.5.
    assert line["smoothness"] == pytest.approx(5.0, **EXACT)
    assert line["dimensionless_smoothness"] == pytest.approx(0.5, **EXACT)
    assert line["gradient_cosine_distance"] == 0.5


def test_the_optimizers_own_path(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 1, steps=(probed_step(2),))
    line = landscape_tables(study)["probes"].iloc[1]
    assert tuple(line[["min_loss", "max_loss"]]) == (1.0, 1.2)
    # Distances 3 and 4 after moving 0.5 * 2 = 1 and 2 * 2 = 4; a whole step is 2 long, and the gradient 4.
    assert line["smoothness"] == pytest.approx(3.0, **EXACT)
    assert line["dimensionless_smoothness"] == pytest.approx(3.0 * 2 / 4, **EXACT)
    assert line["gradient_cosine_distance"] == 1.5


def test_the_covariate_shift_is_the_mean_over_layers_of_medians(study: Study, trained: None, probe: Write) -> None:
    probe("plain-mid", 0, steps=tuple(probed_step(2 * number, factor) for number, factor in enumerate((1, 2, 9), 1)))
    probe("bn-mid", 0)
    shifts = landscape_tables(study)["shifts"]
    assert list(shifts["place"]) == [2, 3] * 5
    assert tuple(seed_line(study, "covariate_shift", 0, "sgd")[["without", "with"]]) == (2.0, 1.0)
    assert tuple(seed_line(study, "covariate_shift_cosine_distance", 0, "sgd")[["without", "with"]]) == (0.25, 0.25)


def test_the_loss_fluctuation_is_that_from_step_to_step(study: Study, train: Train) -> None:
    train_band(train, "plain", 0)
    fluctuations = landscape_tables(study)["fluctuations"]
    # Changes -2 4 2, then 2 -4 1, and -2 -1 -1: standard deviations with n - 1.
    expected = [np.std(changes, ddof=1) for changes in ([-2, 4, 2], [2, -4, 1], [-2, -1, -1])]
    assert list(fluctuations["loss_fluctuation"]) == pytest.approx(expected)
    assert seed_line(study, "loss_fluctuation", 0)["without"] == pytest.approx(np.mean(expected))


def test_a_path_that_leaves_the_numbers_stays_infinite(study: Study, finish: Callable, probe: Write) -> None:
    exploded = {"losses": (1.0, np.inf), "gradient_distances": (1.0, np.nan)}
    probe("bn-mid", 0, steps=(probed_step(2, **exploded), probed_step(4, gradient_norm=0.0)))
    probes = landscape_tables(study)["probes"]
    first, second = probes[probes["path"] == "gradient"].itertuples()
    assert (first.min_loss, first.max_loss, first.loss_range) == (1.0, np.inf, np.inf)
    assert np.isnan([first.max_gradient_distance, first.smoothness]).all()
    assert (second.dimensionless_smoothness, second.relative_gradient_distance) == (np.inf, np.inf)


def state_of(study: Study, variant: str, seed: int) -> pd.Series:
    return landscape_tables(study)["probe_states"].set_index(["variant", "seed"]).loc[(variant, seed)]


def test_a_completed_and_a_missing_probe(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 0)
    state = state_of(study, "bn-mid", 0)
    assert tuple(state[["path", "status", "problem"]]) == ("results/probes/bn-mid/seed0/probe.json", "completed", "")
    assert state["relative_cost"] == pytest.approx(4.0, **EXACT)
    assert state_of(study, "bn-mid", 1)["status"] == "missing"
    assert list(landscape_tables(study)["probe_states"]["variant"]) == ["plain-mid", "plain-mid", "bn-mid", "bn-mid"]


def test_a_probe_that_met_no_step_costs_nothing(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 0, steps=(), seconds_per_probe=None)
    assert pd.isna(state_of(study, "bn-mid", 0)["relative_cost"])
    assert landscape_tables(study)["probes"].empty


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"spec": {"epochs": 1}}, "model.batch_norm (not set) → True"),
        ({"every": 3}, ": every 3 → 2"),
        ({"step_sizes": (0.5, 4.0)}, ": step_sizes (0.5, 4.0) → (0.5, 2.0)"),
    ],
)
def test_an_outdated_probe(study: Study, finish: Callable, probe: Write, changes: dict, named: str) -> None:
    probe("bn-mid", 0, **changes)
    state = state_of(study, "bn-mid", 0)
    assert state["status"] == "outdated"
    assert state["problem"].startswith("made with other settings: ")
    assert named in state["problem"]
    assert landscape_tables(study)["probes"].empty


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 7}, "seed 7"),
        ({"steps": (probed_step(2, losses=(1.0,)),)}, "of another length"),
        ({"steps": (probed_step(2**63),)}, "a step that the run does not have"),
        ({"seconds_per_step": 0.0}, "seconds_per_step: Input should be greater than 0"),
    ],
)
def test_a_probe_of_another_folder_or_of_what_cannot_be_is_damaged(
    study: Study, finish: Callable, probe: Write, changes: dict, named: str
) -> None:
    finish("bn-mid", 0)
    probe("bn-mid", 0)
    path = Run("bn-mid", 0).probe
    write_record(path, read_probe(path).model_copy(update=changes))
    state = state_of(study, "bn-mid", 0)
    assert state["status"] == "damaged"
    assert named in state["problem"]
    assert landscape_tables(study)["probes"].empty


def test_a_probe_of_version_2_is_named_as_such(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 0)
    path = Run("bn-mid", 0).probe
    flat = {"optimizer": "sgd", "learning_rate": 0.002, "batch_norm": True}
    record = read_probe(path).model_dump(mode="json") | {"record_version": 2, "spec": flat}
    Path(path).write_text(json.dumps(record))
    state = state_of(study, "bn-mid", 0)
    assert state["status"] == "damaged"
    assert state["problem"].startswith(f"{path}: is a record of version 2, and this code reads version 6: delete it")
    assert landscape_tables(study)["probes"].empty


def test_an_unreadable_probe_is_damaged(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 0)
    Path(Run("bn-mid", 0).probe).write_text("{")
    state = state_of(study, "bn-mid", 0)
    assert state["status"] == "damaged"
    assert state["problem"].startswith("results/probes/bn-mid/seed0/probe.json: the whole file: Invalid JSON")
    assert landscape_tables(study)["probes"].empty


@pytest.mark.parametrize(
    ("losses", "same"),
    [
        (((1.9, 0.1 + 0.2), (1.9, 0.1 + 0.2)), True),
        (((1.9, 0.3), (1.9, 0.1 + 0.2)), False),
        (((1.9,), (1.9, 1.9)), False),
        (((1.9, None), (1.9, np.nan)), True),
        (((1.9, None), (1.9, np.inf)), True),
        (((1.9, 1.9), (1.9, np.nan)), False),
    ],
)
def test_whether_the_probe_is_of_the_same_training(
    study: Study, train: Train, probe: Write, history_rows: Callable, losses: tuple[tuple, tuple], same: bool
) -> None:
    in_probe, in_run = losses
    rows = history_rows([2.0 for _ in in_run], [50.0 for _ in in_run])
    train("bn-mid", 0, history=[row | {"train_loss": loss} for row, loss in zip(rows, in_run, strict=True)])
    probe("bn-mid", 0, train_losses=in_probe)
    assert bool(state_of(study, "bn-mid", 0)["same_as_run"]) == same


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_a_damaged_probe(study: Study, probe: Write, finish: Callable, make: Callable) -> None:
    probe("bn-mid", 0)
    path = Path(Run("bn-mid", 0).probe)
    path.unlink()
    make(path)
    assert state_of(study, "bn-mid", 0)["problem"].startswith(f"{path} cannot be read: it is not a regular file")


def damage(content: bytes, chance: random.Random) -> bytes:
    """The content with a byte changed, lost or added, its end cut off, or its parts in another order."""
    place, other = sorted(chance.sample(range(1, len(content)), 2))
    before, here, after = content[:place], content[place], content[place + 1 :]
    return chance.choice(
        [
            before + bytes([chance.randrange(256)]) + after,
            before + bytes([here ^ 1]) + after,
            before + after,
            before + bytes([chance.choice(b"0123456789"), here]) + after,
            before,
            content[other:] + content[place:other] + before,
        ]
    )


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "steps.npz", "probe.json"])
def test_random_damage_is_noticed_or_changes_nothing(study: Study, train: Train, probe: Write, name: str) -> None:
    train("bn-mid", 0)
    probe("bn-mid", 0)
    run = Run("bn-mid", 0)
    path = Path(run.probe) if name == "probe.json" else Path(run.directory, name)
    whole, expected, chance = path.read_bytes(), what_is_read(study, run), random.Random(0)
    damages = [damage(whole, chance) for _ in range(300)]
    noticed = 0
    for each in damages:
        path.write_bytes(each)
        found = what_is_read(study, run)
        noticed += found is None
        assert found in (None, expected)
    # The rest of the damage is in the layout of the JSON, or none.
    assert noticed > (250 if name.endswith(".json") else 298)


def what_is_read(study: Study, run: Run) -> tuple[str, ...] | None:
    """All that can be in a table of a run and its probe; None where they say that a file is damaged."""
    results, loaded = load_results(study, [run]), load_probes(study)[run]
    if "damaged" in (results.runs["status"][0], loaded.status):
        return None
    frames = (results.runs, *results.histories.values(), *results.traces.values())
    return (*(each.to_csv() for each in frames), repr(loaded))


def test_without_a_history_the_training_is_unknown(study: Study, finish: Callable, probe: Write) -> None:
    probe("bn-mid", 0)
    assert state_of(study, "bn-mid", 0)["same_as_run"] is pd.NA


def seed_line(  # along the gradient, where it is of a walk
    study: Study, quantity: Quantity, seed: int, pair: str = "", matched: bool = False
) -> pd.Series:
    lines = landscape_tables(study)["by_seed"]
    lines = lines[lines["path"] != "optimizer"].set_index(["quantity", "pair", "matched", "seed"])
    return lines.loc[(quantity, pair, matched, seed)]


def over_seeds(study: Study, quantity: Quantity, pair: str = "", path: str = "gradient") -> pd.Series:
    lines = landscape_tables(study)["quantities"]
    lines = lines[~lines["matched"] & lines["path"].isin(["", path])]
    return lines.set_index(["quantity", "pair"]).loc[(quantity, pair)]


def train_at_all(train: Train, prefix: str, seed: int, held_out: dict[str, tuple], last: dict[str, float]) -> None:
    """All four learning rates; held-out accuracies and the last accuracy as given, else 60, 60 and 80."""
    for name in RATES:
        train(f"{prefix}-{name}", seed, held_out=held_out.get(name, (60, 60)), last=last.get(name, 80.0))


def test_the_fewest_epochs_to_the_mark(study: Study, train: Train) -> None:
    never = (10, 20, 30)
    slow = {"low": never, "mid": (10, 20, 55), "high": (10, 50, 60)}
    train_at_all(train, "plain", 0, slow, {})
    train_at_all(train, "bn", 0, {"low": (50, 60)}, {})
    # That it is reached at the huge rate does not count: it is not of the band.
    train_at_all(train, "plain", 1, {"low": never, "mid": never, "high": never}, {})
    train_at_all(train, "bn", 1, {"low": (40, 60), "mid": (40, 60), "high": never}, {})
    line = seed_line(study, "epochs_to_mark", 0)
    values = ["without", "with", "ratio", "at_limit_without", "at_limit_with"]
    assert tuple(line[values]) == (2.0, 1.0, 0.5, False, False)
    line = seed_line(study, "epochs_to_mark", 1)
    assert line[["without", "ratio"]].isna().all()
    assert tuple(line[["with", "at_limit_without", "at_limit_with"]]) == (2.0, True, False)
    summary = over_seeds(study, "epochs_to_mark")
    assert tuple(summary[["without_mean", "without_n", "with_mean", "with_n"]]) == (2.0, 1, 1.5, 2)
    assert summary["with_std"] == pytest.approx(0.5**0.5, **EXACT)
    assert tuple(summary[["ratio", "ratio_n"]]) == (0.5, 1)
    assert tuple(summary[["at_limit_without", "at_limit_with", "reported"]]) == (True, False, "10 against 25")


def test_the_fewest_epochs_are_unknown_while_a_run_is_lost(study: Study, train: Train) -> None:
    train_at_all(train, "plain", 0, {"mid": (60, 60)}, {})
    lose("missing")
    line = seed_line(study, "epochs_to_mark", 0)
    assert np.isnan(line["without"])
    assert not line["at_limit_without"]


def test_the_largest_learning_rate_that_trains(study: Study, train: Train) -> None:
    train_at_all(train, "plain", 0, {}, {"huge": 10.0, "low": 10.0})
    train_at_all(train, "bn", 0, {}, {})
    train_at_all(train, "plain", 1, {}, dict.fromkeys(RATES, 10.0))
    line = seed_line(study, "largest_learning_rate", 0)
    assert tuple(line[["without", "with"]]) == (3e-3, 1e-1)
    assert line["ratio"] == pytest.approx(100 / 3, **EXACT)
    assert tuple(line[["at_limit_without", "at_limit_with"]]) == (False, True)
    none = seed_line(study, "largest_learning_rate", 1)
    assert np.isnan(none["without"])
    assert not none["at_limit_without"]
    assert over_seeds(study, "largest_learning_rate")["at_limit_with"]


def test_a_diverged_rate_does_not_train_and_a_larger_lost_one_is_unknown(study: Study, train: Train) -> None:
    train_at_all(train, "plain", 0, {}, {})
    train("plain-huge", 0, status="diverged", last=80.0)
    assert seed_line(study, "largest_learning_rate", 0)["without"] == 3e-3
    # One that is lost below the largest changes nothing.
    lose("missing")
    assert seed_line(study, "largest_learning_rate", 0)["without"] == 3e-3
    Path(Run("plain-huge", 0).metrics).unlink()
    assert np.isnan(seed_line(study, "largest_learning_rate", 0)["without"])


def test_band_widths_and_their_ratio_over_the_seeds(study: Study, train: Train) -> None:
    for seed, (plain, bn) in enumerate([(4.0, 1.0), (2.0, 1.0)]):
        for prefix, width in (("plain", plain), ("bn", bn)):
            train(f"{prefix}-low", seed, losses=(1, 1))
            train(f"{prefix}-mid", seed, losses=(1, 1))
            train(f"{prefix}-high", seed, losses=(1, 1 + 2 * width))
    summary = over_seeds(study, "band_width")
    # Widths 0 and twice the given one, so on average the given one. Ratios 1/4 and 1/2.
    assert tuple(summary[["without_mean", "with_mean", "unit"]]) == (3.0, 1.0, "loss")
    assert summary["without_std"] == pytest.approx(2**0.5, **EXACT)
    assert summary["with_std"] == 0
    assert summary["ratio"] == pytest.approx(8**-0.5, **EXACT)
    # The logarithms of 1/4 and 1/2 are ln 2 apart: standard error ln 2 / 2, times t(0.975, 1) = 12.706.
    assert summary["ratio_high"] == pytest.approx(8**-0.5 * np.exp(12.7062047 * np.log(2) / 2), rel=1e-6)
    assert summary["ratio_low"] * summary["ratio_high"] == pytest.approx(1 / 8)
    assert tuple(summary[["without_n", "with_n", "ratio_n"]]) == (2, 2, 2)
    # Smoothed over both steps, either end has the mean of the two: the same mean width.
    assert over_seeds(study, "smoothed_band_width")["ratio"] == pytest.approx(8**-0.5, **EXACT)


@pytest.fixture
def trained(study: Study, train: Train) -> None:
    """The probed runs have trained."""
    for variant, seed in product(("plain-mid", "bn-mid"), study.seeds):
        train(variant, seed, last=80.0)


def test_medians_of_the_probes_by_seed(study: Study, trained: None, probe: Write) -> None:
    probe("plain-mid", 0, steps=tuple(probed_step(2 * number, factor) for number, factor in ((1, 3), (2, 2), (3, 99))))
    probe("bn-mid", 0)
    probe("bn-mid", 1)
    line = seed_line(study, "gradient_distance", 0, "sgd")
    # Largest distances 6, 4 and 198, and twice 2.
    assert tuple(line[["without", "with"]]) == (6.0, 2.0)
    assert line["ratio"] == pytest.approx(1 / 3, **EXACT)
    assert tuple(seed_line(study, "relative_gradient_distance", 0, "sgd")[["without", "with"]]) == (1.5, 0.5)
    assert tuple(seed_line(study, "loss_range", 0, "sgd")[["without", "with"]]) == (1.5, 1.5)
    smoothness = over_seeds(study, "smoothness", "sgd")
    assert smoothness["without_mean"] == pytest.approx(15.0, **EXACT)
    assert tuple(smoothness[["without_n", "with_n", "ratio_n"]]) == (1, 2, 1)


@pytest.mark.parametrize("changes", [{"last": 19.9}, {"last": 30.0, "status": "diverged"}, {"spec": {"epochs": 1}}])
def test_a_probed_run_that_does_not_train_is_in_no_median(
    study: Study, trained: None, train: Train, probe: Write, changes: dict
) -> None:
    train("plain-mid", 1, **changes)
    for variant, seed in product(("plain-mid", "bn-mid"), study.seeds):
        probe(variant, seed)
    for matched in (False, True):
        assert seed_line(study, "smoothness", 0, "sgd", matched)["ratio"] == 1
        line = seed_line(study, "smoothness", 1, "sgd", matched)
        assert np.isnan(line["without"])
        assert np.isnan(line["with"]) == matched
    probes = landscape_tables(study)["probes"]
    assert len(probes) == 16
    assert untrained_text(probes, {"sgd": "SGD"}) == (
        "In no median, since they do not train or are not finished: Plain, SGD (seed 1)."
    )


def test_at_matched_loss_only_steps_of_losses_that_both_models_reach_count(
    study: Study, trained: None, probe: Write
) -> None:
    # The plain model stays long at 2.3, where its gradients hardly change, and then follows the other one, whose change
    # is half as large at each loss: 1.2 against 0.6 at 1.5, 2 against 1 at 1, and 4 against 2 at 0.5.
    plain = [(2.3, 0.001)] * 4 + [(1.5, 1.2), (1.0, 2.0), (1.0, 2.0), (1.0, 7.0), (0.5, 4.0)]
    bn = [(1.5, 0.6), (1.01, 1.0), (0.5, 2.0), *[(0.1, 9.0)] * 4]
    for variant, path in (("plain-mid", plain), ("bn-mid", bn)):
        steps = [probed_step(2 * number, factor / 2, loss=loss) for number, (loss, factor) in enumerate(path, start=1)]
        probe(variant, 0, steps=tuple(steps))
    assert tuple(seed_line(study, "gradient_distance", 0, "sgd")[["without", "with"]]) == (1.2, 9.0)
    matched = seed_line(study, "gradient_distance", 0, "sgd", matched=True)
    assert tuple(matched[["without", "with", "ratio"]]) == (2.0, 1.0, 0.5)


def test_what_the_reference_says_stands_beside_the_value_over_all_steps_only(study: Study, finish: Callable) -> None:
    lines = landscape_tables(study)["quantities"]
    said = lines[lines["reported"] != ""][["quantity", "matched", "reported"]]
    assert said.values.tolist() == [["epochs_to_mark", False, "10 against 25"], ["smoothness", False, "smaller"]]


def test_without_a_loss_that_both_reach_nothing_matches(study: Study, trained: None, probe: Write) -> None:
    probe("plain-mid", 0)
    probe("bn-mid", 0, steps=(probed_step(2, loss=0.5), probed_step(4, loss=np.inf), probed_step(6, loss=np.nan)))
    line = seed_line(study, "smoothness", 0, "sgd", matched=True)
    assert line[["without", "with", "ratio"]].isna().all()


def test_an_exploded_step_counts_as_larger_than_any_other(study: Study, trained: None, probe: Write) -> None:
    exploded = probed_step(2, losses=(np.nan, np.nan), gradient_distances=(np.nan, np.nan))
    probe("plain-mid", 0, steps=(probed_step(4, 1), exploded, probed_step(6, 3)))
    probe("plain-mid", 1, steps=(probed_step(4, 1), exploded))
    assert seed_line(study, "gradient_distance", 0, "sgd")["without"] == 6.0
    assert seed_line(study, "gradient_distance", 1, "sgd")["without"] == np.inf
    assert over_seeds(study, "gradient_distance", "sgd")["without_mean"] == np.inf


def test_a_pair_that_is_probed_in_one_model_only_has_no_ratio(
    study_with: Callable, finish: Callable, probe: Write
) -> None:
    probed = LANDSCAPE["probed"] | {"slow": {"learning_rate": RATES["low"]}}
    study = study_with(seeds=[0], variants=VARIANTS, tables={}, landscape=LANDSCAPE | {"probed": probed})
    finish("plain-low", 0)
    probe("plain-low", 0)
    assert set(landscape_tables(study)["probes"]["pair"]) == {"slow"}
    assert set(landscape_tables(study)["by_seed"]["pair"]) == {"", "sgd", "slow"}
    line = seed_line(study, "gradient_distance", 0, "slow")
    assert line["without"] == 2.0
    assert line[["with", "ratio"]].isna().all()
    assert seed_line(study, "gradient_distance", 0, "sgd")[["without", "with"]].isna().all()


@pytest.mark.parametrize("probed", [True, False])
def test_without_runs_there_are_lines_but_no_numbers(study_with: Callable, finish: Callable, probed: bool) -> None:
    section = LANDSCAPE if probed else LANDSCAPE | {"probed": {}}
    study = study_with(seeds=[0, 1], variants=VARIANTS, tables={}, landscape=section)
    tables = landscape_tables(study)
    for name in ("bands", "bands_by_epoch", "accuracies", "probes"):
        assert tables[name].empty
        assert "seed" in tables[name]
    assert tables["learning_rates"]["trains"].isna().all()
    assert list(tables["probe_states"]["status"]) == ["missing"] * (4 if probed else 0)
    summary = tables["quantities"]
    assert tuple(dict.fromkeys(summary["quantity"])) == get_args(Quantity)
    assert (summary[["without_n", "with_n", "ratio_n"]] == 0).all(axis=None)
    assert summary[["without_mean", "with_std", "ratio"]].isna().all(axis=None)
    assert not summary[["at_limit_without", "at_limit_with"]].any(axis=None)


def test_every_table_has_its_columns_also_when_read_from_its_file(study: Study, train: Train, probe: Write) -> None:
    train_band(train, "plain", 0)
    train("bn-low", 0, losses=(4, np.nan), held_out=(40, np.nan), status="diverged", last=None)
    probe("plain-mid", 0)
    tables = landscape_tables(study)
    assert set(tables) == set(TABLES)
    for name, table in tables.items():
        assert {column: str(kind) for column, kind in table.dtypes.items()} == TABLES[name], name
        write_csv(table, f"results/landscape/{name}.csv")
    for name, table in read_landscape("results/landscape").items():
        pd.testing.assert_frame_equal(table, tables[name].fillna({"code": ""}) if "code" in table else tables[name])


def test_the_files_of_a_run_are_read_once(study: Study, train: Train, probe: Write) -> None:
    train_band(train, "plain", 0)
    probe("plain-mid", 0)
    read: Counter[str] = Counter()

    counting = True

    def count(event: str, arguments: tuple) -> None:
        if counting and event == "open" and str(arguments[0]).startswith(("results/runs", "results/probes")):
            read[str(arguments[0])] += 1

    sys.addaudithook(count)
    landscape_tables(study)
    counting = False  # a hook stays
    assert {Path(path).name for path in read} == {"metrics.json", "history.csv", "steps.npz", "probe.json"}
    assert set(read.values()) == {1}


def run_script(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("results").mkdir(exist_ok=True)
    Path("results/study.json").write_text(study.model_dump_json(exclude_unset=True))
    options = ["--study", "results/study.json", "--output", "results/landscape"]
    monkeypatch.setattr(sys, "argv", ["landscape.py", *options])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_the_script_writes_every_frame(
    study: Study, train: Train, probe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_band(train, "plain", 0)
    probe("plain-mid", 0, steps=(probed_step(2, learning_rate=1e-4),))
    run_script(study, monkeypatch)
    assert sorted(path.stem for path in Path("results/landscape").iterdir()) == sorted(TABLES)
    _, first, *_ = Path("results/landscape/bands.csv").read_text().splitlines()
    assert first == "Plain,0,1,1,3,3,5,2,3,4,1"
    _, first, _ = Path("results/landscape/probes.csv").read_text().splitlines()
    assert first == "sgd,SGD,Plain,plain-mid,0,True,gradient,2,1,0.0001,2,4,1.5,3,1.5,1,2,0.5,0.5,5,0.5"


def test_the_script_without_a_landscape(
    study_with: Callable, finish: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_script(study_with(), monkeypatch)
    assert stopped.value.code == "error: study 'small' has no landscape section, so there is no landscape to analyse"
    assert not Path("results/landscape").exists()
