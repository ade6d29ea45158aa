"""Guards `results/`: it holds the runs of one study."""

from __future__ import annotations

from pathlib import Path

from ablation.config import Study
from ablation.plain_yaml import ConfigError
from ablation.records import RecordError, read_record


def check_results(study: Study, results: Path = Path("results")) -> None:
    """Refuse to overwrite another study's runs.

    Raises:
        ConfigError: a finished run in `results` belongs to a study of another name.
    """
    for path in (results / "runs").glob("*/seed*/metrics.json"):
        try:
            found = read_record(path).study
        except RecordError:
            continue
        if found != study.study:
            raise ConfigError(
                [
                    f"{results}/ holds the study '{found}', and this config is the study '{study.study}'. Choose the "
                    f"config of '{found}' with --configfile, or keep its results: mv {results} {results}-{found}"
                ]
            )
        return
