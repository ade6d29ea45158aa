"""How long the demo takes, from installed to report, and what share of it is training.

python tests/bench/demo.py [--json FILE]

Runs `snakemake --configfile config/demo.yaml` in a copy of this checkout. Processor seconds are those of the whole
machine, since jobs outlive the processes that started them: nothing else should run.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
from results import add_json, tell
from throughput import copy_project


def busy():
    """Seconds that the processors have worked since the machine started."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def device_seconds(folder):
    """What runs and probes spent on steps, evaluations and probes."""
    runs = [json.loads(path.read_text())["cost"] for path in folder.glob("results/runs/*/seed*/metrics.json")]
    probes = [json.loads(path.read_text()) for path in folder.glob("results/probes/*/seed*/probe.json")]
    probing = sum((each["seconds_per_probe"] or 0) * len(each["steps"]) for each in probes)
    # A probed run trains as the run itself does.
    train = sum(each["seconds_per_step"] * each["steps"][-1]["step"] for each in probes if each["steps"])
    return sum(each["device_seconds"] for each in runs) + probing + train


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_json(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        start, before = time.perf_counter(), busy()
        subprocess.run(["snakemake", "--configfile", "config/demo.yaml"], cwd=folder, check=True)
        wall, worked = time.perf_counter() - start, busy() - before
        trained = device_seconds(folder)
    row = {"wall s": wall, "processor s": worked, "training and probing s": trained, "share %": 100 * trained / worked}
    tell([row], arguments.json)


if __name__ == "__main__":
    main()
