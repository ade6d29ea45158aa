"""Print the variants that change one setting at a time, for a table whose rows differ in several.

Usage: python one_factor.py --configfile config/config.yaml --table losses > config/one-factor.yaml
"""

from __future__ import annotations

import argparse
import sys

import yaml

from ablation.config.loading import load_study
from ablation.config.one_factor import one_factor
from ablation.config.plain_yaml import ConfigError
from ablation.errors import errors_for_users
from ablation.escaping import for_terminal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", required=True, help="the study")
    parser.add_argument("--table", required=True, help="the name of its table")
    arguments = parser.parse_args()
    try:
        study = load_study([arguments.configfile])
    except ConfigError as error:
        sys.exit(for_terminal(f"error: the config has {len(error.errors)} error(s).\n{error}"))
    with errors_for_users():
        found = one_factor(study, arguments.table)
    print("# Beside that config, or in it: variants that change one setting of the baseline at a time.")
    print(
        yaml.safe_dump({"extends": arguments.configfile.rpartition("/")[2], **found}, sort_keys=False, width=100),
        end="",
    )


if __name__ == "__main__":
    main()
