"""The landscape's tables, each computed once. No torch.

In: a study with a landscape section and the files of its runs and probes below the working directory; each file is
read once. Out: one frame a table of `files.TABLES`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ablation.analysis.frames import read_csv
from ablation.analysis.landscape.bands import accuracies, bands, bands_by_epoch, fluctuations, learning_rates, left_out
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.landscape.probes import load_probes, probe_states, probes, shifts
from ablation.analysis.landscape.quantities import by_seed, quantities
from ablation.analysis.runs import load_results
from ablation.config import matrix
from ablation.config.study import Study


def landscape_tables(study: Study) -> dict[str, pd.DataFrame]:
    """The tables by name.

    Raises:
        ValueError: the study has no landscape section.
    """
    if study.landscape is None:
        raise ValueError(f"study '{study.study}' has no landscape section, so there is no landscape to analyse")
    results, loaded = load_results(study, matrix.runs_of_landscape(study)), load_probes(study)
    runs, histories = results.runs, results.histories
    tables = {
        "bands": bands(study, runs, results.traces),
        "fluctuations": fluctuations(study, runs, results.traces),
        "bands_by_epoch": bands_by_epoch(study, runs, histories),
        "left_out": left_out(study, runs),
        "learning_rates": learning_rates(study, runs, histories),
        "accuracies": accuracies(study, runs, histories),
        "probes": probes(study, runs, loaded),
        "shifts": shifts(study, runs, loaded),
        "probe_states": probe_states(study, loaded, histories),
    }
    tables["by_seed"] = by_seed(study, tables)
    tables["quantities"] = quantities(study, tables["by_seed"])
    return {name: tables[name][list(columns)].astype(columns) for name, columns in TABLES.items()}


def read_landscape(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The tables that `landscape.py` wrote to this folder, by name.

    Raises:
        ValueError: one is missing or damaged.
    """
    return {name: read_csv(Path(folder, f"{name}.csv"), columns) for name, columns in TABLES.items()}
