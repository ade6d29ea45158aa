"""Claims -> verdicts. No torch.

In: a study's claims, its runs (`runs.csv`) and the landscape's tables. Out: one line a claim. The claims of a section,
which is a table or the landscape, are judged together: their p values are adjusted for each other (Holm), and a verdict
needs one at the level of one look (`statistics.level`). Where the numbers cannot decide, the verdict is undecided and
the reason says why. `docs/statistics.md` explains all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.evidence import CONTRADICTED, EQUIVALENT, SUPPORTED, UNDECIDED, Evidence, Sources, evidence_of
from ablation.analysis.frames import frame
from ablation.analysis.reasons import reason
from ablation.analysis.statistics import NAN, holm
from ablation.analysis.tables import device_hours
from ablation.config.claims import Claim, Greater, Reaches, Similar, Steadier
from ablation.config.study import Study

CLAIMS = {
    "claim": "object",
    "section": "object",
    "kind": "object",
    "says": "object",
    "compares": "object",
    "unit": "object",
    "reported": "object",
    "estimate": "float64",
    "low": "float64",
    "high": "float64",
    "margin": "float64",
    "p": "float64",
    "n": "object",
    "verdict": "object",
    "reason": "object",
    "last_verdict": "object",
    "reference_evidence": "object",
    "seeds_needed": "float64",
    "device_hours_needed": "float64",
    "command": "object",
}


def judged(study: Study, runs: pd.DataFrame, landscape: Mapping[str, pd.DataFrame], options: str = "") -> pd.DataFrame:
    """One line a claim, in the study's order. `options` are those that Snakemake needs for this study."""
    best = verdicts(Sources(study, runs, landscape))
    last = verdicts(Sources(study, runs, landscape, last=True))
    lines = []
    for name, claim in study.claims.items():
        evidence, p, verdict = best[name]
        by_last = last[name][2] if isinstance(claim, Greater | Similar) else ""
        line = {key: value for key, value in vars(evidence).items() if key in CLAIMS}
        line |= {"claim": name, "section": claim.section, "kind": claim.kind, "says": claim.says, "p": p}
        line |= {
            "verdict": verdict,
            "last_verdict": by_last,
            "reason": reason(claim, evidence, verdict, by_last, study.statistics.margin),
        }
        lines.append(line | _price(study, claim, evidence, verdict, runs, options))
    return frame(lines, CLAIMS)


def verdicts(sources: Sources) -> dict[str, tuple[Evidence, float, str]]:
    """Evidence, adjusted p and verdict of each claim; those of a section are adjusted for each other."""
    study = sources.study
    evidence = {name: evidence_of(claim, sources) for name, claim in study.claims.items()}
    found = {}
    for section in dict.fromkeys(claim.section for claim in study.claims.values()):
        names = [name for name, claim in study.claims.items() if claim.section == section]
        adjusted = holm([evidence[name].p for name in names])
        similar = holm([evidence[name].equivalent for name in names])
        for name, p, p_equivalent in zip(names, adjusted, similar, strict=True):
            verdict = verdict_of(evidence[name], p, p_equivalent, study.statistics.level)
            found[name] = evidence[name], p, verdict
    return found


def verdict_of(evidence: Evidence, p: float, p_equivalent: float, level: float) -> str:
    """The verdict at a level, from p values that are adjusted for the other claims."""
    if evidence.undecided:
        return UNDECIDED
    reached = {
        SUPPORTED: p <= level and evidence.supports <= evidence.contradicts,
        CONTRADICTED: p <= level and evidence.contradicts < evidence.supports,
        EQUIVALENT: p_equivalent <= level,
    }
    return next((verdict for verdict in evidence.ranking if reached[verdict]), UNDECIDED)


def _price(
    study: Study, claim: Claim, evidence: Evidence, verdict: str, runs: pd.DataFrame, options: str
) -> dict[str, Any]:
    """What would decide an undecided claim: seeds, the hours of the device that they cost, and the command."""
    needed = evidence.needs() if verdict == UNDECIDED else NAN
    if not np.isfinite(needed):
        return {"seeds_needed": needed, "command": ""}
    trained = _trained(study, claim)
    missing = {variant: max(0, int(needed) - len(study.seeds_of(variant))) for variant in trained}
    hours = sum(missing[variant] * times * device_hours(runs, variant) for variant, times in trained.items())
    command = _command(study, claim, int(needed), options)
    return {"seeds_needed": needed, "device_hours_needed": hours, "command": command}


def _trained(study: Study, claim: Claim) -> dict[str, int]:
    """The variants that get more seeds by the command, and how often a seed of each is trained: once more for probes.

    Those of a table are of all its rows, and those of the landscape are the study's.
    """
    if isinstance(claim, Greater | Similar | Steadier | Reaches):
        return dict.fromkeys((row.variant for row in study.tables[claim.table].rows), 1)
    probed = [variant for model in study.landscape_models for variant in model.probed.values()]
    return {variant: 1 + (variant in probed) for variant in study.matrix.variants}


def _command(study: Study, claim: Claim, needed: int, options: str) -> str:
    """What adds so many seeds: to the rows of the claim's table, or to the study, of which the landscape is."""
    table = study.tables.get(claim.section)
    own = table.seeds if table else study.seeds
    seeds = {*study.seeds, *own}
    if needed <= len(seeds):
        return ""  # They are asked for already, and runs are missing.
    first = max(seeds) + 1
    # The shell counts them: some claims need hundreds.
    listed = f"[{''.join(f'{seed}, ' for seed in own)}$(seq -s, {first} {first + needed - len(seeds) - 1})]"
    value = f"tables={{{claim.section}: {{seeds: {listed}}}}}" if table else f"seeds={listed}"
    return f'snakemake {options}{"" if "--config " in options else " --config"} "{value}"'.replace("  ", " ")


def as_json(study: Study, claims: pd.DataFrame) -> str:
    """The claims for other programs: what was decided with, and one object a claim, with null for unknown numbers."""
    decided_with = {"study": study.study, "level": study.statistics.level, **study.statistics.model_dump()}
    lines = [
        {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in line.items()}
        for line in claims.to_dict("records")
    ]
    return json.dumps(decided_with | {"claims": lines}, indent=2, ensure_ascii=False) + "\n"
