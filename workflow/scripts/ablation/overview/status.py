"""The state of a study as a screen of a terminal, or as JSON. No torch.

In: the states of all runs. Out: text with what is left, what runs, waits and failed, then the matrix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ablation.config.study import Study
from ablation.config.texts import snakemake_command
from ablation.escaping import for_terminal
from ablation.overview.speed import Speeds, rough
from ablation.overview.states import WRONG, State, Status
from ablation.runs.records import FINISHED

COLOURS: dict[Status, str] = {
    "completed": "green",
    "diverged": "magenta",
    "running": "cyan",
    "queued": "blue",
    "waiting": "bright_black",
    "interrupted": "yellow",
    "outdated": "yellow",
    "damaged": "red",
    "failed": "red",
}
# So many seeds have a column each; of more, only how many runs are in which state.
MAX_SEEDS = 10
# So many runs are listed of a kind.
MAX_LISTED = 20


def screen(study: Study, states: Sequence[State]) -> RenderableType:
    """All of it: the matrix comes last, since a terminal that is too low cuts the end off."""
    parts = [
        _headline(study, states),
        _running(states),
        _reasons("queued", states),
        _reasons("interrupted", states),
        _reasons("outdated", states),
        *(_failures(status, states) for status in WRONG),
        _matrix(study, states),
    ]
    return Group(*(part for part in parts if part is not None))


def _headline(study: Study, states: Sequence[State]) -> Text:
    runs = [state for state in states if not state.job.probed]
    counts = Counter(state.status for state in runs)
    finished = sum(counts[status] for status in FINISHED)
    text = Text()
    text.append(for_terminal(study.title), style="bold")
    text.append(f"\n{finished} of {len(runs)} runs finished")
    for status, colour in COLOURS.items():
        if counts[status] and status != "completed":
            text.append(f", {counts[status]} {status}", style=colour)
    if probed := [state for state in states if state.job.probed]:
        done = sum(state.status in FINISHED for state in probed)
        text.append(f"; {done} of {len(probed)} runs with probes")
    return text.append(f"\n{time_left(study, states)}")


def time_left(study: Study, states: Sequence[State]) -> str:
    """What is left to train, as a sentence."""
    left = Speeds(study, states).left(states)
    running = sum(state.status == "running" for state in states)
    if not left.seconds and not left.unknown:
        return "Nothing is left to train."
    unknown = f"{left.unknown} that no finished run tells the time of" if left.unknown else ""
    if not left.seconds:
        return f"The time left is not known: {unknown}."
    known = f"About {rough(left.seconds / max(1, running))} left"
    pace = f" with {running} at a time" if running else " of training; nothing runs now"
    return f"{known}{pace}{f', besides {unknown}' if unknown else ''}."


def _running(states: Sequence[State]) -> Group | None:
    running = [state for state in states if state.status == "running"]
    if not running:
        return None
    table, titled = _table("Running", "bold cyan")
    for name in ("epoch", "held out", "best", "images/s", "left"):
        table.add_column(name, justify="right")
    for state in running[:MAX_LISTED]:
        table.add_row(str(state.job), *_progress_cells(state))
    if len(running) > MAX_LISTED:
        table.add_row(f"and {len(running) - MAX_LISTED} more")
    return titled


def _table(title: str, style: str) -> tuple[Table, Group]:
    """A table, and the same below its title."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    return table, Group(Text(f"\n{title}", style=style), table)


def _progress_cells(state: State) -> list[str]:
    progress = state.progress
    if progress is None:
        return ["1", "", "", "", ""]
    return [
        f"{progress.epoch}/{progress.epochs}",
        f"{progress.accuracy:.2f} %",
        f"{progress.best:.2f} %",
        f"{progress.images_per_second:,.0f}",
        rough(progress.seconds_left),
    ]


def _reasons(status: Status, states: Sequence[State]) -> Text | None:
    """A line for each reason, with how many runs have it."""
    reasons = Counter(state.detail for state in states if state.status == status)
    if not reasons:
        return None
    text = Text(f"\n{status.capitalize()}", style=f"bold {COLOURS[status]}")
    for reason, count in reasons.most_common(MAX_LISTED):
        example = next(state.job for state in states if (state.status, state.detail) == (status, reason))
        who = str(example) if count == 1 else f"{count} runs, such as {example}"
        text.append(for_terminal(f"\n{who}: {reason}"), style="not bold default")
    return text


def _failures(status: Status, states: Sequence[State]) -> Text | None:
    """What happened to each, the log, and the command to type."""
    failed = [state for state in states if state.status == status]
    if not failed:
        return None
    text = Text(f"\n{status.capitalize()}", style=f"bold {COLOURS[status]}")
    for state in failed[:MAX_LISTED]:
        text.append(for_terminal(f"\n{state.job}: {state.detail}"), style="not bold default")
        if status == "failed":
            command = snakemake_command(state.job.target)
            text.append(for_terminal(f"\n  log:   {state.job.log}\n  rerun: {command}"), style="not bold default")
    if len(failed) > MAX_LISTED:
        text.append(f"\nand {len(failed) - MAX_LISTED} more", style="not bold default")
    return text


def _matrix(study: Study, states: Iterable[State]) -> Group:
    """A line a variant, with its runs by seed; of many seeds, with how many runs are in which state."""
    by_variant: dict[str, dict[int, State]] = {}
    for state in states:
        if not state.job.probed:
            by_variant.setdefault(state.job.run.variant, {})[state.job.run.seed] = state
    table, titled = _table("Accuracy on the test images, %", "bold")
    wide = len(study.all_seeds) <= MAX_SEEDS
    for seed in study.all_seeds if wide else []:
        table.add_column(f"seed {seed}", justify="right")
    for variant, runs in by_variant.items():
        cells = [_cell(runs.get(seed)) for seed in study.all_seeds] if wide else [_counts(runs.values())]
        table.add_row(variant, *cells)
    return titled


def _cell(state: State | None) -> Text:
    if state is None:
        return Text("")
    if state.status == "completed":
        return Text(f"{state.accuracy:.2f}", style=COLOURS["completed"])
    if state.status == "running" and state.progress is not None:
        return Text(f"epoch {state.progress.epoch}/{state.progress.epochs}", style=COLOURS["running"])
    return Text("·" if state.status == "waiting" else state.status, style=COLOURS[state.status])


def _counts(states: Iterable[State]) -> Text:
    counts = Counter(state.status for state in states)
    parts = [Text(f"{counts[status]} {status}", style=colour) for status, colour in COLOURS.items() if counts[status]]
    return Text(", ").join(parts)


def as_json(study: Study, states: Sequence[State]) -> dict[str, Any]:
    """The same for other programs; times in seconds, accuracies in percent."""
    left = Speeds(study, states).left(states)
    return {
        "study": study.study,
        "counts": Counter(state.status for state in states if not state.job.probed),
        "seconds_left": left.seconds,
        "jobs_of_unknown_time": left.unknown,
        "runs": [_line(state) for state in states],
    }


def _line(state: State) -> dict[str, Any]:
    progress = state.progress._asdict() if state.progress is not None else {}
    return {
        "variant": state.job.run.variant,
        "seed": state.job.run.seed,
        "probed": state.job.probed,
        "status": state.status,
        "detail": state.detail,
        "accuracy": state.accuracy,
        "directory": str(state.job.directory),
        **{key: progress.get(key) for key in ("epoch", "epochs", "best", "images_per_second", "seconds_left")},
    }
