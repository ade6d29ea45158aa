"""Means, spreads and differences, against numbers computed by hand."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ablation.analysis.frames import frame, read_csv, write_csv
from ablation.analysis.runs import load_runs
from ablation.analysis.tables import COMPARISON, comparison, cost, settings_overview, table_of
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.escaping import one_line
from ablation.runs.records import RunRecord

Finish = Callable[..., RunRecord]
EXACT = {"abs": 1e-9}


def line(study: Study, table: str, label: str) -> pd.Series:
    return comparison(study, study.tables[table], load_runs(study)).set_index("label").loc[label]


def test_mean_spread_and_difference(study: Study, finish: Finish) -> None:
    for seed, (best, last) in enumerate([(88.0, 87.0), (89.0, 87.5), (90.0, 89.0)]):
        finish("adam", seed, best=best, last=last)
    row = line(study, "optimizers", "Adam")
    assert (row["variant"], row["n"], row["reported"]) == ("adam", 3, 88.42)
    assert row["mean"] == pytest.approx(89.0, **EXACT)
    assert row["std"] == pytest.approx(1.0, **EXACT)
    assert row["reported_difference"] == pytest.approx(0.58, **EXACT)
    # (87 + 87.5 + 89) / 3 = 87.8333; deviations -5/6, -1/3, 7/6; variance (25 + 4 + 49) / 36 / 2 = 13 / 12
    assert row["last_mean"] == pytest.approx(87 + 5 / 6, **EXACT)
    assert row["last_std"] == pytest.approx((13 / 12) ** 0.5, **EXACT)
    assert (row["diverged"], row["missing"]) == (0, 0)


def test_rows_stand_in_the_order_of_the_table(study: Study, finish: Finish) -> None:
    finish("sgd", 0)
    assert list(comparison(study, study.tables["optimizers"], load_runs(study))["variant"]) == ["adam", "sgd"]


def test_one_run_has_no_spread(study: Study, finish: Finish) -> None:
    finish("adam", 1, best=88.0)
    row = line(study, "optimizers", "Adam")
    assert (row["n"], row["mean"], row["missing"]) == (1, 88.0, 2)
    assert pd.isna(row["std"])
    assert pd.isna(row["last_std"])


def test_no_run_has_no_figure(study: Study, finish: Finish) -> None:
    finish("sgd", 0)
    row = line(study, "optimizers", "Adam")
    assert (row["n"], row["missing"], row["reported"]) == (0, 3, 88.42)
    assert row[["mean", "std", "difference", "last_mean"]].isna().all()


def test_diverged_runs_are_counted_and_in_no_mean(study: Study, finish: Finish) -> None:
    finish("sgd", 0, best=70.0, last=69.0)
    finish("sgd", 1, best=11.0, last=10.0, status="diverged")
    finish("sgd", 2, best=72.0, last=71.0)
    row = line(study, "optimizers", "SGD | plain_1")
    assert (row["n"], row["mean"], row["last_mean"], row["diverged"], row["missing"]) == (2, 71.0, 70.0, 1, 0)


def test_outdated_and_damaged_runs_count_as_missing(study: Study, finish: Finish) -> None:
    finish("adam", 0, best=88.0)
    finish("adam", 1, best=11.0, spec={"epochs": 1})
    finish("adam", 2, best=11.0)
    Path(Run("adam", 2).metrics).write_text("{")
    row = line(study, "optimizers", "Adam")
    assert (row["n"], row["mean"], row["missing"]) == (1, 88.0, 2)


def test_a_variant_in_two_tables_has_the_same_figures(study: Study, finish: Finish) -> None:
    finish("adam", 0, best=88.0)
    finish("adam", 1, best=89.0)
    shared = ["variant", "n", "mean", "std"]
    one, other = line(study, "optimizers", "Adam"), line(study, "averages", "CrossEntropy (A)")
    assert one["mean"] == 88.5
    assert one[shared].equals(other[shared])


def test_an_averaged_row_compares_the_average(study: Study, finish: Finish) -> None:
    finish("swa", 0, best=81.0, averaged=83.0)
    finish("swa", 1, best=82.0, averaged=85.0)
    assert line(study, "averages", "Averaged")["mean"] == 84.0
    assert line(study, "averages", "Not averaged")["mean"] == 81.5


def test_differences_are_those_of_the_means_that_are_told(study: Study, finish: Finish) -> None:
    for seed, last in enumerate((70.0, 71.0, 73.0)):
        finish("adam", seed, best=80.0 + seed, last=last)
        finish("swa", seed, best=81.0, last=60.0 + seed, averaged=83.0 + 2 * seed)
    table = comparison(study, study.tables["averages"], load_runs(study)).set_index("label")
    baseline = table[table["baseline"]].iloc[0]
    for mean, difference in (("mean", "difference"), ("last_mean", "last_difference")):
        others = table[~table["baseline"]]
        assert list(others[difference]) == pytest.approx(list(others[mean] - baseline[mean]))
    assert table.loc["Averaged", "last_mean"] == 85.0


def test_n_counts_the_runs_behind_the_mean(study: Study, finish: Finish) -> None:
    finish("swa", 0, averaged=83.0)
    finish("swa", 1, averaged=None)
    assert line(study, "averages", "Averaged")["n"] == 1


def test_nothing_reported_nothing_to_differ_from(study: Study, finish: Finish) -> None:
    finish("swa", 0, averaged=83.0)
    assert line(study, "averages", "Averaged")[["reported", "reported_difference"]].isna().all()


def test_unknown_table(study: Study) -> None:
    with pytest.raises(ValueError, match="no table 'optimisers'; tables of this study: optimizers, averages"):
        table_of(study, "optimisers")


def test_csv_has_eight_digits_and_empty_cells(study: Study, finish: Finish, tmp_path: Path) -> None:
    finish("adam", 0, best=88.12345)
    write_csv(comparison(study, study.tables["optimizers"], load_runs(study)), tmp_path / "tables/optimizers.csv")
    header, adam, *_ = (tmp_path / "tables/optimizers.csv").read_text().splitlines()
    assert header == ",".join(COMPARISON)
    assert adam == "adam,Adam,True,1,88.12345,,88.12345,88.42,-0.29655,,,,,79,,,,,,0,2,,0,,"


@pytest.mark.parametrize("label", ["=cmd()", "-5", "+1", "@x", "'=x'", 'a, "b"\r\n c', "漢 'q'", "nan", ""])
def test_a_csv_is_run_by_no_spreadsheet_and_reads_back_the_same(tmp_path: Path, label: str) -> None:
    columns = {"label": "object", "difference": "float64", "n": "Int64"}
    table = frame([{"label": one_line(label), "difference": -1.5, "n": -2}, {"label": "", "n": 1}], columns)
    write_csv(table, tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        cells = list(csv.reader(file))[1]
    assert cells[0][:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert cells[1:] == ["-1.5", "-2"]
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv", columns), table)


def test_overview_names_what_differs_from_base(study: Study, finish: Finish) -> None:
    finish("sgd", 0)
    finish("sgd", 1, status="diverged")
    overview = settings_overview(study, load_runs(study)).set_index("variant")
    assert overview.loc["adam", "settings"] == ""
    sgd = "grad_clip null, optimizer sgd, optimizer.momentum 0.9, optimizer.nesterov false, optimizer.weight_decay 0.0"
    assert overview.loc["sgd", "settings"] == sgd
    averaging = "averaging swa, averaging.anneal_epochs 10, averaging.learning_rate 0.0005, averaging.start 4"
    assert overview.loc["swa", "settings"] == f"{averaging}, epochs 6, model.filters [128, 256, 512]"
    assert tuple(overview.loc["sgd", ["parameters", "n"]]) == (2_603_274, 1)
    assert pd.isna(overview.loc["adam", "parameters"])


def test_overview_leaves_out_what_the_override_decides(study_with: Callable, finish: Finish) -> None:
    finish("adam", 0)
    study = study_with(override={"epochs": 5})
    overview = settings_overview(study, load_runs(study)).set_index("variant")
    assert ", epochs" not in overview.loc["swa", "settings"]


def overview_of(study: Study) -> dict[str, str]:
    return dict(settings_overview(study, load_runs(study))[["variant", "settings"]].values.tolist())


def test_overview_leaves_out_what_a_variant_repeats_of_base_or_no_longer_has(
    study_with: Callable, finish: Finish
) -> None:
    variants = {"adam": {"optimizer": {"learning_rate": 0.001}}, "relu": {"model": {"activation": "relu"}}}
    assert overview_of(study_with(variants=variants, tables={})) == {"adam": "", "relu": "model.activation relu"}


def test_overview_has_a_line_for_each_variant_of_a_grid(study_with: Callable, finish: Finish) -> None:
    grid = {"optimizer": ["adam", "sgd"], "optimizer.learning_rate": [0.01]}
    assert overview_of(study_with(variants={"rates": {"grid": grid}}, tables={})) == {
        "rates-adam-1e-2": "optimizer.learning_rate 0.01",
        "rates-sgd-1e-2": "optimizer sgd, optimizer.learning_rate 0.01, optimizer.momentum 0.9, "
        "optimizer.nesterov false",
    }


def test_cost_of_finished_runs(study: Study, finish: Finish) -> None:
    for seed in study.seeds:
        finish("adam", seed)
    finish("sgd", 0, status="diverged")
    table = cost(load_runs(study)).set_index("variant")
    assert list(table.index) == ["adam", "sgd", "total"]
    table, energy = table.drop(columns="energy_joules"), table["energy_joules"]
    assert tuple(table.loc["adam"]) == (3, 10800.0, 5400.0, 1100.0, 3.0, 3)
    assert tuple(table.loc["sgd"]) == (1, 3600.0, 1800.0, 1000.0, 1.0, 0)
    assert tuple(table.loc["total"].drop("images_per_second")) == (4, 14400.0, 7200.0, 3.0, 3)
    assert energy.isna().all()
    assert pd.isna(table.loc["total", "images_per_second"])
