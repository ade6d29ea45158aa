"""The scripts write what their options name, and tell a user's error in one line."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ablation.config.study import Study
from ablation.runs.records import RunRecord

Finish = Callable[..., RunRecord]
FullDisk = Callable[[], AbstractContextManager[None]]
SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
DEMO = Path(__file__).parents[2] / "config/demo.yaml"


@pytest.fixture
def run_script(study: Study, finish: Finish, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a script as a command would, beside one finished run."""
    finish("adam", 0, best=88.0)
    Path("results/study.json").write_text(study.model_dump_json(exclude_unset=True))

    def run(name: str, *options: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, "--study", "results/study.json", *options])
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")

    return run


def test_compare(run_script: Callable) -> None:
    run_script(
        "compare.py",
        "--table",
        "optimizers",
        "--output",
        "results/tables/optimizers.csv",
        "results/tables/optimizers.tex",
    )
    lines = Path("results/tables/optimizers.csv").read_text().splitlines()
    assert lines[1].startswith("adam,Adam,True,1,88,,88,88.42,-0.42,")
    assert len(lines) == 3


def test_plot_curves(run_script: Callable) -> None:
    outputs = ["results/figures/optimizers.svg", "results/figures/optimizers.png"]
    run_script("plot_curves.py", "--table", "optimizers", "--output", *outputs)
    assert "<svg" in Path(outputs[0]).read_text()
    assert Path(outputs[1]).read_bytes().startswith(b"\x89PNG")


def test_list_runs(run_script: Callable) -> None:
    run_script("list_runs.py", "--output", "results/tables/runs.csv")
    lines = Path("results/tables/runs.csv").read_text().splitlines()
    assert len(lines) == 10
    assert lines[1].startswith("adam,0,completed,88,3,79,,7.5,,4,2603274,3600,")
    assert lines[2].startswith("adam,1,missing,,,")


REPORT = ["--runs", "results/tables/runs.csv", "--landscape", "results/landscape", "--output", "results/report.md"]


def test_write_report_reads_the_tables_and_nothing_else(run_script: Callable, study: Study) -> None:
    run_script("list_runs.py", "--output", "results/tables/runs.csv")
    for table in study.tables:
        run_script(
            "compare.py", "--table", table, "--output", f"results/tables/{table}.csv", f"results/tables/{table}.tex"
        )
    shutil.rmtree("results/runs")
    run_script("write_report.py", *REPORT)
    report = Path("results/report.md").read_text()
    assert "1 of 9 runs completed" in report
    assert re.search(r"\| Adam .*\| 1 \(2 missing\) \| +88\.00", report)


@pytest.mark.parametrize("script", ["compare.py", "plot_curves.py"])
def test_an_unknown_table_is_one_line(run_script: Callable, script: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_script(script, "--table", "nothing", "--output", "results/out.svg", "results/out.png")
    assert stopped.value.code == "error: no table 'nothing'; tables of this study: optimizers, averages"
    assert not Path("results/out.svg").exists()


def test_an_error_does_nothing_to_the_terminal(run_script: Callable) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_script("compare.py", "--table", "\x1b[2J", "--output", "results/out.csv", "results/out.tex")
    assert str(stopped.value.code).startswith(r"error: no table '\x1b[2J'; tables of")


def test_a_damaged_study_is_one_line(run_script: Callable) -> None:
    Path("results/study.json").write_text("{")
    with pytest.raises(SystemExit) as stopped:
        run_script("write_report.py", *REPORT)
    assert str(stopped.value.code).startswith("error: results/study.json holds no valid study")


def test_a_lost_file_of_components_is_one_line(run_script: Callable, study_with: Callable[..., Study]) -> None:
    study = study_with(components=["mine.py"])
    Path("results/study.json").write_text(study.model_dump_json(exclude_unset=True))
    with pytest.raises(SystemExit) as stopped:
        run_script("compare.py", "--table", "optimizers", "--output", "results/out.csv", "results/out.tex")
    assert stopped.value.code == "error: mine.py: cannot be read: No such file or directory"


OF_TABLE = ["--table", "optimizers"]
OPTIONS = {
    "compare.py": [*OF_TABLE, "--output", "results/tables/optimizers.csv", "results/tables/optimizers.tex"],
    "plot_comparison.py": [
        *(*OF_TABLE, "--comparison", "results/tables/optimizers.csv"),
        *("--output", "results/figures/optimizers.png"),
    ],
    "plot_curves.py": [*OF_TABLE, "--output", "results/figures/optimizers-curves.png"],
    "list_runs.py": ["--output", "results/tables/runs.csv"],
    "landscape.py": ["--output", "results/landscape"],
    "plot_landscape.py": ["--folder", "results/landscape"],
    "judge_claims.py": [
        *("--runs", "results/tables/runs.csv", "--landscape", "results/landscape"),
        *("--output", "results/tables/claims.csv", "results/tables/claims.tex", "results/claims.json"),
    ],
    "plot_claims.py": ["--claims", "results/tables/claims.csv", "--output", "results/figures/claims.png"],
    "write_report.py": REPORT,
}
NETS = {
    "record_steps": True,
    "grid": {"model.batch_norm": {"plain": False, "bn": True}, "optimizer.learning_rate": [0.01, 0.1]},
}
LANDSCAPE = {"title": "Nets", "grid": "nets", "models": {"plain": "Plain", "bn": "BN"}, "band": [0.01, 0.1]}


def test_on_a_full_disk_each_script_ends_in_one_line_and_leaves_what_was_there(
    run_script: Callable, study_with: Callable[..., Study], study: Study, full_disk: FullDisk
) -> None:
    tables = {"optimizers": study.tables["optimizers"]}
    claims = {"a": {"says": "A.", "kind": "greater", "table": "optimizers", "rows": ["adam", "sgd"]}}
    study = study_with(variants=study.variants | {"nets": NETS}, tables=tables, landscape=LANDSCAPE, claims=claims)
    Path("results/study.json").write_text(study.model_dump_json(exclude_unset=True))
    for script, options in OPTIONS.items():
        run_script(script, *options)
    whole = {path: path.read_bytes() for path in Path("results").rglob("*.*") if path.is_file()}
    for script, options in OPTIONS.items():
        with full_disk(), pytest.raises(SystemExit) as stopped:
            run_script(script, *options)
        file, _, reason = str(stopped.value.code).removeprefix("error: ").partition(" cannot be read or written: ")
        assert Path(file) in whole
        assert reason == "File too large. Once that is fixed, run the same command again"
    assert {path: path.read_bytes() for path in Path("results").rglob("*.*") if path.is_file()} == whole


def test_on_a_full_disk_the_checked_study_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_disk: FullDisk
) -> None:
    output = tmp_path / "study.json"
    monkeypatch.setattr(sys, "argv", ["write_study.py", "--configfile", str(DEMO), "--output", str(output)])
    with full_disk(), pytest.raises(SystemExit, match=r"study\.json cannot be read or written: File too"):
        runpy.run_path(str(SCRIPTS / "write_study.py"), run_name="__main__")
    assert not output.exists()
