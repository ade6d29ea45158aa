"""Two runs side by side: in what they differ, from the settings to the first epoch in which they part. No torch.

In: two folders of runs. Out: a `Comparison`. Fails with `RecordError` where one has no whole record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Any

from ablation.config.settings import changes
from ablation.runs.records import HISTORY, RecordError, RunRecord, read_file_of, read_record

# What a run comes to; two runs with the same repeat each other, whatever they took.
OUTCOME = ("status", "parameters", "epochs", "best", "last", "averaged", "test")
Changes = Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Parting:
    """The first epoch in which two histories differ, and the columns that differ there."""

    epoch: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs, with both values, by kind; what does not is left out.

    `files` are those that the runs left, and differ or are missing in one.
    """

    run: Changes
    settings: Changes
    code: Changes
    environment: Changes
    data: Changes
    result: Changes
    files: tuple[str, ...]
    parting: Parting | None

    @property
    def repeats(self) -> bool:
        """Whether the second run repeats the first bit for bit: the same result, epochs and weights."""
        return not self.result and not self.files

    def sections(self) -> Iterator[tuple[str, Changes]]:
        """The kinds of differences that have nothing to do with what came of them, and the result last."""
        for name in ("run", "settings", "code", "environment", "data", "result"):
            yield name, getattr(self, name)


def compare(one: str | PurePath, other: str | PurePath) -> Comparison:
    """Compare the runs in two folders.

    Raises:
        RecordError: one of them has no whole record, or no whole history.
    """
    first, second = _record(one), _record(other)
    names = sorted({*first.files, *second.files})
    return Comparison(
        run=changes(*({"study": each.study, "variant": each.variant, "seed": each.seed} for each in (first, second))),
        settings=changes(first.spec, second.spec),
        code=changes(_code(first, second), _code(second, first)),
        environment=changes(*map(_environment, (first, second))),
        data=changes(*({"digest": each.origin.data_digest} for each in (first, second))),
        result=changes(*(each.model_dump(mode="json", include=set(OUTCOME)) for each in (first, second))),
        files=tuple(name for name in names if first.files.get(name) != second.files.get(name)),
        parting=_parting(_lines(one, first), _lines(other, second)),
    )


def _record(directory: str | PurePath) -> RunRecord:
    try:
        return read_record(Path(directory, "metrics.json"))
    except FileNotFoundError as error:
        raise RecordError(f"{directory} holds no finished run: there is no metrics.json") from error


def _code(record: RunRecord, other: RunRecord) -> dict[str, str]:
    """The digests by file; where one is an older record, only that of all."""
    by_file = record.origin.code_files and other.origin.code_files
    return record.origin.code_files if by_file else {"all files": record.origin.code_digest}


def _environment(record: RunRecord) -> dict[str, Any]:
    return record.origin.model_dump(mode="json", exclude={"code_digest", "code_files", "data_digest"})


def _lines(directory: str | PurePath, record: RunRecord) -> list[list[str]]:
    return [line.split(",") for line in read_file_of(directory, record, HISTORY).decode().splitlines()]


def _parting(one: list[list[str]], other: list[list[str]]) -> Parting | None:
    header = one[0]
    for epoch, (first, second) in enumerate(zip_longest(one[1:], other[1:]), start=1):
        if first is None or second is None:
            return Parting(epoch, ("one run has no such epoch",))
        if first != second:
            return Parting(epoch, tuple(name for name, a, b in zip(header, first, second, strict=True) if a != b))
    return None
