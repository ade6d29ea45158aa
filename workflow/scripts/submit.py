"""Train a part of the matrix without Snakemake: one job array, through submitit, on SLURM or else on this machine.

    python workflow/scripts/submit.py --variants adam sgd --seeds 0 1 --configfile config/config.yaml

Jobs are asked for as `profiles/submitit` says. They run what Snakemake would run, in the same folders, so a following
`snakemake report` finds them done. Runs that are finished or in the queue are left out.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yte

from ablation import cluster, commands, matrix
from ablation.config import Study
from ablation.jobs import Job, job_name
from ablation.loading import load_study
from ablation.machine import set_environment
from ablation.provenance import code_digest
from ablation.records import RecordError, read_record
from ablation.results import check_results
from ablation.submission import Commands, SubmissionError, link_log, make_executor, refresh, submit
from ablation.yaml_layers import ConfigError

PROFILE = Path("profiles", "submitit", "config.yaml")


def parse_arguments(profile: dict[str, Any]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", metavar="VARIANT", help="train these only")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="train these only")
    parser.add_argument("--configfile", nargs="+", default=profile.get("configfile"), help="the study")
    parser.add_argument("--parallel", type=int, default=profile["jobs"], metavar="N", help="runs at a time")
    parser.add_argument("--dry-run", "-n", action="store_true", help="say what would be submitted")
    return parser.parse_args()


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
    queued = {name for job in refresh() if job.state == "running" for name in job.name.split()}
    left = []
    for run in runs:
        if is_finished(study, run):
            print(f"{run.directory}: is finished")
        elif name_of(study, run) in queued:
            print(f"{run.directory}: is in the queue already")
        else:
            left.append(run)
    return left


def is_finished(study: Study, run: matrix.Run) -> bool:
    """Whether there is a result that Snakemake would keep: of these settings, and of this code."""
    try:
        record = read_record(run.metrics)
    except (FileNotFoundError, RecordError):
        return False
    spec = matrix.spec(matrix.resolve(study)[run.variant])
    return record.spec == spec and record.origin.code_digest == code_digest("train.py")


def name_of(study: Study, run: matrix.Run) -> str:
    return job_name(study.study, "train", run.variant, run.seed)


def resources_of(study: Study, profile: dict[str, Any]) -> dict[str, Any]:
    """What Snakemake would ask for, for a run."""
    of_study = {"mem_mb": study.jobs.mem_mb, "runtime": study.jobs.runtime}
    return profile["default-resources"] | of_study | profile["set-resources"]["train"]


def check_request(study: Study, resources: dict[str, Any]) -> None:
    """Let SLURM say whether it takes such a job.

    Raises:
        ClusterError: it does not.
    """
    if resources["submitit_cluster"] == "slurm":
        asked = resources | {"_cores": study.jobs.threads}
        cluster.check_requests([SimpleNamespace(rule=SimpleNamespace(name="train"), resources=asked)], str(PROFILE))


def prepare_data(study: Study) -> None:
    """Prepare the study's data, where it is not there.

    Raises:
        ValueError: that failed; why stands above.
    """
    folder = commands.data_folder(study)
    if not Path(folder, "data.json").exists():
        print(f"Preparing the data set {study.data.name}", flush=True)
        command = ["python", "workflow/scripts/prepare_data.py", "--data", study.data.model_dump_json()]
        if subprocess.run([*command, "--output", str(folder)], check=False).returncode:
            raise ValueError("the data could not be prepared. No job was submitted.")


def submit_runs(study: Study, runs: Sequence[matrix.Run], resources: dict[str, Any], parallel: int) -> list[Job]:
    """Submit them as one array. On one machine, where nothing queues, as many jobs as may run, each with its share."""
    executor = make_executor(f"{study.study}-train", study.jobs.threads, resources)
    executor.update_parameters(slurm_array_parallelism=parallel)
    jobs = len(runs) if executor.cluster == "slurm" else min(parallel, len(runs))
    shares = [runs[first::jobs] for first in range(jobs)]
    work = [Commands([commands.train_command(study, run) for run in share]) for share in shares]
    submitted = submit(executor, work, [" ".join(name_of(study, run) for run in share) for share in shares])
    for job, share in zip(submitted, shares, strict=True):
        for run in share:
            link_log(job, Path(run.directory))
    return submitted


def explain(jobs: Sequence[Job], parallel: int, configfiles: Sequence[str]) -> None:
    """Say what was submitted, how to watch and to stop it, and how to go on."""
    on_slurm = jobs[0].cluster == "slurm"
    ids = [jobs[0].job_id.split("_")[0]] if on_slurm else [job.job_id for job in jobs]
    print(f"Submitted to {'SLURM' if on_slurm else 'this machine'}, at most {parallel} at a time:")
    for job in jobs:
        print(f"  {job.job_id}  {job.name}")
    print(
        f"Watch: {'squeue --me' if on_slurm else f'ps {chr(32).join(ids)}'}, tail -f results/runs/*/seed*/train.log",
        f"Stop:  {'scancel' if on_slurm else 'python workflow/scripts/submitit_bridge.py cancel'} {' '.join(ids)}",
        f"Then:  snakemake report {shlex.join(['--configfile', *configfiles])}",
        sep="\n",
    )


def main() -> None:
    set_environment()
    profile = yte.process_yaml(PROFILE.read_text(encoding="utf-8"), require_use_yte=True)
    arguments = parse_arguments(profile)
    try:
        study = load_study(arguments.configfile)
        check_results(study)
        variants = chosen("variant", arguments.variants, list(study.variants))
        seeds = chosen("seed", arguments.seeds, study.seeds)
        runs = left_to_do(study, [run for run in matrix.runs(study) if run.variant in variants and run.seed in seeds])
        if arguments.dry_run or not runs:
            print(f"{len(runs)} run(s) to submit", *(run.directory for run in runs), sep="\n  ")
            return
        resources = resources_of(study, profile)
        check_request(study, resources)
        prepare_data(study)
        explain(submit_runs(study, runs, resources, arguments.parallel), arguments.parallel, arguments.configfile)
    except ConfigError as error:
        sys.exit(f"error: the config has {len(error.errors)} error(s); no job was submitted.\n{error}")
    except (ValueError, cluster.ClusterError, SubmissionError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
