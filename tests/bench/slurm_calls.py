"""What the controller and SLURM do for many jobs through `--profile slurm`: processor seconds, and SLURM's calls.

python tests/slurm/cluster.py run python tests/bench/slurm_calls.py [--jobs 1000] [--json calls.json]

Each job packs the 5 seeds of a variant. What SLURM starts is a stub that writes the records' files and ends, and trains
nothing: measured is what comes before and after a job. Wrappers, which come first in PATH, count the calls of SLURM.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from results import add_json, tell
from throughput import CONFIG, PACKED, ROOT, SEEDS, project

sys.path.insert(0, str(ROOT / "tests/slurm"))

import cluster

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr", "sshare")
COUNT = """\
#!/bin/sh
echo {name} >> {folder}/calls
exec {real} "$@"
"""
# The job's command names its variant. It is kept in a file, and the stub runs in its place.
SUBMIT = """\
#!/bin/sh
echo sbatch >> {folder}/calls
for argument do
  shift
  case $argument in
    --wrap=*)
      job=$(mktemp {folder}/job.XXXXXX)
      printf %s "$argument" > $job
      argument="--wrap=sh {folder}/stub $job" ;;
  esac
  set -- "$@" "$argument"
done
exec {real} "$@"
"""
STUB = """\
variant=$(sed -n 's/.*variant=\\([a-z0-9-]*\\).*/\\1/p' $1 | head -1)
for seed in {seeds}; do
  mkdir -p results/runs/$variant/seed$seed
  echo stub > results/runs/$variant/seed$seed/metrics.json
done
"""
# Snakemake, and what it and its children took of the processor, at its end.
RUN = """
import atexit, json, resource, runpy, sys
def write():
    used = {name: resource.getrusage(which) for name, which in
            (("self", resource.RUSAGE_SELF), ("children", resource.RUSAGE_CHILDREN))}
    seconds = {name: each.ru_utime + each.ru_stime for name, each in used.items()}
    json.dump(seconds | {"mb": used["self"].ru_maxrss / 1024}, open("usage.json", "w"))
atexit.register(write)
sys.argv[0] = "snakemake"
runpy.run_module("snakemake", run_name="__main__")
"""


def write_wrappers(folder: Path) -> None:
    """SLURM's commands, which count their calls; and what a job runs."""
    commands = folder / "commands"
    commands.mkdir()
    for name in COMMANDS:
        real = cluster.shutil.which(name)
        if real:
            text = (SUBMIT if name == "sbatch" else COUNT).format(name=name, folder=folder, real=real)
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
    (folder / "stub").write_text(STUB.format(seeds=" ".join(map(str, range(SEEDS)))))


def processor_seconds(daemon: str) -> float:
    """Of a daemon of the cluster, so far."""
    fields = cluster.stat(int((cluster.PIDS / daemon).read_text().split()[0]))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(folder: Path, jobs: int) -> dict[str, float]:
    """Run the study in the project of this folder."""
    targets = [f"results/runs/rate-{rate}/seed{seed}/metrics.json" for rate in range(jobs) for seed in range(SEEDS)]
    command = [sys.executable, "-c", RUN, *targets, *CONFIG, "--profile", "slurm", *PACKED, "--retries=0"]
    environment = os.environ | {"PATH": f"{folder}/commands:{os.environ['PATH']}"}
    before, start = processor_seconds("slurmctld"), time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"snakemake failed:\n{done.stdout[-3000:]}")
    usage = json.loads((folder / "usage.json").read_text())
    calls = Counter((folder / "calls").read_text().split())
    return {
        "jobs": jobs,
        "wall s": wall,
        "Snakemake, processor s": usage["self"],
        "Snakemake, MB": usage["mb"],
        "its commands, processor s": usage["children"],
        "slurmctld, processor s": processor_seconds("slurmctld") - before,
        **{f"calls of {name}": count for name, count in calls.most_common()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    add_json(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder, arguments.jobs)
        write_wrappers(folder)
        found = measured(folder, arguments.jobs)
    rows = [{"what": what, "in all": each, "a job": each / arguments.jobs} for what, each in found.items()]
    tell(rows, arguments.json)


if __name__ == "__main__":
    main()
