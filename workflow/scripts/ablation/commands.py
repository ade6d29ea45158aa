"""The command line of a training run: one text for Snakemake's rule and for `submit.py`. No torch.

It is written as rules are, with `{output}`, `{params...}` and so on, which Snakemake fills in; `train_command` fills in
the same for a run without Snakemake.
"""

from __future__ import annotations

import shlex
from string import Formatter
from types import SimpleNamespace
from typing import Any

from ablation import matrix
from ablation.config import Study

TRAIN = (
    "exec python workflow/scripts/train.py --run $(dirname {output}) --study {params.study} --data $(dirname {input.data})"
    " --threads {threads} --spec {params.spec:q} >> {log} 2>&1"
)


class _RuleFormatter(Formatter):
    """Quotes `{...:q}` for the shell, as Snakemake does."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return shlex.quote(str(value)) if format_spec == "q" else format(value, format_spec)


def train_command(study: Study, run: matrix.Run) -> str:
    """What the rule `train` runs for this run."""
    return _RuleFormatter().format(
        TRAIN,
        study=study,
        input=SimpleNamespace(data=data_description(study)),
        output=run.metrics,
        log=run.log,
        threads=study.jobs.threads,
        params=SimpleNamespace(study=study.study, spec=matrix.spec_json(matrix.resolve(study)[run.variant])),
    )


def data_description(study: Study) -> str:
    """The file that says that the study's data is prepared; the arrays lie beside it."""
    return f"results/data/{study.data.name}/data.json"
