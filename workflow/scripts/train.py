"""Train one run of the matrix: one variant, one seed -> its directory with `metrics.json`.

python workflow/scripts/train.py --run results/runs/adam/seed0 --study demo --data results/data/digits --spec '{...}'

With several directories behind `--run`, the runs are trained side by side.
"""

from __future__ import annotations

from pathlib import Path

from ablation.runs import job
from ablation.runs.leaving import leave_after
from ablation.runs.train_run import train_runs


def main() -> int:
    parser = job.parser(__doc__)
    parser.add_argument("--run", type=Path, nargs="+", required=True, help="the folders to write to, <variant>/seed<k>")
    return train_runs(parser.parse_args())


if __name__ == "__main__":
    leave_after(main)
