"""The variants that a table lacks for each of its settings to be told apart."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ablation.analysis.tables import changed_settings
from ablation.config.loading import load_study
from ablation.config.one_factor import one_factor

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "workflow/scripts/one_factor.py"


@pytest.fixture(scope="module")
def study():
    return load_study([ROOT / "config/config.yaml"])


@pytest.mark.parametrize("table", ["losses", "optimizers", "swa"])
def test_what_is_printed_is_a_study_whose_new_rows_differ_in_one_setting(tmp_path, table):
    printed = subprocess.run(
        [sys.executable, SCRIPT, "--configfile", ROOT / "config/config.yaml", "--table", table],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (tmp_path / "config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    (tmp_path / "one.yaml").write_text(printed)
    study = load_study([tmp_path / "one.yaml"])
    rows = study.tables[f"{table}-one-factor"].rows
    changes = [changed_settings(study, rows[0].variant, row.variant) for row in rows]
    assert len(changes[0]) == 0
    assert {len(each) for each in changes[1:]} == {1}
    # Every setting in which a row of the table differs has its own row now.
    of_table = [changed_settings(study, rows[0].variant, row.variant) for row in study.tables[table].rows]
    wanted = {change for each in of_table if len(each) > 1 for change in each}
    assert wanted == {change for each in changes for change in each}


def test_a_variant_that_the_study_has_is_only_a_row(study):
    found = one_factor(study, "optimizers")
    assert "adam-optimizer-sgd" not in found["variants"]
    assert "sgd" in [row["variant"] for row in found["tables"]["optimizers-one-factor"]["rows"]]


def test_two_settings_of_one_loss_are_two_variants(study):
    variants = one_factor(study, "losses")["variants"]
    gammas = {name: each["loss"]["gamma"] for name, each in variants.items() if "focal" in name}
    assert gammas == {"adam-loss-focal": 1.0, "adam-loss-focal-v2": 2.0}


@pytest.mark.parametrize(("table", "error"), [("activations", "lacks none"), ("nothing", "no table 'nothing'")])
def test_nothing_to_write(study, table, error):
    with pytest.raises(ValueError, match=error):
        one_factor(study, table)


@pytest.mark.parametrize(
    ("variants", "baseline", "row"),
    [
        # A baseline that a grid made, of which a change at depth leaves the rest as it is.
        (
            {
                "net": {"grid": {"optimizer": ["sgd"], "optimizer.momentum": [0.5]}},
                "other": {"optimizer": {"name": "sgd", "momentum": 0.9}, "epochs": 3},
            },
            "net-sgd-5e-1",
            "other",
        ),
        # A name that the study has already, for other settings.
        (
            {
                "plain": {},
                "plain-epochs-3": {"epochs": 9},
                "other": {"epochs": 3, "batch_size": 64},
            },
            "plain",
            "other",
        ),
    ],
)
def test_each_new_variant_is_the_baseline_but_for_one_setting(tmp_path, variants, baseline, row):
    rows = [{"variant": name, "label": name} for name in (baseline, row)]
    config = {"study": "s", "seeds": [0], "variants": variants, "tables": {"t": {"title": "T", "rows": rows}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    found = one_factor(load_study([tmp_path / "study.yaml"]), "t")
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"extends": "study.yaml", **found}))
    study = load_study([tmp_path / "one.yaml"])
    changes = [changed_settings(study, baseline, each.variant) for each in study.tables["t-one-factor"].rows]
    assert sorted(change for each in changes for change in each) == sorted(changed_settings(study, baseline, row))
    assert {len(each) for each in changes[1:]} == {1}
