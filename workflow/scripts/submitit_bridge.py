"""Between Snakemake's cluster-generic executor and submitit; `profiles/submitit` calls it.

    submitit_bridge.py submit JOBSCRIPT    prints the job's id
    submitit_bridge.py refresh             asks for the states of all jobs; `job_status.py` tells them to Snakemake
    submitit_bridge.py cancel JOB ...

What a job needs comes from the properties in its script: threads, mem_mb, runtime, gpu, and the site's values that the
profile gives as resources.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from ablation.cluster.jobs import names_of_runs, read_job, running_job
from ablation.cluster.submission import Commands, SubmissionError, cancel, link_log, make_executor, refresh, submit
from ablation.errors import errors_for_users

PROPERTIES = "# properties = "


def submit_script(script: Path) -> str:
    """Submit a job script and return the job's id.

    Where a job of a killed Snakemake or of `submit.py` still makes one of its runs, it is that one's id.
    """
    text = script.read_text(encoding="utf-8")
    lines = [line.removeprefix(PROPERTIES) for line in text.splitlines() if line.startswith(PROPERTIES)]
    properties = json.loads(lines[0])
    runs = names_of_runs(properties)
    if running := running_job(runs):
        return running.job_id
    executor = make_executor(name_of(properties, runs), properties["threads"], properties["resources"])
    # Snakemake removes the script at its end, so the job holds its text.
    (job,) = submit(executor, [Commands([text])], [" ".join(runs)])
    for output in properties["output"]:
        link_log(job, Path(output).parent)
    return job.job_id


def name_of(properties: dict[str, Any], runs: list[str]) -> str:
    """The job's name in the queue."""
    pack = [properties["params"]["study"], properties["rule"], properties["wildcards"]["variant"]]
    return runs[0] if len(runs) == 1 else "-".join(pack)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["submit", "refresh", "cancel"])
    parser.add_argument("what", nargs="*", help="a job script, or the ids of jobs")
    arguments = parser.parse_args()
    # Snakemake takes the first line for the id: what submitit or SLURM say besides goes to standard error.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with errors_for_users(SubmissionError):
        match arguments.action:
            case "submit":
                print(submit_script(Path(*arguments.what)), file=answer)
            case "refresh":
                refresh()
            case "cancel":
                cancel([read_job(job_id) for job_id in arguments.what])


if __name__ == "__main__":
    main()
