"""What would be trained and why, how long it would take, and whether the jobs ask for enough. No torch.

In: a study, the states of its runs and how fast they are. Out: text for a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from ablation.cluster.machine import has_gpu
from ablation.config.study import Study
from ablation.escaping import for_terminal
from ablation.overview.speed import Speeds, rough
from ablation.overview.states import Job, State
from ablation.runs.records import FINISHED, RunRecord

MAX_NAMES = 8
# A job should ask for as much again as it is expected to take, and not for more than ten times that.
SHORT, LONG = 2, 10
# Where a limit of ten times what is used is no harm.
SHORTEST_LIMIT = 30
MIB = 2**20


def reasons_of(states: Iterable[State]) -> dict[Job, str]:
    """Why each run that is not finished would be trained, in a few words."""
    return {state.job: _reason(state) for state in states if state.status not in (*FINISHED, "running", "queued")}


def _reason(state: State) -> str:
    if state.status == "interrupted" and state.progress:
        return f"interrupted after epoch {state.progress.epoch} of {state.progress.epochs}, and resumes"
    texts = {
        "waiting": "no result yet",
        "interrupted": "interrupted, and resumes",
        "failed": "failed before",
        "damaged": "its record is damaged",
    }
    return texts.get(state.status, state.detail)


def grouped(reasons: Mapping[Job, str], study: Study) -> list[str]:
    """The runs by reason, the most frequent first: `3 runs have no result yet: adam (seeds 0, 1), sgd (seed 0)`."""
    by_reason: dict[str, list[Job]] = {}
    for job, reason in reasons.items():
        by_reason.setdefault(f"{reason}{job.kind.called}", []).append(job)
    groups = sorted(by_reason.items(), key=lambda group: -len(group[1]))
    return [for_terminal(f"{counted(len(jobs))}, {reason}: {_names(jobs, study)}") for reason, jobs in groups]


def counted(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _names(jobs: Sequence[Job], study: Study) -> str:
    """The variants in the order of the study; with their seeds, where these are not all that the variant has."""
    order = {variant: place for place, variant in enumerate(study.matrix.variants)}
    seeds: dict[str, list[int]] = {}
    for job in sorted(jobs, key=lambda job: (order[job.run.variant], job.run.seed)):
        seeds.setdefault(job.run.variant, []).append(job.run.seed)
    names = [
        variant if len(own) == len(study.seeds_of(variant)) else f"{variant} (seed {', '.join(map(str, own))})"
        for variant, own in seeds.items()
    ]
    more = [f"and {len(names) - MAX_NAMES} more variants"] if len(names) > MAX_NAMES else []
    return ", ".join([*names[:MAX_NAMES], *more])


def variants_table(study: Study, states: Sequence[State], speeds: Speeds) -> Table:
    """A line a variant: its runs, those that are finished and those to train, and what they take."""
    table = Table(box=None, pad_edge=False)
    for name, side in {"variant": "left", "runs": "right", "finished": "right", "to train": "right"}.items():
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    table.add_column("a run", justify="right")
    table.add_column("together", justify="right")
    by_variant: dict[str, list[State]] = {}
    for state in states:
        by_variant.setdefault(f"{state.job.run.variant}{state.job.kind.called}", []).append(state)
    for name, own in by_variant.items():
        finished = sum(state.status in FINISHED for state in own)
        one, left = speeds.seconds(own[0].job), speeds.left(own)
        together = "unknown" if left.unknown else rough(left.seconds) if left.seconds else ""
        cells = [len(own), finished, len(own) - finished or "", "unknown" if one is None else rough(one), together]
        table.add_row(name, *map(str, cells))
    return table


@dataclass(frozen=True)
class Demand:
    """What is left to do: device seconds, jobs of unknown time, runs at a time, and the longest job in seconds."""

    seconds: float
    unknown: int
    at_a_time: int
    longest: float


def demand(states: Sequence[State], speeds: Speeds, at_a_time: int) -> Demand:
    """What the runs that are not finished take, so many at a time."""
    open_states = [state for state in states if state.status not in FINISHED]
    left = speeds.left(open_states)
    longest = max((speeds.seconds(state.job) or 0.0 for state in open_states), default=0.0)
    return Demand(left.seconds, left.unknown, max(1, min(at_a_time, len(open_states))), longest)


def demand_text(need: Demand) -> str:
    """`About 2:10:00 of training, 1:05:00 with 2 runs at a time, besides 12 runs ...`."""
    if not need.seconds and not need.unknown:
        return "Nothing is left to train."
    unknown = f"{counted(need.unknown)} of which none like them is finished"
    if not need.seconds:
        return f"How long that takes is not known: {unknown}."
    wall = max(need.seconds / need.at_a_time, need.longest)
    text = f"About {rough(need.seconds)} of training, {rough(wall)} with {counted(need.at_a_time)} at a time"
    return f"{text}{f', besides {unknown}' if need.unknown else ''}."


def runs_at_a_time(study: Study) -> int:
    """How many runs Snakemake trains at a time on this machine, by `profiles/default`: one a core, or four a GPU."""
    return 4 if has_gpu() else max(1, len(os.sched_getaffinity(0)) // study.jobs.threads)


def advice(study: Study, states: Sequence[State], need: Demand) -> list[str]:
    """Where `jobs` in the study asks for too little or for much too much, by the longest run."""
    jobs, lines, used = study.jobs, [], max((_minutes(state) for state in states), default=0.0)
    minutes = max(used, need.longest / 60)
    if minutes * SHORT > jobs.runtime:
        lines.append(
            f"jobs: runtime: {jobs.runtime} min is short: the longest run takes about {rough(60 * minutes)}. A job "
            f"that reaches its limit resumes in a second one; {_rounded(minutes * SHORT)} would do."
        )
    elif minutes and minutes * LONG < jobs.runtime and jobs.runtime > SHORTEST_LIMIT:
        lines.append(
            f"jobs: runtime: {jobs.runtime} min is much: the longest run takes about {rough(60 * minutes)}, and short "
            f"jobs start sooner; {max(_rounded(minutes * SHORT), 5)} would do."
        )
    return lines + _advice_on_memory(study, states)


def _minutes(state: State) -> float:
    return state.record.cost.wall_seconds / 60 if isinstance(state.record, RunRecord) else 0.0


def _rounded(minutes: float) -> int:
    """Up to the next five minutes, of hours to the next half."""
    step = 5 if minutes < 120 else 30
    return int(-(-minutes // step) * step)


def _advice_on_memory(study: Study, states: Sequence[State]) -> list[str]:
    """What the finished runs took; the records of those on a GPU have the GPU's memory only."""
    records = [state.record for state in states if isinstance(state.record, RunRecord)]
    used = {True: 0.0, False: 0.0}
    for record in records:
        on_gpu = record.origin.threads is None
        used[on_gpu] = max(used[on_gpu], record.cost.peak_memory_bytes / MIB)
    asked = f"jobs: mem_mb: a job asks for {study.jobs.mem_mb:,} MB a run"
    lines = [f"{asked}, and a finished run took up to {used[False]:,.0f} MB."] if used[False] else []
    return lines + ([f"A finished run took up to {used[True]:,.0f} MB of its GPU."] if used[True] else [])
