"""Wall time of 100 tiny runs in each way to submit them, on the SLURM of the tests.

python tests/slurm/cluster.py run python tests/bench/throughput.py [MODE ...] [--variants 20]

Each mode trains the same study, variants x 5 seeds of a moment's work each, in a copy of the project whose data is
prepared. Besides the wall time: the processor seconds of the command, on a cluster those of the login node; and those
of a job, by SLURM's accounting, which are those of its start.
"""

import argparse
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import add_json, tell

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "workflow", "config", "profiles", "slurm")
SEEDS = 5
CONFIG = ["--configfile", "config/tiny.yaml"]
PACKED = ["--config", 'jobs={"pack_seeds": true}']
# Options of Snakemake; submit.py needs none.
MODES: dict[str, list[str]] = {
    "local": [],
    "local-packed": PACKED,
    "slurm": ["--profile", "slurm"],
    "slurm-defaults": [
        *("--profile", "slurm", "--slurm-status-command=sacct"),
        "--slurm-init-seconds-before-status-checks=40",
    ],
    # With the profile's limit of submissions Snakemake hangs once the first arrays are done; and arrays whose commands
    # exceed the length of a command line lose those of their tasks.
    "slurm-arrays": [
        *("--profile", "slurm", "--slurm-array-jobs=train", "--slurm-array-limit=20"),
        "--max-jobs-per-timespan=1000/1s",
    ],
    "slurm-packed": ["--profile", "slurm", *PACKED],
    "submitit": ["--profile", "profiles/submitit"],
    "submit.py": [],
}


def study(variants):
    rates = "\n".join(f"        {index}: {1e-3 * (index + 1):.4f}" for index in range(variants))
    return f"""\
study: tiny
data: {{name: digits, train_images_per_class: 10}}
seeds: {list(range(SEEDS))}
base: {{model: {{filters: [2, 3, 4]}}, epochs: 1}}
jobs: {{mem_mb: 1500, runtime: 10}}
variants:
  rate:
    grid:
      optimizer.learning_rate:
{rates}
"""


def copy_project(folder):
    """What a study needs of the checkout."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy(source, folder / part, follow_symlinks=False)


def project(folder, variants):
    """A copy of the checkout with the tiny study, its data prepared."""
    copy_project(folder)
    (folder / "config/tiny.yaml").write_text(study(variants))
    command = [sys.executable, "-m", "snakemake", "results/data/digits/data.json", "--configfile", "config/tiny.yaml"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def command(mode, targets):
    if mode == "submit.py":
        return [sys.executable, "workflow/scripts/submit.py", "--parallel", "100", *CONFIG]
    return [sys.executable, "-m", "snakemake", *targets, *CONFIG, *MODES[mode], "--retries=0"]


def measured(mode, folder, variants):
    """Wall seconds until the last record is there, processor seconds of the command and what it ran itself, and those
    of a job on SLURM."""
    targets = [f"results/runs/rate-{rate}/seed{seed}/metrics.json" for rate in range(variants) for seed in range(SEEDS)]
    before, start, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), time.localtime()
    done = subprocess.run(
        command(mode, targets), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{mode} failed:\n{done.stdout[-3000:]}")
    while not all((folder / target).exists() for target in targets):
        time.sleep(0.2)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "mode": mode,
        "wall s": wall,
        "command, processor s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "job, processor s": None if "local" in mode else seconds_of_job(began),
    }


def seconds_of_job(began):
    """The median of the jobs that began since then. Accounting knows it some seconds after a job's end."""
    time.sleep(10)
    since = time.strftime("%Y-%m-%dT%H:%M:%S", began)
    command = ["sacct", "-nP", f"--starttime={since}", "--endtime=now", "--format=JobID,TotalCPU"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    jobs = dict(line.split("|") for line in answer.stdout.split())
    return statistics.median(in_seconds(used) for job, used in jobs.items() if "." not in job)


def in_seconds(text):
    """SLURM's [[days-]hours:]minutes:seconds."""
    parts = reversed(re.split("[-:]", text))
    return sum(float(part) * factor for part, factor in zip(parts, (1, 60, 3600, 86400), strict=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modes", nargs="*", metavar="MODE", help=", ".join(MODES))
    parser.add_argument("--variants", type=int, default=20)
    add_json(parser)
    arguments = parser.parse_args()
    rows = []
    for mode in arguments.modes or MODES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            project(folder, arguments.variants)
            rows.append(measured(mode, folder, arguments.variants))
        tell(rows, arguments.json)


if __name__ == "__main__":
    main()
