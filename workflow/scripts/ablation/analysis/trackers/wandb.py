"""Runs of W&B in offline mode, in the project of the study's name; `wandb sync` uploads them. No network is used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ablation.analysis.trackers.tracked_runs import AXES, TrackedRun, package
from ablation.escaping import for_shell


class WandB:
    """A folder of offline runs. Nothing is recorded of the machine that exports, which trained none of them."""

    def __init__(self, output: Path, study: str) -> None:
        os.environ["WANDB_ERROR_REPORTING"] = "false"
        self.output, self.study = output, study
        self.command = f"{for_shell('wandb', 'sync')} {for_shell(output / 'wandb')}/offline-run-*"
        self.wandb = package("wandb")
        self.settings = self.wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            silent=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        output.mkdir(parents=True, exist_ok=True)

    def write(self, run: TrackedRun) -> None:
        identity = f"{self.study}.{run.run.variant}.seed{run.run.seed}"
        # Each export makes a folder, named by its time; the earlier one goes once the new one is whole.
        earlier = list(self.output.glob(f"wandb/offline-run-*/run-{identity}.wandb"))
        self._log(run, identity)
        for file in earlier:
            shutil.rmtree(file.parent)

    def _log(self, run: TrackedRun, identity: str) -> None:
        # The folder is made by a process of W&B, which may have been started elsewhere.
        folder = self.output.absolute()
        about = {"id": identity, "name": run.name, "group": run.run.variant, "config": dict(run.settings)}
        where = {"project": self.study, "dir": folder, "mode": "offline", "settings": self.settings}
        with self.wandb.init(**about, **where) as log:
            for axis in AXES:
                log.define_metric(f"{axis}/*", step_metric=axis)
            for point in run.points:
                log.log({point.axis: point.number, **point.values})
            log.summary.update(run.end.values)
