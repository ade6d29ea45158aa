"""The jobs that were submitted from this folder, one small file each. No torch, and nothing that is slow to load.

`submission.py` writes them; the bridge to Snakemake and `submit.py` read them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ablation.files import write_text

if TYPE_CHECKING:
    from ablation.config.study import Study

JOBS = Path(".snakemake", "submitit")
# Its time stamp tells when the states were last asked for.
CHECKED = JOBS / "checked"


@dataclass(frozen=True)
class SubmittedJob:
    """One job: its name says what it does (several names: several runs), `folder` holds its log."""

    job_id: str
    name: str
    folder: str
    cluster: str
    state: Literal["running", "success", "failed"] = "running"
    doubted: float = 0.0  # since when neither SLURM's queue nor its accounting knows of it

    def write(self) -> None:
        write_text(JOBS / f"{self.job_id}.json", json.dumps(asdict(self)))


def read_jobs() -> list[SubmittedJob]:
    return [read_job(path.stem) for path in sorted(JOBS.glob("*.json"))]


def read_job(job_id: str) -> SubmittedJob:
    """The job of this id; one whose note is missing or damaged has failed, so that it is submitted again.

    Should it run all the same, the new job finds its runs locked. Local jobs have process ids, which come again: a new
    job then takes the place of the old.
    """
    path = JOBS / f"{job_id}.json"
    try:
        return SubmittedJob(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as error:
        print(f"{path} is no note of a job and is taken for a failed one: {error}", file=sys.stderr)
    return SubmittedJob(job_id, name="forgotten", folder=str(JOBS), cluster="none", state="failed")


def job_name(study: str, rule: str, variant: str, seed: int | str) -> str:
    """The name of a run's job, in the queue too."""
    return f"{study}-{rule}-{variant}-seed{seed}"


def running_job(names: Sequence[str]) -> SubmittedJob | None:
    """The job for one of these that has not ended, as far as was known when the states were last asked for."""
    running = [job for job in read_jobs() if job.state == "running"]
    return next((job for job in running if {*names} & {*job.name.split()}), None)


def names_of_runs(properties: Mapping[str, Any]) -> list[str]:
    """Study, rule, variant and seed of each run that a job of Snakemake's makes, from the properties of its script."""
    study, variant = properties["params"]["study"], properties["wildcards"]["variant"]
    seeds = [Path(output).parent.name.removeprefix("seed") for output in properties["output"]]
    return [job_name(study, properties["rule"], variant, seed) for seed in seeds]


def ids_that_run(snakemake_jobs: Iterable[Any], study: str) -> list[str]:
    """The ids of the jobs for these of Snakemake's that have not ended."""
    properties = [
        {"params": {"study": study}, "wildcards": job.wildcards_dict, "rule": job.rule.name, "output": job.output}
        for job in snakemake_jobs
    ]
    found = [running_job(names_of_runs(each)) for each in properties]
    return list(dict.fromkeys(job.job_id for job in found if job is not None))


def train_options(study: Study) -> list[str]:
    """What the scripts that train need to know and what changes no result, as options."""
    components = ["--components", *study.components] if study.components else []
    return components + ["--keep"] * study.keep
