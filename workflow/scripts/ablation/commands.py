"""The command line of a training run: one text for Snakemake's rule and for `submit.py`. No torch."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from string import Formatter
from types import SimpleNamespace
from typing import Any

from ablation import matrix
from ablation.config import Study

# With the fields of a rule, which Snakemake fills in, and `train_command` where there is no Snakemake.
TRAIN = (
    "exec python workflow/scripts/train.py --run $(dirname {output}) --study {params.study}"
    " --data $(dirname {input.data}) --threads {threads} --checkpoint-seconds {resources.checkpoint_seconds}"
    " --spec {params.spec:q} >> {log} 2>&1"
)


class _RuleFormatter(Formatter):
    """Quotes `{...:q}` for the shell, as Snakemake does."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return shlex.quote(str(value)) if format_spec == "q" else format(value, format_spec)


def train_command(study: Study, run: matrix.Run) -> str:
    """What the rule `train` would run."""
    return _RuleFormatter().format(
        TRAIN,
        resources=SimpleNamespace(checkpoint_seconds=study.jobs.checkpoint_seconds),
        input=SimpleNamespace(data=data_folder(study) / "data.json"),
        output=run.metrics,
        log=run.log,
        threads=study.jobs.threads,
        params=SimpleNamespace(study=study.study, spec=matrix.spec_json(matrix.resolve(study)[run.variant])),
    )


def data_folder(study: Study) -> PurePosixPath:
    """Where the study's prepared data lies."""
    return PurePosixPath("results", "data", study.data.name)
