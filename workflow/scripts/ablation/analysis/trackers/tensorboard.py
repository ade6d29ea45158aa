"""Runs as event files of TensorBoard, one a run: the same bytes whenever the results are the same.

They are written without TensorBoard, which is only needed to look at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablation.analysis.trackers.tracked_runs import Point, TrackedRun, package
from ablation.escaping import for_shell
from ablation.files import atomic_write, remove_unfinished

# TensorBoard reads every file with `tfevents` in its name. Since each run has one of this name, none is there twice.
FILE = "events.out.tfevents.0.ablation"


class TensorBoard:
    """A folder of event files. Times are those of training, from 1970 on, since records have no date."""

    def __init__(self, output: Path, study: str) -> None:
        self.output = output
        self.command = for_shell("tensorboard", "--logdir", output)
        self.writer = package("tensorboardX").RecordWriter
        self.event = package("tensorboardX.proto.event_pb2").Event
        self.summary = package("tensorboardX.proto.summary_pb2")
        self.parse = package("google.protobuf.json_format").ParseDict
        self.hparams = package("tensorboardX.proto.plugin_hparams_pb2")

    def write(self, run: TrackedRun) -> None:
        folder = self.output / run.name
        remove_unfinished(folder)
        with atomic_write(folder / FILE) as aside:
            writer = self.writer(str(aside))
            for event in self._events(run):
                writer.write(event.SerializeToString(deterministic=True))
            writer.close()

    def _events(self, run: TrackedRun) -> Iterator[Any]:
        yield self.event(file_version="brain.Event:2")
        yield self._hparams("session_start_info", hparams=run.settings)
        yield from map(self._scalars, (*run.points, run.end))
        yield self._hparams("session_end_info", status="STATUS_SUCCESS")

    def _scalars(self, point: Point) -> Any:
        summary = self.summary.Summary()
        for name, value in point.values.items():
            summary.value.add(tag=name, simple_value=value)
        return self.event(step=point.number, wall_time=point.seconds, summary=summary)

    def _hparams(self, tag: str, **content: Any) -> Any:
        """What the HParams tab reads: where a file has no description of the settings, it lists those of all runs."""
        data = self.parse({tag: content}, self.hparams.HParamsPluginData())
        plugin = {"plugin_name": "hparams", "content": data.SerializeToString(deterministic=True)}
        summary = self.summary.Summary()
        summary.value.add(tag=f"_hparams_/{tag}", metadata={"plugin_data": plugin})
        return self.event(summary=summary)
