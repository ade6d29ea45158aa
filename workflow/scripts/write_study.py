"""Write the checked study for the analysis: write_study.py --configfile config/demo.yaml --output results/study.json

In: the config files and what `--config` gave, as JSON. Out: the study as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError
from ablation.errors import errors_for_users
from ablation.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", nargs="*", default=[], help="the study")
    parser.add_argument("--config", type=json.loads, default={}, help="values that win over those of the files")
    parser.add_argument("--output", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    try:
        study = load_study(arguments.configfile, arguments.config)
    except ConfigError as error:
        sys.exit(f"error: the config has {len(error.errors)} error(s).\n{error}")
    with errors_for_users():
        write_text(arguments.output, study.for_analysis() + "\n")


if __name__ == "__main__":
    main()
