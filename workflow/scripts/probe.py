"""Train one run of the matrix a second time, probing the loss landscape -> `probe.json`.

python workflow/scripts/probe.py --run results/probes/adam/seed0 --study demo --data results/data/digits --spec '{...}'
    --every 50 --step-sizes 0.5 1 2 4
"""

from __future__ import annotations

from pathlib import Path

from ablation.runs import job
from ablation.runs.leaving import leave_after
from ablation.runs.probe_run import probe_for_users


def main() -> int:
    parser = job.parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder to write to, .../<variant>/seed<k>")
    parser.add_argument("--every", type=int, required=True, help="probe every so many steps")
    parser.add_argument("--step-sizes", type=float, nargs="+", required=True, help="multiples of the learning rate")
    probe_for_users(parser.parse_args())
    return 0


if __name__ == "__main__":
    leave_after(main)
