"""What each run of a study does now, from its folder and SLURM's queue. No torch.

In: a study, and `results/` below the working directory. Out: a `State` for each run and each run with probes, in the
order of the matrix. Nothing is written, and nobody is disturbed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from ablation.cluster.jobs import job_name
from ablation.cluster.queue import queued_jobs
from ablation.config import matrix
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.runs.lock import is_locked
from ablation.runs.log import Progress, has_failed, interruption_in, last_lines, progress_in, reason_in
from ablation.runs.records import CHECKPOINT, FINISHED, ProbeRecord, RecordError, RunRecord, read_probe, read_record
from ablation.runs.results import digest_of_data, other_code, other_run

Status = Literal[
    "completed", "diverged", "running", "queued", "waiting", "interrupted", "outdated", "damaged", "failed"
]
# What a user has to do something about.
WRONG: tuple[Status, ...] = ("failed", "damaged")


class Kind(NamedTuple):
    """What a job trains: where its folder is, what it writes there last, and what it is called beside its run."""

    folder: str
    record: str
    log: str
    called: str


TRAIN = Kind("runs", "metrics.json", "train.log", "")
PROBE = Kind("probes", "probe.json", "probe.log", ", probes")
AUDIT = Kind("audit", "metrics.json", "train.log", ", again")


@dataclass(frozen=True, order=True)
class Job:
    """A run to train; or to train once more, with probes or for the audit."""

    run: Run
    kind: Kind = TRAIN

    @property
    def directory(self) -> PurePosixPath:
        return PurePosixPath("results", self.kind.folder, self.run.variant, f"seed{self.run.seed}")

    @property
    def target(self) -> str:
        return str(self.directory / self.kind.record)

    @property
    def log(self) -> str:
        return str(self.directory / self.kind.log)

    @property
    def probed(self) -> bool:
        return self.kind is PROBE

    def __str__(self) -> str:
        return f"{self.run.variant}, seed {self.run.seed}{self.kind.called}"


@dataclass(frozen=True)
class State:
    """`detail` says why, where that is not plain; `record` is set where there is a whole one."""

    job: Job
    status: Status
    detail: str = ""
    record: RunRecord | ProbeRecord | None = None
    progress: Progress | None = None

    @property
    def accuracy(self) -> float | None:
        """Top-1 accuracy in percent: on the test images where the run is finished, else on the held-out ones so far."""
        if self.status in FINISHED and isinstance(self.record, RunRecord) and self.record.best is not None:
            return self.record.best.test_accuracy
        return self.progress.accuracy if self.progress else None


def jobs_of(study: Study) -> list[Job]:
    """All that trains: the runs, then those with probes."""
    return [*map(Job, matrix.runs(study)), *(Job(run, PROBE) for run in matrix.probed_runs(study))]


def states_of(study: Study) -> list[State]:
    """What each job of the study does now."""
    return states_without_queue(study, jobs_of(study), queued_jobs(study.study))


def states_without_queue(study: Study, jobs: Iterable[Job], queue: Mapping[str, str] | None = None) -> list[State]:
    """What these jobs do, but for those that wait in a queue which was not asked."""
    data = digest_of_data(study)
    return [_state(job, study, data, queue or {}) for job in jobs]


def progress_of(job: Job) -> Progress | None:
    """How far a running job is; None of any other."""
    return progress_in(job.log) if is_locked(job.directory) else None


def _state(job: Job, study: Study, data: str | None, queue: Mapping[str, str]) -> State:
    if is_locked(job.directory):
        return State(job, "running", progress=progress_in(job.log))
    recorded = _recorded(job, study, data)
    if recorded is not None and recorded.status in FINISHED:
        return recorded
    waits_for = queue.get(_name(job, study), queue.get(_name(job, study, seed=False)))
    if waits_for is not None:
        return State(job, "queued", waits_for)
    return recorded or _left_behind(job)


def _name(job: Job, study: Study, *, seed: bool = True) -> str:
    """The name of the job in the queue; without a seed, of one for all seeds of a variant."""
    return job_name(study.study, "probe" if job.probed else "train", job.run.variant, job.run.seed if seed else "")


def _recorded(job: Job, study: Study, data: str | None) -> State | None:
    """What its record says; None where there is none."""
    try:
        record = read_probe(job.target) if job.probed else read_record(job.target)
    except FileNotFoundError:
        return None
    except RecordError as error:
        return State(job, "damaged", str(error))
    if problem := other_run(record, study, data):
        return State(job, "outdated", problem, record)
    code = other_code(record, study.matrix.settings[job.run.variant], probed=job.probed)
    if code and not study.keep:
        return State(job, "outdated", code, record)
    return State(job, record.status if isinstance(record, RunRecord) else "completed", record=record)


def _left_behind(job: Job) -> State:
    """What a run without a record left: a log, and perhaps a checkpoint."""
    if not os.path.isdir(job.directory):
        return State(job, "waiting")
    reason, progress = reason_in([job.log]), progress_in(job.log)
    has_checkpoint = Path(job.directory, CHECKPOINT).exists()
    if interruption := interruption_in(reason):
        return State(job, "interrupted", interruption.removeprefix(f"{job.directory}: "), progress=progress)
    if has_failed(job.log):
        return State(job, "failed", "\n".join(reason))
    if has_checkpoint or (reason and (progress is None or progress.epoch < progress.epochs)):
        return State(job, "interrupted", _word_of_cluster(job) or "was killed", progress=progress)
    return State(job, "waiting")  # there is nothing, or its record was removed, as by `--force`


def _word_of_cluster(job: Job) -> str:
    """The last error in SLURM's own log of the job, as of a time limit or too little memory."""
    logs = sorted(Path(job.directory, "slurm").glob("*.log"), key=lambda log: log.stat().st_mtime)
    errors = [line for log in logs[-1:] for line in last_lines(log) if "error: " in line]
    return errors[-1].partition("error: ")[2] if errors else ""
