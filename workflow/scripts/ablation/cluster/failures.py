"""What the terminal says of a job that failed: what it makes, what happened, its log, and the command that reruns it.

Snakemake prints the whole command twice and the reason last. Its own log in `.snakemake/log/` still has all that.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from ablation.config.texts import RESUMES, snakemake_command

MAX_LINES = 5


@dataclass(frozen=True)
class Failure:
    """A failed job: the files it makes, its logs, and what the cluster says of its end."""

    outputs: Sequence[str]
    logs: Sequence[str]
    message: str = ""

    def __str__(self) -> str:
        first, *others = self.outputs
        reason = [*self._of_the_cluster(), *reason_in(self.logs)] or ["it left no message"]
        if not self.message and len(reason) == 1 and RESUMES in reason[0]:
            return f"Interrupted: {reason[0].partition(f'; {RESUMES}')[0]}"
        lines = [
            f"Failed: {first}{f' and {len(others)} more' if others else ''}",
            *(f"  {line}" for line in reason),
            *(f"  log:   {log}" for log in self.logs if Path(log).exists()),
            f"  rerun: {snakemake_command(first)}",
        ]
        return "\n".join(lines)

    def _of_the_cluster(self) -> list[str]:
        """What the executor says, without its pointer to the logs."""
        said = self.message.partition("For further error details")[0].strip()
        return [said] if said else []


def reason_in(logs: Sequence[str]) -> list[str]:
    """The error at the end of the first log that says something, without the name of the run; else its last line."""
    for log in logs:
        text = Path(log).read_text(encoding="utf-8", errors="replace") if Path(log).is_file() else ""
        lines = [line for line in text.splitlines()[-MAX_LINES:] if line.strip()]
        errors = [index for index, line in enumerate(lines) if line.startswith("error: ")]
        if errors:
            lines = lines[errors[-1] :]
            lines[0] = lines[0].removeprefix("error: ").removeprefix(f"{Path(log).parent}: ")
            return lines
        if lines:
            return lines[-1:]
    return []


class ShortFailures(logging.Formatter):
    """Snakemake's formatter, but for failed jobs."""

    def __init__(self, of_snakemake: logging.Formatter) -> None:
        super().__init__()
        self.of_snakemake = of_snakemake

    def format(self, record: logging.LogRecord) -> str:
        details = vars(record)
        if details.get("event") is LogEvent.JOB_ERROR:
            return str(Failure(details["output"], details["log"], details["rule_msg"] or ""))
        return self.of_snakemake.format(record)


def is_no_repetition(record: logging.LogRecord) -> bool:
    """Whether a record is not the exception of a command, which a failed job's record tells too."""
    return "CalledProcessError in file" not in record.getMessage()
