"""Finished runs that are trained again: which, and whether they come to the same, bit for bit. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from ablation.config.matrix import Run, runs
from ablation.config.study import Study
from ablation.overview.comparison import Comparison, compare
from ablation.overview.states import AUDIT, Job, states_without_queue
from ablation.runs.records import FINISHED
from ablation.runs.results import is_of_other_code


def chosen(study: Study) -> list[Run]:
    """As many finished runs of today's code as the study says, at random; of all runs, where none is finished."""
    states = states_without_queue(study, map(Job, runs(study)))
    finished = [
        state.job.run
        for state in states
        if state.status in FINISHED
        and state.record is not None
        and not is_of_other_code(state.record, study.matrix.settings[state.job.run.variant])
    ]
    choice = finished or runs(study)
    return sorted(Random(study.audit.seed).sample(choice, min(study.audit.runs, len(choice))))


def audit(audited: Iterable[Run]) -> str:
    """What came of it, as Markdown: the first line says how many runs repeat bit for bit.

    Raises:
        RecordError: a run, or its repetition, has no whole record.
    """
    found = {run: compare(run.directory, Job(run, AUDIT).directory) for run in audited}
    repeated = sum(comparison.repeats for comparison in found.values())
    lines = [f"{repeated} of {len(found)} finished runs, trained again, repeat bit for bit.", ""]
    for run, comparison in found.items():
        lines += [f"- {run.variant}, seed {run.seed}: {'; '.join(_said(comparison))}"]
    return "\n".join(lines) + "\n"


def _said(comparison: Comparison) -> Iterator[str]:
    yield "repeats bit for bit" if comparison.repeats else "comes to something else"
    if comparison.parting is not None:
        yield f"the histories part in epoch {comparison.parting.epoch} ({', '.join(comparison.parting.columns)})"
    if comparison.files:
        yield f"files that differ: {', '.join(comparison.files)}"
    for key, (one, other) in {**comparison.environment, **comparison.result}.items():
        yield f"{key} {one} → {other}"
