"""Between Snakemake's cluster-generic executor and submitit; `profiles/submitit` calls it.

    submitit_bridge.py submit JOBSCRIPT    prints the job's id
    submitit_bridge.py status JOB          prints running, success or failed
    submitit_bridge.py cancel JOB ...

What a job needs comes from the properties in its script: threads, mem_mb, runtime, gpu, and the site's values that the
profile gives as resources.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from ablation.jobs import CHECKED, read_job

# Seconds for which an answer about all jobs holds. `ablation.submission` is loaded only where there is something to ask:
# it takes ten times as long as reading the last answer, and Snakemake asks for each job by itself.
INTERVAL = {"slurm": 5, "local": 0.5}
PROPERTIES = "# properties = "


def submit(script: Path) -> str:
    """Submit a job script and return the job's id. The job holds its text, since Snakemake removes the file."""
    from ablation.submission import Commands, make_executor, submit

    text = script.read_text(encoding="utf-8")
    properties = next(
        json.loads(line.removeprefix(PROPERTIES)) for line in text.splitlines() if line.startswith(PROPERTIES)
    )
    name = job_name(properties)
    executor = make_executor(name, properties["threads"], properties["resources"])
    return submit(executor, [Commands([text])], [name])[0].job_id


def job_name(properties: dict[str, Any]) -> str:
    """Study, rule, variant and seed of a run; rule and table, or whatever there is, of other jobs."""
    wildcards = properties.get("wildcards", {})
    parts = [properties.get("rule") or f"group-{properties['groupid']}", *wildcards.values()]
    if "seed" in wildcards:
        parts = [properties["params"]["study"], properties["rule"], wildcards["variant"], f"seed{wildcards['seed']}"]
    return "-".join(parts)


def status(job_id: str) -> str:
    """The job's state, a few seconds old at most."""
    job = read_job(job_id)
    checked = CHECKED.stat().st_mtime if CHECKED.exists() else 0.0
    if job.state != "running" or time.time() - checked < INTERVAL[job.cluster]:
        return job.state
    from ablation.submission import refresh

    CHECKED.touch()
    refresh()
    return read_job(job_id).state


def cancel(job_ids: list[str]) -> None:
    from ablation.submission import cancel

    cancel([read_job(job_id) for job_id in job_ids])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["submit", "status", "cancel"])
    parser.add_argument("what", nargs="+", help="a job script, or the ids of jobs")
    arguments = parser.parse_args()
    try:
        if arguments.action == "submit":
            print(submit(Path(arguments.what[0])))
        elif arguments.action == "status":
            print(status(arguments.what[0]))
        else:
            cancel(arguments.what)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
