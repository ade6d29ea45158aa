"""What a study of many runs costs before its first job: to check its config, and `snakemake -n`.

python tests/bench/scale.py [--runs 1000 2000 5000 10000 20000] [--json scale.json]

In: nothing. Out: for each number of runs and each shape of a study, the seconds, the processor seconds and the peak
memory (MB) of both, without results, and the same as JSON with the machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from results import add_json, tell
from throughput import copy_project

HERE = Path(__file__).resolve().parent
CONFIG = "config/scale.yaml"
WEIGHT_DECAYS = 100
TABLES, ROWS = 20, 10


class Shape(NamedTuple):
    """How the runs of a study come about: seeds of each variant, and whether a job trains all of them."""

    seeds: int
    packed: bool = False


SHAPES = {"1 seed": Shape(1), "5 seeds": Shape(5), "5 seeds, packed": Shape(5, packed=True)}
PYTHON = "import sys; sys.path.insert(0, 'workflow/scripts')\n"
CHECK = f"{PYTHON}from ablation.config.loading import load_study\nload_study([{CONFIG!r}])"
DRY_RUN = [sys.executable, "-m", "snakemake", "-n", "--configfile", CONFIG]


def study(runs: int, shape: Shape) -> dict[str, Any]:
    """A grid of so many runs, and tables of some of them."""
    rates = runs // shape.seeds // WEIGHT_DECAYS
    axes = {
        "optimizer.learning_rate": {str(index): 1e-3 * (1 + index / 1000) for index in range(rates)},
        "optimizer.weight_decay": {str(index): 1e-5 * (1 + index / 1000) for index in range(WEIGHT_DECAYS)},
    }
    names = [f"rate-{index // WEIGHT_DECAYS}-{index % WEIGHT_DECAYS}" for index in range(TABLES * ROWS)]
    rows = [{"variant": name, "label": name} for name in names]
    return {
        "study": "scale",
        "data": {"name": "digits"},
        "seeds": list(range(shape.seeds)),
        "jobs": {"pack_seeds": shape.packed},
        "variants": {"rate": {"grid": axes}},
        "tables": {
            f"t{index}": {"title": "Rates", "rows": rows[index * ROWS : (index + 1) * ROWS]} for index in range(TABLES)
        },
    }


def measured(command: list[str]) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of a command."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            output.seek(0)
            sys.exit(output.read().decode()[-3000:])
    return {
        "wall s": round(wall, 2),
        "processor s": round(used.ru_utime + used.ru_stime, 2),
        "MB": round(used.ru_maxrss / 1024),
    }


def steps_of(runs: int, shape: Shape) -> dict[str, dict[str, float]]:
    """What each step of such a study costs, in a new copy of the project."""
    with tempfile.TemporaryDirectory() as name:
        copy_project(Path(name))
        os.chdir(name)
        Path(CONFIG).write_text(json.dumps(study(runs, shape)), encoding="utf-8")
        found = {"check": measured([sys.executable, "-c", CHECK]), "snakemake -n": measured(DRY_RUN)}
        os.chdir(HERE)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 2000, 5000, 10_000, 20_000])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    add_json(parser)
    arguments = parser.parse_args()
    output = arguments.json.absolute() if arguments.json else None
    rows = []
    for runs, shape in product(arguments.runs, arguments.shapes):
        steps = steps_of(runs, SHAPES[shape])
        rows += [{"runs": runs, "as": shape, "step": step} | used for step, used in steps.items()]
    tell(rows, output)


if __name__ == "__main__":
    main()
