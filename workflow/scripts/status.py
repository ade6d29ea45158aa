"""Show what each run of a study does now: on this machine, on a cluster, also while nothing runs.

    python workflow/scripts/status.py
    python workflow/scripts/status.py --watch

Ends with status 1 where a run failed or is damaged.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from ablation.config.plain_yaml import ConfigError
from ablation.config.study import Study
from ablation.errors import errors_for_users
from ablation.overview.last_call import add_study_option, study_of
from ablation.overview.states import WRONG, State, states_of
from ablation.overview.status import as_json, screen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_study_option(parser)
    parser.add_argument("--watch", action="store_true", help="show it again and again, until Ctrl-C")
    parser.add_argument("--seconds", type=float, default=2, help="between two looks (default: 2)")
    parser.add_argument("--json", action="store_true", help="for other programs")
    arguments = parser.parse_args()
    with errors_for_users(ConfigError):
        study = study_of(arguments)
        states = watch(study, arguments.seconds) if arguments.watch else states_of(study)
    if arguments.json:
        print(json.dumps(as_json(study, states), indent=2))
    elif not arguments.watch:
        Console(highlight=False).print(screen(study, states), soft_wrap=True)
    sys.exit(any(state.status in WRONG for state in states))


def watch(study: Study, seconds: float) -> Sequence[State]:
    """Show the states until Ctrl-C, and return the last ones."""
    states = states_of(study)
    try:
        with Live(screen(study, states), console=Console(highlight=False), auto_refresh=False) as live:
            while True:
                time.sleep(seconds)
                states = states_of(study)
                live.update(screen(study, states), refresh=True)
    except KeyboardInterrupt:
        return states


if __name__ == "__main__":
    main()
