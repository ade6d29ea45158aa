"""What a run's log says: a line an epoch while it trains, and at its end why it ended. No torch."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from ablation.config.texts import RESUMES
from ablation.files import open_file

MAX_LINES = 5
# More than the line with a run's settings and those of its last epochs.
TAIL_BYTES = 16_384
STARTED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ")
EPOCH = re.compile(
    r"^epoch +(?P<epoch>\d+)/(?P<epochs>\d+) .* held out +\S+ +(?P<accuracy>[\d.]+) %  best +(?P<best>[\d.]+) %"
    r"  (?P<images_per_second>[\d,]+) images/s  (?P<left>[\d:]+) left$"
)


class Progress(NamedTuple):
    """How far a run is: accuracies on the held-out images in percent, the time left in seconds."""

    epoch: int
    epochs: int
    accuracy: float
    best: float
    images_per_second: float
    seconds_left: float

    @property
    def share(self) -> float:
        """How much of the run is done."""
        return self.epoch / self.epochs


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as in 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def seconds_of(text: str) -> float:
    """The seconds of a `duration`."""
    return sum(int(part) * 60**power for power, part in enumerate(reversed(text.split(":"))))


def progress_in(log: str | PurePath) -> Progress | None:
    """What the last job to write this log says of its last epoch, the time left from now on; None before its first."""
    for line in reversed(last_lines(log)):
        if found := EPOCH.match(line):
            values = {name: float(found[name].replace(",", "")) for name in ("accuracy", "best", "images_per_second")}
            left = seconds_of(found["left"]) - (time.time() - os.stat(log).st_mtime)
            return Progress(int(found["epoch"]), int(found["epochs"]), **values, seconds_left=max(0.0, left))
        if STARTED.match(line):
            break
    return None


def last_lines(log: str | PurePath) -> list[str]:
    """The last lines of a log that say something; none where there is no log."""
    try:
        with open_file(Path(log)) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def reason_in(logs: Sequence[str | PurePath]) -> list[str]:
    """The error at the end of the first log that says something, without the name of the run; else its last line."""
    for log in logs:
        lines = last_lines(log)[-MAX_LINES:]
        errors = [index for index, line in enumerate(lines) if line.startswith("error: ")]
        if errors:
            lines = lines[errors[-1] :]
            lines[0] = lines[0].removeprefix("error: ").removeprefix(f"{PurePath(log).parent}: ")
            return lines
        if lines:
            return lines[-1:]
    return []


def has_failed(log: str | PurePath) -> bool:
    """Whether the last job to write this log ended with an error of its own."""
    for line in reversed(last_lines(log)):
        if line.startswith(("error: ", "Traceback ")):
            return True
        if STARTED.match(line):
            break
    return False


def interruption_in(reason: Sequence[str]) -> str:
    """By what a run was interrupted, so that it can resume; empty where that is no reason for its end."""
    return reason[0].partition(f"; {RESUMES}")[0] if len(reason) == 1 and RESUMES in reason[0] else ""
