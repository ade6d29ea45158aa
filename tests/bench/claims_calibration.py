"""How often verdicts are wrong, and how often they find what is there, on simulated studies whose truth is known.

python tests/bench/claims_calibration.py [--studies 10000] [--seeds 3 5 10] [--json calibration.json]

In: nothing. Out: a table, and the same as JSON with the machine and the versions. Each simulated study has accuracies
that are drawn from one distribution (normal, skewed, or normal with one seed in ten stuck at chance), and goes through
the code that judges claims. In every section the truth is at the edge of what its claims say, where a test errs most
often, so a verdict of the wrong kind may come in 5 % of the studies at most, all claims of a section together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import surroundings

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from ablation.analysis.claims import verdicts
from ablation.analysis.evidence import Sources
from ablation.config.study import Row, Study, Table

MARGIN, SPREAD, MEAN = 0.75, 0.2, 88.0
STUCK_SHARE, CHANCE = 0.1, 10.0
Draw = Callable[[np.random.Generator, int], np.ndarray]
# Means of the rows, in points above MEAN: equal ones, one that is just as far off as the margin, and a clear one.
ROWS = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0, "far": -MARGIN, "clear": 3 * SPREAD}
CLAIMS = {
    "equal-1": {"kind": "greater", "table": "equal", "rows": ["a", "b"]},
    "equal-2": {"kind": "greater", "table": "equal", "rows": ["a", "c"]},
    "equal-3": {"kind": "greater", "table": "equal", "rows": ["a", "d"]},
    "chain": {"kind": "greater", "table": "chain", "rows": ["clear", "a", "b"]},
    "similar": {"kind": "similar", "table": "similar", "rows": ["a", "far"]},
    "by-margin": {"kind": "greater", "table": "by-margin", "rows": ["a", "far"], "by": "margin"},
    "reaches": {"kind": "reaches", "table": "reaches", "row": "a"},
    "clear": {"kind": "greater", "table": "clear", "rows": ["clear", "a"]},
    "ratio": {"kind": "ratio", "quantity": "band_width"},
    "epochs": {"kind": "fewer_epochs"},
}
# Verdicts that are wrong, by section: where the truth is at the edge, none of these two is right.
EITHER = ("supported", "contradicted")
WRONG = {
    "equal": EITHER,
    "chain": EITHER,
    "similar": ("supported",),
    "by-margin": EITHER,
    "reaches": ("contradicted",),
    "landscape": EITHER,
}


def normal(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.normal(0, SPREAD, count)


def skewed(generator: np.random.Generator, count: int) -> np.ndarray:
    """A gamma distribution turned round, as accuracies have their long tail below; its skewness is -1.4."""
    return SPREAD * (2 - generator.gamma(2, 1, count)) / np.sqrt(2)


def stuck(generator: np.random.Generator, count: int) -> np.ndarray:
    """One seed in ten does not train at all."""
    return np.where(generator.random(count) < STUCK_SHARE, CHANCE - MEAN, normal(generator, count))


DISTRIBUTIONS: dict[str, Draw] = {"normal": normal, "skewed": skewed, "stuck": stuck}


def study_of(seeds: int) -> Study:
    tables = {}
    for name, claim in CLAIMS.items():
        if "table" in claim:
            rows = claim.get("rows", [claim.get("row")])
            table = tables.setdefault(claim["table"], {"title": name, "rows": []})
            known = [row["variant"] for row in table["rows"]]
            table["rows"] += [{"variant": row, "label": row, "reported": MEAN} for row in rows if row not in known]
    grid = {"model.batch_norm": {"plain": False, "bn": True}, "optimizer.learning_rate": [0.001, 0.01]}
    nets = {"model": {"name": "vgg_a"}, "record_steps": True, "grid": grid}
    variants = {name: {"model": {"dropout": index / 10}} for index, name in enumerate(ROWS)}
    return Study.model_validate(
        {
            "study": "simulated",
            "seeds": list(range(seeds)),
            "variants": variants | {"nets": nets},
            "tables": tables,
            "landscape": {"title": "L", "grid": "nets", "models": {"plain": "A", "bn": "B"}, "band": [0.001, 0.01]},
            "claims": {name: {"says": name} | claim for name, claim in CLAIMS.items()},
            "statistics": {"margin": MARGIN, "looks": 1},
        }
    )


def simulated(study: Study, draw: Draw, generator: np.random.Generator) -> Sources:
    """Runs and landscape of one study. What a row's runs reach was reported of one more such run."""
    count = len(study.seeds)
    lines = [
        {"variant": name, "seed": seed, "status": "completed", "best_accuracy": MEAN + mean + each}
        for name, mean in ROWS.items()
        for seed, each in enumerate(draw(generator, count))
    ]
    widths = {side: np.exp(draw(generator, count)) for side in ("without", "with")}
    epochs = {side: generator.integers(1, 8, count).astype(float) for side in ("without", "with")}
    by_seed = pd.concat(
        [
            pd.DataFrame({"quantity": quantity, "seed": study.seeds, **values})
            for quantity, values in (("band_width", widths), ("epochs_to_mark", epochs))
        ]
    ).assign(pair="", path="", matched=False, at_limit_without=False, at_limit_with=False)
    runs = pd.DataFrame(lines, columns=["variant", "seed", "status", "best_accuracy"])
    reported = MEAN + draw(generator, 1)[0]
    tables = {name: table.model_copy(update={"rows": _with(reported, table)}) for name, table in study.tables.items()}
    one = study.model_copy(update={"tables": tables})
    return Sources(one, runs, {"by_seed": by_seed})


def _with(reported: float, table: Table) -> tuple[Row, ...]:
    return tuple(row.model_copy(update={"reported": reported}) for row in table.rows)


def tally(seeds: int, distribution: str, job: tuple[int, int]) -> dict[str, int]:
    """Of so many studies: in how many a section had a wrong verdict, and the clear difference was found."""
    first, studies = job
    study, generator = study_of(seeds), np.random.default_rng([first, seeds, list(DISTRIBUTIONS).index(distribution)])
    counts = dict.fromkeys([*WRONG, "power"], 0)
    sections = {name: claim.section for name, claim in study.claims.items()}
    for _ in range(studies):
        judged = verdicts(simulated(study, DISTRIBUTIONS[distribution], generator))
        found = {name: verdict for name, (_, _, verdict) in judged.items()}
        for section, wrong in WRONG.items():
            counts[section] += any(found[name] in wrong for name in found if sections[name] == section)
        counts["power"] += found["clear"] == "supported"
    return counts


def rates(seeds: int, distribution: str, studies: int, processes: int) -> dict[str, float]:
    """Shares of the studies, in percent."""
    part = -(-studies // (8 * processes))
    jobs = [(first, min(part, studies - first)) for first in range(0, studies, part)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        counts = pool.map(partial(tally, seeds, distribution), jobs)
    return {key: 100 * sum(each[key] for each in counts) / studies for key in counts[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"| runs | seeds | {' | '.join(WRONG)} | finds 3 sd |")
    print("|---|---|" + "---|" * (len(WRONG) + 1))
    found = []
    for distribution in DISTRIBUTIONS:
        for seeds in arguments.seeds:
            shares = rates(seeds, distribution, arguments.studies, arguments.processes)
            found.append({"runs": distribution, "seeds": seeds} | shares)
            print(
                f"| {distribution} | {seeds} | {' | '.join(f'{share:.1f} %' for share in shares.values())} |",
                flush=True,
            )
    surroundings.write(arguments.json, {"studies": arguments.studies, "shares": found})


if __name__ == "__main__":
    main()
