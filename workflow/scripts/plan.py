"""Say what `snakemake` would train and why, how long that takes, and whether the jobs ask for enough.

    python workflow/scripts/plan.py --configfile config/config.yaml

The time is that of finished runs of the same network; of a network without one, a few steps are measured here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console

from ablation.config.plain_yaml import ConfigError
from ablation.config.study import Study
from ablation.errors import errors_for_users
from ablation.overview import plan
from ablation.overview.last_call import add_study_option, study_of
from ablation.overview.speed import Speeds
from ablation.overview.states import FINISHED, State, states_of
from ablation.runs.results import data_folder, prepared_data


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_study_option(parser)
    parser.add_argument("--jobs", type=int, metavar="N", help="runs at a time (default: as `snakemake` here)")
    parser.add_argument("--no-measure", action="store_true", help="tell only what finished runs tell")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    with errors_for_users(ConfigError):
        study = study_of(arguments)
        states = states_of(study)
        measured = {} if arguments.no_measure else measure(study, states)
        show(study, states, Speeds(study, states, measured), arguments.jobs or plan.runs_at_a_time(study))


def measure(study: Study, states: Sequence[State]) -> Mapping[str, float]:
    """Seconds an epoch of each network that has to be trained and that no finished run tells of."""
    speeds, data = Speeds(study, states), prepared_data(study)
    to_train = [state.job for state in states if state.status not in FINISHED and not state.job.probed]
    unknown = {job.run.variant for job in to_train if speeds.seconds(job) is None}
    networks = {speeds.network(variant): study.matrix.settings[variant] for variant in unknown}
    if not networks:
        return {}
    if data is None:
        print(f"No speed is measured before the images are prepared: snakemake {data_folder(study)}/data.json")
        return {}
    import torch

    from ablation.runs.measure import epoch_seconds

    torch.set_num_threads(study.jobs.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(
        f"Measuring a few steps of {len(networks)} network(s) here, on {device.type} ...", file=sys.stderr, flush=True
    )
    shape = study.data.image_shape
    return {network: epoch_seconds(settings, data, shape, device) for network, settings in networks.items()}


def show(study: Study, states: Sequence[State], speeds: Speeds, at_a_time: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    need = plan.demand(states, speeds, at_a_time)
    console.print(plan.variants_table(study, states, speeds))
    for line in plan.grouped(plan.reasons_of(states), study):
        console.print(f"\n{line}", markup=False)
    console.print(f"\n{plan.demand_text(need)}", markup=False)
    for line in plan.advice(study, states, need):
        console.print(line, markup=False)


if __name__ == "__main__":
    main()
