"""What the analysis costs by the number of runs: finished runs are made up, then each step is run on them.

python tests/bench/analysis_scale.py [--runs 1000 10000] [--json scale.json]

In: nothing. Out: a table of seconds and peak memory (MB) a step, and the same as JSON with the machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import surroundings

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from ablation.config import matrix
from ablation.config.loading import load_study
from ablation.config.settings import spec
from ablation.config.study import Study
from ablation.data.prepare import prepare
from ablation.files import digest_of_file
from ablation.runs.provenance import training_digest
from ablation.runs.records import HISTORY, HISTORY_COLUMNS, Cost, Origin, RunRecord, write_history, write_record
from ablation.training.outcome import Score

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [0, 1, 2, 3, 4]
ROWS_OF_TABLE = 10
TABLES = 20
EPOCHS = 50


def config_of(runs: int) -> dict:
    """A study of so many runs, and tables of some of them."""
    dropouts = [round(0.9 * index / (runs // len(SEEDS)), 6) for index in range(runs // len(SEEDS))]
    names = [f"v{index}" for index in range(len(dropouts))]
    rows = [{"variant": name, "label": name, "reported": 80.0} for name in names]
    parts = [rows[start : start + ROWS_OF_TABLE] for start in range(0, len(rows), ROWS_OF_TABLE)][:TABLES]
    claims = {
        f"c{index}": {
            "says": "A.",
            "kind": "greater",
            "table": f"t{index}",
            "rows": [row["variant"] for row in part[:2]],
        }
        for index, part in enumerate(parts)
    }
    return {
        "study": "scale",
        "claims": claims,
        "data": {"name": "digits"},
        "seeds": SEEDS,
        "base": {"epochs": EPOCHS},
        "variants": {name: {"model": {"dropout": each}} for name, each in zip(names, dropouts, strict=True)},
        "tables": {f"t{index}": {"title": f"Table {index}", "rows": part} for index, part in enumerate(parts)},
    }


def make_results(study: Study) -> None:
    """The prepared data, and a record and a history for every run."""
    folder = Path("results/data/digits")
    prepare(study.data, folder, "")
    make_runs(study, json.loads((folder / "data.json").read_text())["digest"])


def make_runs(study: Study, digest: str) -> None:
    """A record and a history for every run."""
    generator = np.random.default_rng(0)
    for run in matrix.runs(study):
        settings, folder = study.matrix.settings[run.variant], Path(run.directory)
        folder.mkdir(parents=True)
        accuracy = 80 + generator.normal(0, 0.3) - 20 * np.exp(-np.arange(EPOCHS) / 5)
        rows = [
            dict(zip(HISTORY_COLUMNS, (epoch, 0.001, 0.5, each, 0.6, each, each), strict=True))
            for epoch, each in enumerate(accuracy.tolist(), start=1)
        ]
        write_history(folder / HISTORY, rows)
        write_record(folder / "metrics.json", record_of(run, settings, digest, float(accuracy[-1])))


def record_of(run, settings, digest: str, accuracy: float) -> RunRecord:
    score = Score(epoch=EPOCHS, held_out_loss=0.6, held_out_accuracy=accuracy, test_accuracy=accuracy)
    return RunRecord(
        study="scale",
        variant=run.variant,
        seed=run.seed,
        status="completed",
        spec=spec(settings),
        parameters=2_603_274,
        epochs=EPOCHS,
        best=score,
        last=score,
        averaged=None,
        best_model=None,
        held_out_part="test",
        cost=Cost(
            wall_seconds=30,
            device_seconds=25,
            train_seconds=22,
            images_per_second=1e5,
            peak_memory_bytes=2**30,
            interruptions=0,
        ),
        origin=Origin(
            device="made up",
            threads=1,
            versions={"torch": "2"},
            git_commit=None,
            code_digest=training_digest(settings),
            data_digest=digest,
        ),
        files={HISTORY: digest_of_file(Path(run.directory, HISTORY))},
    )


# Runs a script and says its peak memory, which `wait` would not tell apart from that of the process that forked it.
WITH_MEMORY = """
import runpy, sys
del sys.argv[0]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def timed(name: str, *command: str) -> dict:
    """Seconds and peak memory of a command of the workflow."""
    start = time.perf_counter()
    script = str(ROOT / "workflow/scripts" / command[0])
    call = [sys.executable, "-c", WITH_MEMORY, script, *command[1:]]
    memory = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    return {"step": name, "seconds": round(time.perf_counter() - start, 2), "mb": round(int(memory.split()[-1]) / 1024)}


def measured(runs: int) -> list[dict]:
    """Every step of the analysis of so many runs."""
    Path("config.json").write_text(json.dumps(config_of(runs)))
    Path("config.json").rename("config.yaml")
    study = load_study(["config.yaml"])
    make_results(study)
    of_study, runs_csv = ("--study", "results/study.json"), "results/tables/runs.csv"
    steps = [
        timed("write_study", "write_study.py", "--configfile", "config.yaml", "--output", "results/study.json"),
        timed("list_runs", "list_runs.py", *of_study, "--output", runs_csv),
        timed("status", "status.py", "--configfile", "config.yaml"),
        timed("plan", "plan.py", "--configfile", "config.yaml"),
    ]
    tables = [compare(table) for table in study.tables]
    landscape = ("--landscape", "results/landscape")
    claims = ("--output", "results/tables/claims.csv", "results/tables/claims.tex", "results/claims.json")
    report = ("--runs", runs_csv, *landscape, "--output", "results/report.md")
    return [
        *steps,
        {"step": f"compare, {len(tables)} tables", "seconds": round(sum(tables), 2), "mb": 0},
        timed("judge_claims", "judge_claims.py", *of_study, "--runs", runs_csv, *landscape, *claims),
        timed("write_report", "write_report.py", *of_study, *report),
    ]


def compare(table: str) -> float:
    """Seconds for the comparison and the two figures of a table."""
    of_table = ("--study", "results/study.json", "--table", table)
    csv, tex = (f"results/tables/{table}.{ending}" for ending in ("csv", "tex"))
    figures = [f"results/figures/{table}{kind}.png" for kind in ("", "-curves")]
    steps = [
        timed("", "compare.py", *of_table, "--output", csv, tex),
        timed("", "plot_comparison.py", *of_table, "--comparison", csv, "--output", figures[0]),
        timed("", "plot_curves.py", *of_table, "--output", figures[1]),
    ]
    return sum(step["seconds"] for step in steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for runs in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            found[runs] = measured(runs)
            os.chdir(ROOT)
        for each in found[runs]:
            print(f"{runs:>7} runs  {each['step']:20} {each['seconds']:8.2f} s {each['mb']:6} MB", flush=True)
    surroundings.write(arguments.json, {"runs": found})


if __name__ == "__main__":
    main()
