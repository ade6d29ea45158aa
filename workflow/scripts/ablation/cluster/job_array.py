"""A part of the matrix as one job array, through submitit, on SLURM or else on this machine.

In: a study, and the variants and seeds that a user chose. Out: submitted jobs, which run what Snakemake would run, in
the same folders. Everything is checked before the first job is submitted.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from submitit import AutoExecutor

from ablation.cluster import slurm as cluster
from ablation.cluster.jobs import SubmittedJob, job_name, train_options
from ablation.cluster.submission import Commands, link_log, make_executor, refresh, submit
from ablation.config import matrix
from ablation.config.loading import load_study
from ablation.config.settings import spec_json
from ablation.config.study import Study
from ablation.escaping import for_shell, for_terminal
from ablation.runs.results import check_results, data_folder, digest_of_data, is_finished

TRAIN = "workflow/scripts/train.py"
PROFILE = Path("profiles", "submitit", "config.yaml")


def chosen(kind: str, wanted: Sequence[Any] | None, valid: Sequence[Any]) -> list[Any]:
    """What the user named, or all.

    Raises:
        ValueError: the study has no such variant or seed.
    """
    unknown = [each for each in wanted or () if each not in valid]
    if unknown:
        raise ValueError(
            f"the study has no {kind} {', '.join(map(str, unknown))}; it has {', '.join(map(str, valid))}. "
            "No job was submitted."
        )
    return [each for each in valid if wanted is None or each in wanted]


def left_to_do(study: Study, runs: Sequence[matrix.Run]) -> list[matrix.Run]:
    """The runs that are neither finished nor in the queue; says which are."""
    data = digest_of_data(study)
    queued = {name for job in refresh() if job.state == "running" for name in job.name.split()}
    left = []
    for run in runs:
        if is_finished(run, study, data):
            print(f"{run.directory}: is finished")
        elif name_of(study, run) in queued:
            print(f"{run.directory}: is in the queue already")
        else:
            left.append(run)
    return left


def name_of(study: Study, run: matrix.Run) -> str:
    return job_name(study.study, "train", run.variant, run.seed)


def packs_of(study: Study, runs: Sequence[matrix.Run]) -> list[Sequence[matrix.Run]]:
    """The runs of each job: one, or with `pack_seeds` all of a variant."""
    if not study.trains_side_by_side:
        return [[run] for run in runs]
    return [list(same) for _, same in groupby(runs, attrgetter("variant"))]


def resources_of(study: Study, profile: dict[str, Any], runs_per_job: int) -> dict[str, Any]:
    """What Snakemake would ask for, for a job of so many runs."""
    of_study = {"mem_mb": study.jobs.mem_mb * runs_per_job, "runtime": study.jobs.runtime}
    return profile["default-resources"] | of_study | profile["set-resources"]["train"]


def check_request(resources: dict[str, Any], threads: int) -> None:
    """Let SLURM say whether it takes such a job.

    Raises:
        ClusterError: it does not.
    """
    if resources["submitit_cluster"] == "slurm":
        asked = resources | {"_cores": threads}
        cluster.check_requests([SimpleNamespace(rule=SimpleNamespace(name="train"), resources=asked)], str(PROFILE))


def prepare_data(study: Study) -> None:
    """Prepare the study's data, where it is missing.

    Raises:
        ValueError: that failed; the reason is printed above.
    """
    folder = data_folder(study)
    if not Path(folder, "data.json").exists():
        print(f"Preparing the data set {study.data.name}", flush=True)
        command = ["python", "workflow/scripts/prepare_data.py", "--data", study.data.model_dump_json()]
        if subprocess.run([*command, "--output", str(folder)], check=False).returncode:
            raise ValueError("the data could not be prepared. No job was submitted.")


def train_command(study: Study, pack: Sequence[matrix.Run]) -> str:
    """What the rule `train` would run for these runs of one variant."""
    variant = pack[0].variant
    log = f"{pack[0].directory}/train.log" if len(pack) == 1 else f"results/runs/{variant}/train.log"
    options = {
        "--study": study.study,
        "--data": str(data_folder(study)),
        "--threads": str(study.jobs.threads * len(pack)),
        "--checkpoint-seconds": str(study.jobs.checkpoint_seconds),
        "--spec": spec_json(study.matrix.settings[variant]),
    }
    runs = ["--run", *(str(run.directory) for run in pack)]
    command = ["python", TRAIN, *runs, *chain(*options.items()), *train_options(study)]
    return f"exec {for_shell(*command)} >> {for_shell(log)} 2>&1"


def submit_packs(
    study: Study, packs: Sequence[Sequence[matrix.Run]], executor: AutoExecutor, parallel: int
) -> list[SubmittedJob]:
    """Submit them as one array: of a job each, or of as many as an array may have, each with its share of them.

    On one machine, where nothing queues, of as many as may run at a time.
    """
    executor.update_parameters(slurm_array_parallelism=parallel)
    jobs = min(len(packs), cluster.max_array_size() if executor.cluster == "slurm" else parallel)
    shares = [packs[first::jobs] for first in range(jobs)]
    work = [Commands([train_command(study, pack) for pack in share]) for share in shares]
    names = [" ".join(name_of(study, run) for pack in share for run in pack) for share in shares]
    for run in chain(*packs):  # where the shell writes the log
        Path(run.directory).mkdir(parents=True, exist_ok=True)
    submitted = submit(executor, work, names)
    for job, share in zip(submitted, shares, strict=True):
        for run in chain(*share):
            link_log(job, Path(run.directory))
    return submitted


def explain(jobs: Sequence[SubmittedJob], parallel: int, configfiles: Sequence[str]) -> None:
    """Say what was submitted, how to watch and to stop it, and what to do next."""
    on_slurm = jobs[0].cluster == "slurm"
    ids = [jobs[0].job_id.split("_")[0]] if on_slurm else [job.job_id for job in jobs]
    print(f"Submitted to {'SLURM' if on_slurm else 'this machine'}, at most {parallel} at a time:")
    for job in jobs:
        print(for_terminal(f"  {job.job_id}  {job.name}"))
    print(
        "Watch: python workflow/scripts/status.py --watch",
        f"Stop:  {'scancel' if on_slurm else 'python workflow/scripts/submitit_bridge.py cancel'} {' '.join(ids)}",
        f"Then:  {for_shell('snakemake', 'report', '--configfile', *configfiles)}",
        sep="\n",
    )


def submit_chosen(arguments: argparse.Namespace, profile: dict[str, Any]) -> None:
    """From the study to jobs in the queue; everything is checked before the first is submitted."""
    study = load_study(arguments.configfile)
    check_results(study)
    variants = set(chosen("variant", arguments.variants, list(study.matrix.variants)))
    seeds = chosen("seed", arguments.seeds, study.all_seeds)
    runs = left_to_do(study, [run for run in matrix.runs(study) if run.variant in variants and run.seed in seeds])
    if arguments.dry_run or not runs:
        print(f"{len(runs)} run(s) to submit", *(run.directory for run in runs), sep="\n  ")
        return
    packs = packs_of(study, runs)
    runs_per_job = max(map(len, packs))
    threads, resources = study.jobs.threads * runs_per_job, resources_of(study, profile, runs_per_job)
    check_request(resources, threads)
    prepare_data(study)
    executor = make_executor(f"{study.study}-train", threads, resources)
    submitted = submit_packs(study, packs, executor, arguments.parallel)
    explain(submitted, arguments.parallel, arguments.configfile)
