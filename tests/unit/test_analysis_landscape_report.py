"""The landscape section of the report: its numbers, what it says of limits, and what is missing."""

import pandas as pd
import pytest

from ablation.analysis.landscape import report as section
from ablation.analysis.landscape.tables import landscape_tables
from ablation.config.study import Study

NAN = float("nan")


@pytest.fixture
def study():
    rates = {"low": 0.001, "high": 0.1}
    nets = {
        "optimizer": "sgd",
        "record_steps": True,
        "grid": {"model.batch_norm": {"plain": False, "bn": True}, "optimizer.learning_rate": rates},
    }
    landscape = {
        "title": "BN",
        "grid": "nets",
        "models": {"plain": "Plain", "bn": "BN | wide"},
        "band": [0.001, 0.1],
        "probed": {"quick": {"learning_rate": 0.1}},
        "reported": {"smoothness": "smaller"},
    }
    return Study.model_validate(
        {
            "study": "small",
            "seeds": [0, 1],
            "base": {"model": "vgg_a"},
            "variants": {"nets": nets},
            "landscape": landscape,
        }
    )


def quantity_line(quantity, **values):
    line = {"quantity": quantity, "pair": "", "path": "", "matched": False, "reported": ""}
    line |= {"ratio": NAN, "ratio_low": NAN, "ratio_high": NAN, "ratio_n": 0}
    for model in ("without", "with"):
        line |= {f"{model}_mean": NAN, f"{model}_std": NAN, f"at_limit_{model}": False}
    return line | values


def cells(markdown, first):
    """The cells of the line that starts so."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_quantities_are_mean_and_spread_with_ratio_n_and_the_study_s_words(study):
    smooth = quantity_line("smoothness", pair="quick", without_mean=8.0, without_std=1.5, with_mean=2.0, with_std=0.25)
    smooth |= {"ratio": 0.25, "ratio_low": 0.19, "ratio_high": 0.31, "ratio_n": 3, "reported": "smaller"}
    text = section.quantities_markdown(study, pd.DataFrame([smooth]), section.pair_titles(study))
    assert cells(text, "effective") == [
        "effective β-smoothness",
        "SGD at learning rate 0.1",
        "8.00 ± 1.50",
        "2.00 ± 0.25",
        "0.25 (0.19 to 0.31)",
        "3",
        "smaller",
    ]
    assert r"BN \| wide" in text
    matched = smooth | {"matched": True, "path": "optimizer"}
    text = section.quantities_markdown(study, pd.DataFrame([matched]), section.pair_titles(study))
    assert cells(text, "effective")[1:4] == [
        "SGD at learning rate 0.1",
        "the optimizer's step",
        "matched training loss",
    ]


def test_every_line_of_quantities_is_told_from_the_others_wherever_it_is_sorted_to(study):
    names = section.quantity_names(study)
    assert len({*names.values()}) == len(names)
    assert not [name for name in names.values() if "the same" in name or " on it" in name]


def test_models_may_be_called_as_the_other_columns(study):
    landscape = study.landscape.model_copy(update={"models": {"plain": "ratio", "bn": "n"}})
    study = study.model_copy(update={"landscape": landscape})
    values = {"without_mean": 8.0, "with_mean": 2.0, "ratio": 0.25, "ratio_n": 3, "reported": "smaller"}
    line = quantity_line("smoothness", pair="quick", **values)
    text = section.quantities_markdown(study, pd.DataFrame([line]), section.pair_titles(study))
    assert [cell.strip() for cell in text.splitlines()[0].split("|")] == [
        "",
        "",
        "probed",
        "ratio",
        "n",
        "ratio",
        "n",
        "reference",
        "",
    ]
    assert cells(text, "effective")[2:6] == ["8.00", "2.00", "0.25", "3"]


def test_a_pair_of_another_grid_is_named_by_its_own_optimizer(study):
    variants = {
        "nets": study.variants["nets"],
        "adams": {"optimizer": {"learning_rate": 0.002}, "grid": {"model.batch_norm": {"plain": False, "bn": True}}},
    }
    probed = study.landscape.model_dump()["probed"] | {"adam": {"grid": "adams"}}
    landscape = study.landscape.model_dump() | {"probed": probed}
    study = Study.model_validate({"study": "small", "seeds": [0], "variants": variants, "landscape": landscape})
    assert section.pair_titles(study) == {
        "quick": "SGD at learning rate 0.1",
        "adam": "Adam at learning rate 0.002",
    }


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"without_mean": 3.0, "without_std": 1.0}, "3.00 ± 1.00"),
        ({"without_mean": 3.0, "at_limit_without": True}, "3.00 (some seeds never)"),
        ({"at_limit_without": True}, "never"),
        ({}, "–"),
    ],
)
def test_a_figure_beyond_what_was_tried_says_so(study, values, shown):
    other = quantity_line("band_width", without_mean=1.0)
    text = section.quantities_markdown(study, pd.DataFrame([quantity_line("epochs_to_mark", **values), other]), {})
    assert cells(text, "epochs to 50 %")[1] == shown


def test_learning_rates_count_the_runs_that_train_and_name_epochs_by_seed(study):
    columns = ["model", "learning_rate", "seed", "status", "last_accuracy", "trains", "epochs_to_mark"]
    rates = pd.DataFrame(
        [
            ("Plain", 0.1, 0, "completed", 60.0, True, 3),
            ("Plain", 0.1, 1, "diverged", NAN, False, None),
            ("BN | wide", 0.1, 0, "completed", 80.0, True, 1),
            ("BN | wide", 0.1, 1, "missing", NAN, None, None),
        ],
        columns=columns,
    ).astype({"trains": "boolean", "epochs_to_mark": "Int64"})
    text = section.rates_markdown(study.landscape, rates)
    assert cells(text, "0.1") == ["0.1", "60.00", "1 of 2 (1 diverged)", "3, never", "80.00", "1 of 1", "1"]


def test_probed_runs_are_counted_compared_and_the_lost_named(study):
    states = pd.DataFrame(
        {
            "path": ["a.json", "b.json", "c.json"],
            "status": ["completed", "completed", "damaged"],
            "problem": ["", "", "cut off"],
            "same_as_run": [True, False, None],
            "relative_cost": [8.0, 9.0, NAN],
        }
    )
    text = section.probed_text(states)
    assert text.startswith("2 of 3 probed runs are finished. 1 of 2 repeat their run bit for bit")
    assert "8.5 training steps" in text


def test_without_any_run_there_is_a_section_that_says_so(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = section.landscape_section(study, landscape_tables(study))
    names = {"gradient": "probe-quick", "optimizer": "probe-quick-step", "shift": "shift-quick"}
    assert shown["pairs"] == {"SGD at learning rate 0.1": names}
    assert shown["probed"] == "0 of 4 probed runs are finished."
    assert shown["lost_probes"][0] == "`results/probes/nets-plain-high/seed0/probe.json` is missing"
    assert cells(shown["quantities"], "effective")[-2:] == ["0", "smaller"]


def test_a_study_without_a_landscape_has_no_section(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    without = study.model_copy(update={"landscape": None})
    assert section.landscape_section(without, {}) is None
