"""Runs in a local store of MLflow: one SQLite file, in the experiment of the study's name. No network is used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablation.analysis.trackers.tracked_runs import TrackedRun, package
from ablation.escaping import for_shell

# Says which of our runs it is, whatever its user calls it.
TAG = "ablation.run"


class MLflow:
    """The store in a folder. The time stamps of metrics are those of training, from 1970 on: records have no date."""

    def __init__(self, output: Path, study: str) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        store = f"sqlite:///{output / 'mlflow.db'}"
        self.command = for_shell("mlflow", "ui", "--backend-store-uri", store)
        self.entities = package("mlflow.entities")
        self.client = package("mlflow").MlflowClient(store)
        output.mkdir(parents=True, exist_ok=True)
        found = self.client.get_experiment_by_name(study)
        artifacts = (output / "artifacts").absolute().as_uri()
        self.experiment = found.experiment_id if found else self.client.create_experiment(study, artifacts)

    def write(self, run: TrackedRun) -> None:
        # Also what an export left that was killed: the earlier run goes once the new one is whole.
        earlier = self.client.search_runs([self.experiment], f"tags.`{TAG}` = '{run.name}'")
        new = self.client.create_run(self.experiment, tags={TAG: run.name}, run_name=run.name).info
        self.client.log_batch(
            new.run_id,
            [*self._metrics(run)],
            [self.entities.Param(name, str(value)) for name, value in run.settings.items()],
        )
        self.client.set_terminated(new.run_id, end_time=new.start_time + round(1000 * run.end.seconds))
        for each in earlier:
            self.client.delete_run(each.info.run_id)

    def _metrics(self, run: TrackedRun) -> Iterator[Any]:
        for point in (*run.points, run.end):
            for name, value in point.values.items():
                yield self.entities.Metric(name, value, round(1000 * point.seconds), point.number)
