"""The best run of a study -> its model card (Mitchell and others 2019, Model Cards for Model Reporting). No torch.

In: a study, its runs (`runs.csv`), and the record of the best of them. Out: Markdown with the metadata that model hubs
read. Where no run is completed, the card says so. Accuracies are top-1 in percent.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pandas as pd
import yaml

from ablation.analysis.best_run import best_run
from ablation.analysis.files import REPORT
from ablation.analysis.markdown import ENERGIES, amount, duration, markdown_table, spread
from ablation.analysis.report import template
from ablation.analysis.report_data import images_sentence
from ablation.analysis.tables import settings_text
from ablation.config.matrix import Run
from ablation.config.settings import flat
from ablation.config.study import Study
from ablation.escaping import for_markdown
from ablation.runs.records import CONFUSION, RunRecord, read_file_of
from ablation.runs.results import prepared_data

# Confusions that the card names.
MOST_CONFUSIONS = 3


def model_card(study: Study, runs: pd.DataFrame) -> str:
    """The card of the best run.

    Raises:
        RecordError: its record, or its confusion matrix, is damaged.
    """
    record, data = best_run(runs), prepared_data(study)
    if record is None or data is None or record.best is None:
        return f"# {for_markdown(study.title)}\n\nNo run is completed, so there is no model to describe.\n"
    completed = runs[runs["status"] == "completed"]
    alike = completed.loc[completed["variant"] == record.variant, "best_accuracy"]
    confusion = _confusion(record)
    return template("model_card.md.j2").render(
        study=study,
        report=REPORT,
        record=record,
        directory=Run(record.variant, record.seed).directory,
        data=data,
        images=images_sentence(study, data),
        metadata=yaml.safe_dump(_metadata(study, record), sort_keys=False, allow_unicode=True),
        settings=settings_text(flat(record.spec)),
        completed=len(completed),
        alike=f"{spread(alike.mean(), alike.std())} ({len(alike)} seed{'s' * (len(alike) > 1)})",
        classes=_classes(record, data.classes),
        confusions=[] if confusion is None else list(_largest(confusion)),
        time=duration(record.cost.wall_seconds),
        energy=None if record.cost.energy_joules is None else amount(record.cost.energy_joules / ENERGIES["Wh"]),
        weights={kind: (name, record.files[name]) for kind, name in _weights(record)},
    )


def _metadata(study: Study, record: RunRecord) -> dict[str, Any]:
    """What model hubs index: their `model-index`."""
    assert record.best is not None, "it is completed"
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": study.data.name, "type": study.data.name, "split": "test"},
        "metrics": [{"type": "accuracy", "value": round(record.best.test_accuracy / 100, 6)}],
    }
    name = f"{study.study}-{record.variant}-seed{record.seed}"
    return {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "ablation-study", record.spec["model"]["name"]],
        "datasets": [study.data.name],
        "model-index": [{"name": name, "results": [result]}],
    }


def _classes(record: RunRecord, names: tuple[str, ...]) -> str:
    accuracies = record.test.class_accuracy if record.test else ()
    lines = [
        {"class": for_markdown(name), "accuracy": "–" if accuracy is None else f"{accuracy:.2f}"}
        for name, accuracy in zip(names, accuracies, strict=False)
    ]
    return markdown_table(lines) if lines else ""


def _confusion(record: RunRecord) -> pd.DataFrame | None:
    """Counts of test images, by true class and class predicted."""
    if CONFUSION not in record.files:
        return None
    content = read_file_of(Run(record.variant, record.seed).directory, record, CONFUSION)
    return pd.read_csv(BytesIO(content), index_col=0, dtype={0: str})


def _largest(confusion: pd.DataFrame) -> Iterator[str]:
    """The most frequent mistakes: `12.0 % of cat are taken for dog`."""
    shares = confusion.div(confusion.sum(axis=1).clip(lower=1), axis=0) * 100
    mistakes = shares.stack()
    mistakes = mistakes[[true != taken for true, taken in mistakes.index]].sort_values(ascending=False, kind="stable")
    for (true, taken), share in mistakes.head(MOST_CONFUSIONS).items():
        if share > 0:
            yield f"{share:.1f} % of `{for_markdown(true)}` are taken for `{for_markdown(taken)}`"


def _weights(record: RunRecord) -> Iterator[tuple[str, str]]:
    for name in record.files:
        if name.endswith(".pth"):
            yield "of the best epoch" if name == record.best_model else "averaged", name
