"""Train a part of the matrix without Snakemake: one job array, through submitit, on SLURM or else on this machine.

    python workflow/scripts/submit.py --variants adam sgd --seeds 0 1 --configfile config/config.yaml

Jobs are asked for as `profiles/submitit` says. They run what Snakemake would run, in the same folders, so a following
`snakemake report` finds them done. Runs that are finished or in the queue are skipped. Data that is missing is
prepared; after a change of your images, `snakemake results/data/images/data.json` prepares them again.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import yte

from ablation.cluster.job_array import PROFILE, submit_chosen
from ablation.cluster.machine import set_environment
from ablation.cluster.slurm import ClusterError
from ablation.cluster.submission import SubmissionError
from ablation.config.plain_yaml import ConfigError
from ablation.config.texts import study_options
from ablation.errors import errors_for_users
from ablation.escaping import for_terminal
from ablation.overview import last_call


def parse_arguments(profile: dict[str, Any]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", metavar="VARIANT", help="train these only")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="train these only")
    parser.add_argument("--configfile", nargs="+", default=profile.get("configfile"), help="the study")
    parser.add_argument("--parallel", type=int, default=profile["jobs"], metavar="N", help="jobs at a time")
    parser.add_argument("--dry-run", "-n", action="store_true", help="say what would be submitted")
    return parser.parse_args()


def main() -> None:
    set_environment()
    profile = yte.process_yaml(PROFILE.read_text(encoding="utf-8"), require_use_yte=True)
    with errors_for_users(ClusterError, SubmissionError):
        try:
            arguments = parse_arguments(profile)
            last_call.remember(arguments.configfile, {}, study_options(arguments.configfile, {}))
            submit_chosen(arguments, profile)
        except ConfigError as error:
            text = f"error: the config has {len(error.errors)} error(s); no job was submitted.\n{error}"
            sys.exit(for_terminal(text))


if __name__ == "__main__":
    main()
