"""What Snakemake's terminal says of a study: of each finished run its accuracy and the time left; what failed, and why;
of a dry run, what would be trained, and why.

Snakemake's own words are in its log in `.snakemake/log/`, and on the terminal with `--printshellcmds` or `--verbose`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from ablation.cluster.snakemake_calls import Planned
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.config.texts import snakemake_command
from ablation.escaping import for_terminal
from ablation.overview import plan
from ablation.overview.speed import Speeds, rough
from ablation.overview.states import AUDIT, PROBE, TRAIN, Job, State, jobs_of, progress_of, states_without_queue
from ablation.runs.log import interruption_in, reason_in
from ablation.runs.records import RunRecord

TARGET = re.compile(
    r"results/(?P<kind>runs|probes|audit)/(?P<variant>[a-z0-9-]+)/seed(?P<seed>\d+)/(metrics|probe)\.json"
)
KINDS = {kind.folder: kind for kind in (TRAIN, PROBE, AUDIT)}
# Messages of Snakemake and its executors that a user of a study has no use for.
NOISE = re.compile(
    r"Building DAG|Using shell|Provided |Rules claiming|Conda env|Singularity|Select jobs|Execute \d|Assuming unrestr"
    r"|SLURM run ID|Submitted job|Submitted group|Job \d+ has been submitted|Elapsed time|Complete log"
    r"|This was a dry-run|Reasons:|Some jobs were triggered|Rules with prov|Removing output files"
)
DROPPED = (LogEvent.RESOURCES_INFO, LogEvent.JOB_STARTED, LogEvent.PROGRESS, LogEvent.SHELLCMD, LogEvent.GROUP_INFO)
# Steps of the analysis take a moment each: how many are done is told once in so many seconds.
PAUSE = 10
REPORT, CLAIMS, AUDITED = "results/report.html", "results/claims.json", "results/audit.md"
DECIDED = ("supported", "contradicted")
MAX_CLAIMS = 5
# The speed of finished runs is known from as many.
MAX_STATES = 1000


@dataclass(frozen=True)
class Failure:
    """A failed job: the files it makes, its logs, and what the cluster says of its end."""

    outputs: Sequence[str]
    logs: Sequence[str]
    message: str = ""

    def __str__(self) -> str:
        first, *others = self.outputs
        reason = [*self._of_the_cluster(), *reason_in(self.logs)] or ["it left no message"]
        if not self.message and (interruption := interruption_in(reason)):
            return f"Interrupted: {interruption}"
        lines = [
            f"Failed: {first}{f' and {len(others)} more' if others else ''}",
            *(f"  {line}" for line in reason),
            *(f"  log:   {log}" for log in self.logs if Path(log).exists()),
            f"  rerun: {snakemake_command(first)}",
        ]
        return "\n".join(lines)

    def _of_the_cluster(self) -> list[str]:
        """What the executor says, without its pointer to the logs."""
        said = self.message.partition("For further error details")[0].strip()
        return [said] if said else []


class ShortFailures(logging.Formatter):
    """Snakemake's formatter, but for failed jobs."""

    of_snakemake = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is not the exception of a command, which a failed job's record tells too."""
        return "CalledProcessError in file" not in record.getMessage()

    def format(self, record: logging.LogRecord) -> str:
        details = vars(record)
        if details.get("event") is LogEvent.JOB_ERROR:
            return for_terminal(Failure(details["output"], details["log"], details["rule_msg"] or ""))
        return self.of_snakemake.format(record)


class StudyTerminal(ShortFailures):
    """Tells of runs where Snakemake tells of jobs; of a dry run, what would run."""

    def __init__(self, study: Study, planned: Callable[[], Sequence[Planned]] | None = None) -> None:
        super().__init__()
        self.study = study
        self.planned = planned  # of a dry run
        self.outputs: dict[int, Sequence[str]] = {}
        self.steps_done, self.steps_to_do, self.told_at = 0, 0, time.monotonic()
        self.runs = Runs(study, [])

    def filter(self, record: logging.LogRecord) -> bool:
        details = vars(record)
        event = details.get("event")
        if event is LogEvent.JOB_INFO:
            self._note(details)
            return details["rule_name"] == "prepare_data"
        if event is LogEvent.RUN_INFO:
            return self.planned is not None
        return event not in DROPPED and not NOISE.match(record.getMessage()) and super().filter(record)

    def _note(self, details: Mapping[str, object]) -> None:
        outputs, number = list(details["output"]), int(details["jobid"])  # type: ignore[call-overload]
        self.runs.begin(job for path in outputs if (job := job_of(path)) is not None)
        self.outputs[number] = outputs

    def format(self, record: logging.LogRecord) -> str:
        details = vars(record)
        event = details.get("event")
        if event is LogEvent.JOB_INFO:
            return for_terminal(details["rule_msg"])
        if event is LogEvent.RUN_INFO and self.planned is not None:
            return self._dry_run(self.planned())
        if event is LogEvent.JOB_FINISHED:
            jobs = [job for path in self.outputs.get(details["job_id"], ()) if (job := job_of(path)) is not None]
            return self.runs.finished(jobs) if jobs else self._step()
        return super().format(record)

    def begin(self, outputs: Iterable[Sequence[str]], status_command: str) -> str:
        """What is about to run, by the outputs of the jobs."""
        jobs = [[job for path in paths if (job := job_of(path)) is not None] for paths in outputs]
        self.runs = Runs(self.study, [job for of_one in jobs for job in of_one])
        self.steps_to_do = jobs.count([])
        steps = f"{self.steps_to_do} step{'s' * (self.steps_to_do != 1)} without training"
        if not self.runs.left:
            return f"{steps}."
        return f"{plan.counted(self.runs.count)} to train, and {steps}. To see how far they are: {status_command}"

    def closing(self) -> str:
        """Where the report is that this call made, and what it says of the claims, in three lines; so of an audit."""
        made = {path for paths in self.outputs.values() for path in paths}
        lines = [f"Report: {REPORT}", *about_claims(CLAIMS)] if REPORT in made else []
        if AUDITED in made:
            lines.append(f"Audit: {Path(AUDITED).read_text(encoding='utf-8').splitlines()[0]} More in {AUDITED}")
        return for_terminal("\n".join(lines))

    def _step(self) -> str:
        """How many steps of the analysis are done, now and then."""
        self.steps_done += 1
        if time.monotonic() - self.told_at < PAUSE:
            return ""
        self.told_at = time.monotonic()
        return f"{self.steps_done} of {self.steps_to_do} steps without training are done"

    def _dry_run(self, planned: Sequence[Planned]) -> str:
        """What would run and why: by our own records, or where these know no reason, in Snakemake's words."""
        said = {job: each.reason for each in planned for path in each.outputs if (job := job_of(path)) is not None}
        known = plan.reasons_of(states_without_queue(self.study, said))
        steps = Counter(each.rule for each in planned if not any(map(job_of, each.outputs)))
        told = ", ".join(f"{rule}{f' ({count})' if count > 1 else ''}" for rule, count in steps.items())
        lines = [*plan.grouped(said | known, self.study), *([f"without training: {told}"] if told else [])]
        return "\n".join(["This would run:", *(f"  {for_terminal(line)}" for line in lines), *self._time(said)])

    def _time(self, jobs: Collection[Job]) -> list[str]:
        if not jobs:
            return []
        to_train = [State(job, "waiting") for job in jobs]
        speeds = Speeds(self.study, states_without_queue(self.study, islice(jobs_of(self.study), MAX_STATES)))
        need = plan.demand(to_train, speeds, plan.runs_at_a_time(self.study))
        return [plan.demand_text(need)]


class Runs:
    """The runs of a call: what is left of them, and how long that takes at the pace so far."""

    def __init__(self, study: Study, jobs: Sequence[Job]) -> None:
        self.study = study
        self.left = dict.fromkeys(jobs)
        self.count = len(jobs)
        others = [job for job in islice(jobs_of(study), MAX_STATES) if job not in self.left] if jobs else []
        self.speeds = Speeds(study, states_without_queue(study, others))
        self.before = _trained_before(study, jobs[:MAX_STATES])
        self.begun: dict[Job, None] = {}  # running, or in a queue
        self.done: list[Job] = []
        self.started: float | None = None  # when the first run began

    def begin(self, jobs: Iterable[Job]) -> None:
        """These are running now, or in a queue."""
        self.begun |= dict.fromkeys(jobs)
        if self.begun:
            self.started = self.started or time.monotonic()

    def finished(self, jobs: Sequence[Job]) -> str:
        """A line about each run that has just finished; those of a pack finish together."""
        states = states_without_queue(self.study, jobs)
        first = len(self.done) + 1
        for state in states:
            self.left.pop(state.job, None)
            self.begun.pop(state.job, None)
            self.done.append(state.job)
            self.speeds.add(state)
        left = f"; about {rough(self.seconds_left())} left" if self.left else ""
        lines = [f"[{n}/{self.count}] {state.job}: {_result(state)}" for n, state in enumerate(states, first)]
        return for_terminal("\n".join(f"{line}{left}" for line in lines))

    def seconds_left(self) -> float:
        """At the pace of this call so far, with as many at a time; runs of unknown time take the mean of the others."""
        seconds, before = self.speeds.seconds, self.before
        some = [*self.done[:MAX_STATES], *islice(self.left, MAX_STATES)]
        known = [each for job in some if (each := seconds(job)) is not None]
        mean = sum(known) / len(known) if known else 1.0

        def work(job: Job, share: float = 1.0) -> float:
            return (seconds(job) or mean) * max(0.0, share - before.get(job, 0.0))

        def weight(jobs: Collection[Job]) -> float:
            some = list(islice(jobs, MAX_STATES))  # since this is asked for after each run
            return sum(map(work, some)) / (len(some) or 1) * len(jobs)

        elapsed = time.monotonic() - (self.started or 0.0)
        under_way = sum(work(job, share) for job, share in self._under_way())
        return elapsed * (weight(self.left) - under_way) / (weight(self.done) + under_way or 1.0)

    def _under_way(self) -> Iterator[tuple[Job, float]]:
        """The runs that are running, and how much of each is done."""
        for job in islice(self.begun, MAX_STATES):
            if progress := progress_of(job):
                yield job, progress.share


def _trained_before(study: Study, jobs: Iterable[Job]) -> dict[Job, float]:
    """How much earlier calls have done of the runs that were interrupted."""
    states = states_without_queue(study, jobs)
    return {state.job: state.progress.share for state in states if state.status == "interrupted" and state.progress}


def _result(state: State) -> str:
    record = state.record
    if not isinstance(record, RunRecord):
        return state.status
    took = f" in {rough(record.cost.wall_seconds)}"
    if record.status == "diverged":
        return f"diverged in epoch {record.epochs}{took}"
    return f"{state.accuracy:.2f} %{took}"


def job_of(path: str) -> Job | None:
    """The run that a file is the record of, if it is one."""
    found = TARGET.fullmatch(path)
    if found is None:
        return None
    return Job(Run(found["variant"], int(found["seed"])), KINDS[found["kind"]])


def about_claims(path: str) -> list[str]:
    """Which claims the report finds supported, and which contradicted: two lines at most."""
    by_verdict: dict[str, list[str]] = {}
    with suppress(OSError):
        for claim in json.loads(Path(path).read_bytes())["claims"]:
            by_verdict.setdefault(claim["verdict"], []).append(claim["claim"])
    lines = [_some(verdict, by_verdict.pop(verdict)) for verdict in DECIDED if verdict in by_verdict]
    others = ", ".join(f"{len(names)} claim{'s' * (len(names) > 1)} {verdict}" for verdict, names in by_verdict.items())
    return [*lines[:-1], "; ".join(filter(None, [*lines[-1:], others]))] if lines or others else []


def _some(verdict: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_CLAIMS} more" if len(names) > MAX_CLAIMS else ""
    return f"{verdict.capitalize()}: {', '.join(names[:MAX_CLAIMS])}{more}"
