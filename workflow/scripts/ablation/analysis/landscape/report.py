"""The landscape section of the report: its tables and captions as Markdown. No torch.

In: a study with a landscape section and the landscape's tables. Out: what `report.md.j2` fills in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ablation.analysis.landscape.files import ACCURACY, BANDS, LEARNING_RATES, probe_figure_names
from ablation.analysis.landscape.quantities import LOSS_BIN
from ablation.analysis.markdown import NOTHING, amount, markdown_table
from ablation.analysis.runs import EARLIER
from ablation.config.study import Landscape, Study
from ablation.escaping import for_markdown

PATHS = {"gradient": "the gradient", "optimizer": "the optimizer's step"}
# Quantities that say the same in another way, which the report folds away.
FOLDED = ("gradient_cosine_distance", "dimensionless_smoothness", "covariate_shift_cosine_distance")
# How a value is shown where some seeds are beyond what was tried.
BEYOND = {"epochs_to_mark": "some seeds never", "largest_learning_rate": "some seeds at the largest tried"}


def landscape_section(study: Study, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """Everything that the template shows of the landscape; None where the study has none."""
    if study.landscape is None:
        return None
    states, titles, quantities = tables["probe_states"], pair_titles(study), tables["quantities"]
    first = ~quantities["matched"] & (quantities["path"] != "optimizer") & ~quantities["quantity"].isin(FOLDED)
    return {
        "title": study.landscape.title,
        "note": study.landscape.note,
        "quantities": quantities_markdown(study, quantities[first], titles),
        "more_quantities": quantities_markdown(study, quantities[~first], titles),
        "rates": rates_markdown(study.landscape, tables["learning_rates"]),
        "bands_caption": bands_caption(tables["left_out"]),
        "wider": wider_text(study, tables["bands_by_epoch"]),
        "matched": f"{100 * (LOSS_BIN - 1):.0f} %",
        "untrained": untrained_text(tables["probes"], titles),
        "figures": {"bands": BANDS, "accuracy": ACCURACY, "learning_rates": LEARNING_RATES},
        "pairs": {title: probe_figure_names(pair) for pair, title in titles.items()},
        "probed": probed_text(states),
        "lost_probes": list(_lost_probes(states)),
    }


def quantity_names(study: Study) -> dict[str, str]:
    """What each quantity is, as a line of the table."""
    assert study.landscape is not None
    mark, steps = study.landscape.accuracy_mark, study.landscape.smoothing_steps
    return {
        "epochs_to_mark": f"epochs to {mark:g} % held-out accuracy, at the fastest learning rate of the band",
        "band_width": "mean width of the loss band",
        "smoothed_band_width": f"mean width of the loss band, losses smoothed over {steps} steps",
        "epoch_band_width": "mean width of the loss band, of the losses by epoch",
        "loss_range": "range of the loss",
        "gradient_distance": "largest change of the gradient (predictiveness)",
        "relative_gradient_distance": "largest change of the gradient, as a multiple of it",
        "gradient_cosine_distance": "largest turn of the gradient (1 − cosine)",
        "smoothness": "effective β-smoothness",
        "dimensionless_smoothness": "β-smoothness times learning rate",
        "covariate_shift": "internal covariate shift: change of a layer's gradient when those below have stepped",
        "covariate_shift_cosine_distance": "internal covariate shift, as a turn of that gradient (1 − cosine)",
        "loss_fluctuation": "change of the training loss from step to step, standard deviation",
        "largest_learning_rate": "largest learning rate that trains",
    }


def pair_titles(study: Study) -> dict[str, str]:
    """How the probed variants of a pair were trained, by the pair's name: optimizer and learning rate."""
    assert study.landscape is not None
    optimizers = {
        pair: study.matrix.settings[variant].optimizer for pair, variant in study.landscape_models[0].probed.items()
    }
    return {pair: f"{each.display_name} at learning rate {each.learning_rate:g}" for pair, each in optimizers.items()}


def quantities_markdown(study: Study, quantities: pd.DataFrame, titles: dict[str, str]) -> str:
    """The quantities, one line a quantity, pair of probed variants, path and choice of probes; empty without any."""
    assert study.landscape is not None
    names, (without, with_it) = quantity_names(study), study.landscape_models
    lines = []
    for line in quantities.to_dict("records"):
        lines.append(
            {
                "": for_markdown(names[line["quantity"]]),
                "probed": for_markdown(titles.get(line["pair"], line["pair"])) or NOTHING,
                "along": PATHS.get(line["path"], NOTHING),
                "at": "matched training loss" if line["matched"] else NOTHING,
                "without": _value(line, "without"),
                "with": _value(line, "with"),
                "ratio": _ratio(line),
                "n": line["ratio_n"],
                "reference": for_markdown(line["reported"]) or NOTHING,
            }
        )
    headers = {"without": for_markdown(without.label), "with": for_markdown(with_it.label)}
    return markdown_table(lines, texts=4, headers=headers) if lines else ""


def _ratio(line: dict[str, Any]) -> str:
    """The geometric mean with its 95 % interval."""
    text = amount(line["ratio"])
    return (
        text if pd.isna(line["ratio_low"]) else f"{text} ({amount(line['ratio_low'])} to {amount(line['ratio_high'])})"
    )


def _value(line: dict[str, Any], model: str) -> str:
    text = _spread(line[f"{model}_mean"], line[f"{model}_std"])
    if not line[f"at_limit_{model}"]:
        return text
    return "never" if text == NOTHING else f"{text} ({BEYOND[line['quantity']]})"


def _spread(mean: float, std: float) -> str:
    if pd.isna(std) or pd.isna(mean):
        return amount(mean)
    # The standard deviation of equal values is a rounding error.
    return f"{amount(mean)} ± {amount(0.0 if std < 1e-12 * abs(mean) else std)}"


def rates_markdown(landscape: Landscape, rates: pd.DataFrame) -> str:
    """For every learning rate and both models: last accuracy, how many runs train, epochs to the mark."""
    lines, headers = [], dict[str, str]()
    for rate, of_rate in rates.groupby("learning_rate"):
        line: dict[str, Any] = {"learning rate": f"{rate:g}"}
        for name, model in landscape.models.items():
            runs, label = of_rate[of_rate["model"] == model], for_markdown(model)
            line[f"{name} accuracy"] = _spread(runs["last_accuracy"].mean(), runs["last_accuracy"].std())
            line[f"{name} trains"] = _trains(runs)
            line[f"{name} epochs"] = _epochs(runs)
            epochs = f"{label}: epochs to {landscape.accuracy_mark:g} %"
            headers |= dict(zip(list(line)[-3:], (label, f"{label}: runs that train", epochs), strict=True))
        lines.append(line)
    return markdown_table(lines, headers=headers) if lines else ""


def _trains(runs: pd.DataFrame) -> str:
    known = runs["trains"].dropna()
    diverged = int((runs["status"] == "diverged").sum())
    text = f"{int(known.sum())} of {len(known)}" if len(known) else NOTHING
    return text + (f" ({diverged} diverged)" if diverged else "")


def _epochs(runs: pd.DataFrame) -> str:
    """Epochs of each run, in the order of the seeds."""
    known = runs[runs["trains"].notna()]
    return ", ".join("never" if pd.isna(epochs) else str(epochs) for epochs in known["epochs_to_mark"]) or NOTHING


def bands_caption(left_out: pd.DataFrame) -> str:
    """What the landscape figure shows, and which learning rates are not in it."""
    sentences = [
        "By training step, the minimum and maximum of the training loss over the learning rates of the band, as the "
        "mean of these edges over the seeds; the lines are those of the smoothed losses."
    ]
    for label, rates in left_out.groupby("model", sort=False)["learning_rate"]:
        named = ", ".join(f"{rate:g}" for rate in rates)
        sentences.append(
            f"{for_markdown(str(label))}: diverged at learning rate {named}, which is left out of both bands."
        )
    return " ".join(sentences)


def wider_text(study: Study, bands_by_epoch: pd.DataFrame) -> str:
    """In which epochs the band is wider with the ingredient, as the mean over the seeds that have both bands."""
    without, with_it = (model.label for model in study.landscape_models)
    widths = bands_by_epoch.pivot(index=["seed", "epoch"], columns="model", values="width")
    means = widths.reindex(columns=[without, with_it]).dropna().groupby("epoch").mean()
    if means.empty:
        return ""
    wider = means[means[with_it] > means[without]]
    counts = f"{len(wider)} of {len(means)} epochs"
    text = f"Of the losses by epoch, the band of {for_markdown(with_it)} is the wider one in {counts}"
    if wider.empty:
        return f"{text}."
    epochs = ", ".join(map(str, wider.index))
    return f"{text}: {epochs} (mean width {amount(wider[with_it].mean())} against {amount(wider[without].mean())})."


def untrained_text(probes: pd.DataFrame, titles: dict[str, str]) -> str:
    """Which probed runs are in no median, since they do not train or are not finished."""
    runs = probes[~probes["trains"].fillna(False)].groupby(["model", "pair"], sort=False)["seed"]
    named = [
        f"{for_markdown(str(model))}, {for_markdown(titles[pair])} (seed {', '.join(map(str, seeds.unique()))})"
        for (model, pair), seeds in runs
    ]
    return f"In no median, since they do not train or are not finished: {'; '.join(named)}." if named else ""


def probed_text(states: pd.DataFrame) -> str:
    """How many probed runs there are, whether they repeated their run, and what a probe cost."""
    done = states[states["status"] == "completed"]
    same = done["same_as_run"].dropna()
    text = f"{len(done)} of {len(states)} probed runs are finished."
    if len(same):
        text += f" {int(same.sum())} of {len(same)} repeat their run bit for bit (training loss of every epoch)."
    cost = done["relative_cost"].median()
    if not pd.isna(cost):
        text += f" A probe took as long as {cost:.1f} training steps (median)."
    return text


def _lost_probes(states: pd.DataFrame) -> Iterator[str]:
    for state in states[states["status"] != "completed"].to_dict("records"):
        reason = f": {for_markdown(state['problem'])}" if state["problem"] else ""
        yield f"`{state['path']}` is {state['status']}{reason}"
    for path in states["path"][states["code"] == EARLIER]:
        yield f"`{path}` was made by earlier training code and kept"
