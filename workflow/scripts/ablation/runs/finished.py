"""The second copy of a finished run's record, for the jobs that train several runs. No torch.

Snakemake removes all records of such a job when one of its runs failed, or has to be trained again. A job that finds
the copy, of the same run with all its files, puts the record back. What a user forces is forgotten before any job
starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.runs.records import Origin, RecordError, RunRecord, check_files, read_record, write_record

RECORD = "metrics.json"
COPY = "finished.json"


@dataclass(frozen=True)
class Wanted:
    """What a job would train: a finished run must be the same in all of this. With `keep`, the code may be another."""

    study: str
    spec: Mapping[str, Any]
    origin: Origin
    keep: bool

    def is_what(self, record: RunRecord) -> bool:
        """Whether it is what made this record, of the same variant and seed."""
        same_code = self.keep or record.origin.code_digest == self.origin.code_digest
        made = (record.study, record.spec, record.origin.data_digest)
        return same_code and made == (self.study, self.spec, self.origin.data_digest)


def put_back(directory: Path, wanted: Wanted) -> bool:
    """Whether an earlier job finished this run, and nothing of it is lost or damaged; then its record is put back."""
    try:
        record = read_record(directory / COPY)
        if not wanted.is_what(record):
            return False
        check_files(directory, record)
    except FileNotFoundError:
        return False
    except RecordError as error:
        print(f"is trained again: {error}", flush=True)
        return False
    write_record(directory / RECORD, record)
    print(f"was finished by an earlier job; without {directory / COPY}, it would be trained again", flush=True)
    return True


def forget(paths: Iterable[str]) -> None:
    """Remove the copies beside these records, if they are records of runs: their jobs train them again."""
    for path in map(Path, paths):
        if path.name == RECORD:
            path.with_name(COPY).unlink(missing_ok=True)
