"""What `results/` holds already: the runs of one study, made by some code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablation.config.grid import is_identifier
from ablation.config.matrix import Run
from ablation.config.plain_yaml import ConfigError
from ablation.config.settings import RunSettings, changes_text, spec
from ablation.config.study import Probing, Study
from ablation.data.arrays import Description, PreparedDataError, read_description
from ablation.escaping import for_shell
from ablation.files import read_file
from ablation.runs.provenance import training_digest, training_files
from ablation.runs.records import ProbeRecord, RecordError, RunRecord, read_probe, read_record


def check_results(study: Study, results: Path = Path("results")) -> None:
    """Refuse to overwrite another study's runs, whatever the version of their records.

    Raises:
        ConfigError: a finished run in `results` belongs to a study of another name.
    """
    for path in (results / "runs").glob("*/seed*/metrics.json"):
        found = _read(path).get("study")
        if not is_identifier(found):  # as in a damaged record
            continue
        if found != study.study:
            move = for_shell("mv", results, f"{results}-{found}")
            raise ConfigError(
                [
                    f"{results}/ holds the study '{found}', and this config is the study '{study.study}'. Choose the "
                    f"config of '{found}' with --configfile, or keep its results: {move}"
                ]
            )
        return


def data_folder(study: Study) -> Path:
    """The folder of the study's prepared data."""
    return Path("results", "data", study.data.name)


def components_of(results: Path) -> tuple[str, ...]:
    """The files of the study's own components, which were given from the folder that `results` is in; none where there
    is no study."""
    try:
        study = Study.model_validate_json(read_file(results / "study.json"))
    except (OSError, ValueError):
        return ()
    return tuple(os.path.normpath(results / ".." / file) for file in study.components)


def prepared_data(study: Study) -> Description | None:
    """What describes the prepared data; None where that is missing or damaged."""
    try:
        return read_description(data_folder(study))
    except PreparedDataError:
        return None


def digest_of_data(study: Study) -> str | None:
    """The digest of the prepared data; None where it is missing or damaged."""
    data = prepared_data(study)
    return data.digest if data else None


def other_run(record: RunRecord | ProbeRecord, study: Study, data: str | None) -> str:
    """Why a record is none of the study's settings, or of the data of this digest; else nothing."""
    then, now = record.spec, spec(study.matrix.settings[record.variant])
    if isinstance(record, ProbeRecord):
        probing = study.landscape.probe if study.landscape else Probing()
        then = then | {"every": record.every, "step_sizes": record.step_sizes}
        now = now | {"every": probing.every, "step_sizes": probing.step_sizes}
    if changed := changes_text(then, now):
        return f"made with other settings: {changed}"
    if data not in (None, record.origin.data_digest):
        return f"made with other data than those of digest {data}"
    return ""


def is_of_other_code(record: RunRecord | ProbeRecord, settings: RunSettings, *, probed: bool = False) -> bool:
    """Whether the code that made a record is not that of today."""
    return record.origin.code_digest != training_digest(settings, probed=probed)


def other_code(record: RunRecord | ProbeRecord, settings: RunSettings, *, probed: bool = False) -> str:
    """How the code that made a record differs from today's, file by file; nothing where it does not."""
    if not is_of_other_code(record, settings, probed=probed):
        return ""
    then, now = record.origin.code_files, training_files(settings, probed=probed)
    changed = sorted(file for file in {*then, *now} if then.get(file) != now.get(file))
    return f"made by other code{': ' if then else ''}{', '.join(changed if then else [])}"


def is_finished(run: Run, study: Study, data: str | None) -> bool:
    """Whether a run has a result that Snakemake would keep: of these settings, data and, but for `keep`, code."""
    try:
        record = read_record(run.metrics)
    except (FileNotFoundError, RecordError):
        return False
    of_code = study.keep or not is_of_other_code(record, study.matrix.settings[run.variant])
    return of_code and not other_run(record, study, data)


def code_of_finished(paths: Iterable[str], settings: Mapping[str, Any], data: str | None) -> str | None:
    """The digest of the code that made these records, where they are of these settings and of the data of that digest.

    None where one of them is not, or is missing or damaged: today's code makes it.
    """
    try:
        records = [read_probe(path) if path.endswith("probe.json") else read_record(path) for path in paths]
    except (FileNotFoundError, RecordError):
        return None
    of_now = all((record.spec, record.origin.data_digest) == (settings, data) for record in records)
    return records[0].origin.code_digest if of_now and records else None


def digest_of_prepared(folder: Path, identity: str) -> str | None:
    """That of the data prepared in a folder; None where they are not those of this identity."""
    description = _read(folder / "data.json")
    return description.get("digest") if description.get("identity") == identity else None


def _read(path: Path) -> dict[str, Any]:
    """A record of any version; empty where it is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError):
        record = json.loads(read_file(path))
        return record if isinstance(record, dict) else {}
    return {}
