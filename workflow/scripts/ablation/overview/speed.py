"""How long runs take, by those that are finished or by a few steps that were measured. No torch.

The time of a run is that of an epoch, which is the same for runs of the same network, batch size and arithmetic on the
same data, times its epochs; the seconds in which a job starts Python are not in it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ablation.config.settings import spec
from ablation.config.study import Study
from ablation.overview.states import Job, State
from ablation.runs.records import FINISHED, ProbeRecord, RunRecord

# The settings beside the network on which the time of an epoch depends most.
ARITHMETIC = ("batch_size", "precision", "execution", "deterministic", "record_steps")


def network_of(settings: Mapping[str, Any]) -> str:
    """What runs have in common, of their spec, that take about as long an epoch."""
    return json.dumps({key: settings.get(key) for key in ("model", *ARITHMETIC)}, sort_keys=True)


def rough(seconds: float) -> str:
    """A time as people say it: `0.4 s`, `43 s`, `12 min`, `2 h 10 min`, `3 days 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return "{} days {} h".format(*divmod(hours, 24))


class Left(NamedTuple):
    """Seconds, and the number of jobs that come on top, of which nobody knows how long they take."""

    seconds: float
    unknown: int


@dataclass
class Mean:
    """The mean of what was added; None of nothing."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


class Speeds:
    """The mean seconds of an epoch, by variant and by network, of completed runs; and how many times as long as a run
    the same with probes takes.

    Outdated runs and those with probes tell of their network too. `measured` has the seconds of networks of which no
    run is completed.
    """

    def __init__(self, study: Study, states: Iterable[State] = (), measured: Mapping[str, float] | None = None) -> None:
        self.study = study
        self.measured = measured or {}
        self._by_variant: defaultdict[str, Mean] = defaultdict(Mean)
        self._by_network: defaultdict[str, Mean] = defaultdict(Mean)
        self._probing = Mean()
        self._networks: dict[str, str] = {}
        for state in states:
            self.add(state)

    def add(self, state: State) -> None:
        """Take in a run, if it is completed."""
        record = state.record
        if isinstance(record, RunRecord) and record.status == "completed":
            seconds = record.cost.wall_seconds / record.epochs
            self._by_network[network_of(record.spec)].add(seconds)
            if state.status in FINISHED:
                self._by_variant[record.variant].add(seconds)
        elif isinstance(record, ProbeRecord) and record.seconds_per_probe is not None and record.steps:
            self._probing.add(1 + record.seconds_per_probe / record.seconds_per_step / record.every)
            last = record.steps[-1]  # in the last epoch, or nearly
            self._by_network[network_of(record.spec)].add(record.seconds_per_step * last.step / last.epoch)

    def seconds(self, job: Job) -> float | None:
        """How long the job takes; None where no run like it is completed or measured."""
        variant = job.run.variant
        network = self.network(variant)
        known = (self._by_variant[variant].value, self._by_network[network].value, self.measured.get(network))
        epoch = next((seconds for seconds in known if seconds is not None), None)
        times = self._probing.value if job.probed else 1
        if epoch is None or times is None:
            return None
        return epoch * self.study.matrix.settings[variant].epochs * times

    def network(self, variant: str) -> str:
        """The network of a variant, as `network_of` names it."""
        if variant not in self._networks:
            self._networks[variant] = network_of(spec(self.study.matrix.settings[variant]))
        return self._networks[variant]

    def left(self, states: Iterable[State]) -> Left:
        """What the jobs that are not finished still take, one after another."""
        seconds, unknown = 0.0, 0
        for state in states:
            if state.status in FINISHED:
                continue
            left = self._left_of(state)
            seconds, unknown = seconds + (left or 0.0), unknown + (left is None)
        return Left(seconds, unknown)

    def _left_of(self, state: State) -> float | None:
        if state.progress is None:
            return self.seconds(state.job)
        if state.status == "running":
            return state.progress.seconds_left
        whole = self.seconds(state.job)
        return None if whole is None else whole * (1 - state.progress.share)
