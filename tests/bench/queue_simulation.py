"""How ways of submitting many runs compare, by the measured cost of each call: a simulation, in which nothing runs.

python tests/bench/queue_simulation.py [--runs 100000] [--minutes 2] [--at-a-time 200] [--json queue.json]

In: how many runs of how many minutes, and how many jobs run at a time. Out: for each way, its jobs, the controller's
processor seconds and memory, the calls of SLURM in all and a minute, and the hours until the last run has ended. The
costs are those that `slurm_calls.py` and `scale.py` measured, as docs/scaling.md has them.
"""

import argparse
import heapq
import math
from typing import NamedTuple

from results import add_json, tell


class Way(NamedTuple):
    """How runs become jobs, and what a controller does for them."""

    runs_a_job: int = 1
    starts_a_job: int = 1  # of training, one after another
    jobs_a_call: int = 1  # submitted by one call of sbatch
    in_queue: int = 200  # jobs, at most
    looks_a_minute: float = 3  # one call of squeue, for all jobs
    seconds_a_job: float = 0.0  # of the processor, to submit and to finish a job
    seconds_a_run: float = 0.0  # to find it in the graph of jobs, or to submit it without one
    sub_studies: int = 1  # one after another


CALLS_A_SECOND = 2  # of sbatch, at most: max-jobs-per-timespan
SECONDS_BEFORE_TRAINING = 6  # of each start: Snakemake and torch
# Measured on 2 cores, in processor seconds and MB: see docs/scaling.md.
JOB, RUN, SUBMITTED_RUN = 0.11, 0.0015, 0.00023
MB, MB_A_RUN, SUBMITTER_MB = 140, 0.032, 190
GRAPH = Way(seconds_a_job=JOB, seconds_a_run=RUN)
WAYS = {
    "one study, a run a job": GRAPH,
    "one study, 5 seeds a job": GRAPH._replace(runs_a_job=5),
    "10 sub-studies, 5 seeds a job": GRAPH._replace(runs_a_job=5, sub_studies=10),
    "submit.py, 20 times 5 seeds a job": Way(
        100, 20, 1000, in_queue=1000, looks_a_minute=0, seconds_a_run=SUBMITTED_RUN
    ),
}


class Outcome(NamedTuple):
    """What a way takes."""

    jobs: int
    controller_seconds: float
    controller_mb: float
    calls: int
    calls_a_minute: float
    hours: float


def simulated(way: Way, runs: int, minutes: float, at_a_time: int) -> Outcome:
    """If a run trains so many minutes, and so many jobs run at a time; the seeds of a job train one by one."""
    own_runs = math.ceil(runs / way.sub_studies)
    jobs = math.ceil(own_runs / way.runs_a_job)
    seconds = SECONDS_BEFORE_TRAINING * way.starts_a_job + 60 * minutes * way.runs_a_job
    makespan, submissions = queue(way, jobs, seconds, at_a_time)
    calls = submissions + int(makespan / 60 * way.looks_a_minute)
    return Outcome(
        jobs=way.sub_studies * jobs,
        controller_seconds=way.sub_studies * (jobs * way.seconds_a_job + own_runs * way.seconds_a_run),
        controller_mb=MB + MB_A_RUN * own_runs if way.looks_a_minute else SUBMITTER_MB,
        calls=way.sub_studies * calls,
        calls_a_minute=calls / (makespan / 60),
        hours=way.sub_studies * makespan / 3600,
    )


def queue(way: Way, jobs: int, seconds: float, at_a_time: int) -> tuple[float, int]:
    """When the last job has ended, and how many calls submitted them."""
    pause = 60 / way.looks_a_minute if way.looks_a_minute else 0.0
    free = [0.0] * at_a_time  # when each place is
    ends: list[float] = []  # when the controller notices the end of each job in its queue
    clock, calls = 0.0, 0
    for first in range(0, jobs, way.jobs_a_call):
        group = min(way.jobs_a_call, jobs - first)
        while len(ends) + group > way.in_queue:
            clock = max(clock, heapq.heappop(ends))
        clock, calls = clock + 1 / CALLS_A_SECOND, calls + 1
        for _ in range(group):
            end = max(clock, heapq.heappop(free)) + seconds
            heapq.heappush(free, end)
            heapq.heappush(ends, math.ceil(end / pause) * pause if pause else end)
    return max(free), calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=2, help="that a run trains")
    parser.add_argument("--at-a-time", type=int, default=200, help="jobs that the cluster runs")
    add_json(parser)
    arguments = parser.parse_args()
    asked = (arguments.runs, arguments.minutes, arguments.at_a_time)
    tell([{"way": name} | simulated(way, *asked)._asdict() for name, way in WAYS.items()], arguments.json)


if __name__ == "__main__":
    main()
