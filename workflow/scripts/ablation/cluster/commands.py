"""The command line of a training run: one text for Snakemake's rule and for `submit.py`. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath
from string import Formatter
from types import SimpleNamespace
from typing import Any

from ablation.config import matrix
from ablation.config.settings import spec_json
from ablation.config.study import Study

# With the fields of a rule, which Snakemake fills in, and `train_command` where there is no Snakemake.
TRAIN = (
    "exec python workflow/scripts/train.py --run $(dirname {output}) --study {params.study}"
    " --data $(dirname {input.data}) --threads {threads} --checkpoint-seconds {resources.checkpoint_seconds}"
    "{params.options} --spec {params.spec:q} >> {log} 2>&1"
)


class _RuleFormatter(Formatter):
    """Quotes `{...:q}` for the shell, as Snakemake does."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return shlex.quote(str(value)) if format_spec == "q" else format(value, format_spec)


def train_command(study: Study, pack: Sequence[matrix.Run]) -> str:
    """What the rule `train` would run for these runs of one variant."""
    variant = pack[0].variant
    return _RuleFormatter().format(
        TRAIN,
        resources=SimpleNamespace(checkpoint_seconds=study.jobs.checkpoint_seconds),
        input=SimpleNamespace(data=data_folder(study) / "data.json"),
        output=" ".join(run.metrics for run in pack),
        log=PurePosixPath("results", "runs", variant, f"{log_of_pack([run.seed for run in pack])}.log"),
        threads=study.jobs.threads * len(pack),
        params=SimpleNamespace(
            study=study.study, spec=spec_json(study.matrix.settings[variant]), options=run_options(study)
        ),
    )


def run_options(study: Study) -> str:
    """What the scripts that train need to know and what changes no result, as options behind a space, or nothing."""
    components = f" --components {shlex.join(study.components)}" if study.components else ""
    return components + " --keep" * study.keep


def log_of_pack(seeds: Sequence[int | str]) -> str:
    """The log of a run, or of a job whose runs have logs of their own; without its ending."""
    return f"seed{seeds[0]}/train" if len(seeds) == 1 else f"seeds-{'-'.join(map(str, seeds))}"


def data_folder(study: Study) -> PurePosixPath:
    """Where the study's prepared data lies."""
    return PurePosixPath("results", "data", study.data.name)
