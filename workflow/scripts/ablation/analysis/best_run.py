"""The best run of a study -> figures of what it confuses and of what its first layer looks for. No torch.

In: the study's runs (`runs.csv`), and what the best of them left in its folder. Out: matplotlib figures; where the run
left nothing of the kind, or none is completed, the figure says so. Fails with `RecordError` where a file is damaged.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ablation.analysis.figure_texts import wrapped
from ablation.analysis.figures import STYLE, wrapped_title
from ablation.config.matrix import Run
from ablation.escaping import for_figure
from ablation.runs.records import CONFUSION, FILTERS, RunRecord, read_file_of, read_record

# Cells of more classes are too small for their numbers.
MOST_NUMBERS = 20
# What the names of all classes have of a figure's height, in points.
LABELS_HEIGHT = 330
MOST_FILTERS, COLUMNS = 64, 16
WIDTH, LARGEST_TILE = 7.2, 0.9
# So many characters of a title are an inch.
TITLE_CHARACTERS = 10
# Above this share a cell is so dark that its number must be white.
DARK = 0.55


def best_run(runs: pd.DataFrame) -> RunRecord | None:
    """The record of the completed run with the highest accuracy of its best epoch; None where none is completed."""
    completed = runs[runs["status"] == "completed"]
    if completed["best_accuracy"].isna().all():
        return None
    best = completed.loc[completed["best_accuracy"].idxmax()]
    return read_record(Path(best["directory"], "metrics.json"))


def confusion_figure(runs: pd.DataFrame) -> Figure:
    """How the best run's weights classify the test images of each class, in percent of them."""
    record = best_run(runs)
    if record is None or CONFUSION not in record.files:
        return nothing_figure("No completed run has a confusion matrix.")
    table = pd.read_csv(BytesIO(read_file_of(_directory(record), record, CONFUSION)), index_col=0, dtype={0: str})
    counts = table.to_numpy(dtype=float)
    # A class without a test image is a row of zeros.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [for_figure(str(name)) for name in table.columns]
    size = min(7.2, 2.2 + 0.45 * len(names))
    fontsize = min(9, LABELS_HEIGHT / len(names))
    with mpl.rc_context(STYLE | {"axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}):
        figure = Figure(figsize=(size, size), layout=ConstrainedLayoutEngine())
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set(xlabel="predicted class", ylabel="true class", xticks=range(len(names)), yticks=range(len(names)))
        axes.set_xticklabels(names, rotation=45, ha="right", rotation_mode="anchor", fontsize=fontsize)
        axes.set_yticklabels(names, fontsize=fontsize)
        axes.tick_params(length=0)
        for (row, column), share in np.ndenumerate(shares) if len(names) <= MOST_NUMBERS else ():
            if round(100 * share):
                colour = "white" if share > DARK else "black"
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=8)
        title = wrapped(f"{_title(record)}: % of each class", int(TITLE_CHARACTERS * size))
        figure.suptitle(title, fontsize=10, weight="bold")
    return figure


def filters_figure(runs: pd.DataFrame) -> Figure:
    """The kernels of the best run's first convolution as images, each from its smallest to its largest weight."""
    record = best_run(runs)
    if record is None or FILTERS not in record.files:
        return nothing_figure("The best run has no convolution of the images themselves.")
    content = read_file_of(_directory(record), record, FILTERS)
    kernels = np.load(BytesIO(content), allow_pickle=False)[:MOST_FILTERS].transpose(0, 2, 3, 1)
    low, high = (function(kernels, axis=(1, 2, 3), keepdims=True) for function in (np.min, np.max))
    tiles = (kernels - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    columns = min(COLUMNS, len(tiles))
    lines = -(-len(tiles) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(WIDTH, 0.4 + lines * min(LARGEST_TILE, WIDTH / columns)),
            layout=ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01),
        )
        panels = figure.subplots(lines, columns, squeeze=False).flatten()
        for axes, tile in zip(panels, tiles, strict=False):
            axes.imshow(tile if tile.shape[-1] == 3 else tile[..., 0], cmap="gray", interpolation="nearest")
        for axes in panels:
            axes.axis("off")
        figure.suptitle(wrapped_title(f"{_title(record)}: first-layer filters"), fontsize=10, weight="bold")
    return figure


def nothing_figure(text: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure = Figure(figsize=(7.2, 1), layout=ConstrainedLayoutEngine())
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def _directory(record: RunRecord) -> Path:
    return Path(Run(record.variant, record.seed).directory)


def _title(record: RunRecord) -> str:
    assert record.best is not None, "it is completed"
    return f"Best run, {record.variant} seed {record.seed} ({record.best.test_accuracy:.2f} %)"
