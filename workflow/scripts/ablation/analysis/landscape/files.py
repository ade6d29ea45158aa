"""What the landscape's rules write: tables with their columns, and figures. Nothing slow to load: the rules read it."""

from __future__ import annotations

from ablation.config.study import Study

TABLES: dict[str, dict[str, str]] = {
    "bands": {
        "model": "object",
        "seed": "int64",
        "step": "int64",
        "epoch": "int64",
        "learning_rates": "int64",
        "min": "float64",
        "max": "float64",
        "width": "float64",
        "smoothed_min": "float64",
        "smoothed_max": "float64",
        "smoothed_width": "float64",
    },
    "bands_by_epoch": {
        "model": "object",
        "seed": "int64",
        "epoch": "int64",
        "min": "float64",
        "max": "float64",
        "width": "float64",
    },
    "left_out": {"model": "object", "learning_rate": "float64"},
    "learning_rates": {
        "model": "object",
        "variant": "object",
        "learning_rate": "float64",
        "in_band": "bool",
        "seed": "int64",
        "status": "object",
        "last_accuracy": "float64",
        "trains": "boolean",
        "epochs_to_mark": "Int64",
    },
    "accuracies": {
        "model": "object",
        "learning_rate": "float64",
        "seed": "int64",
        "epoch": "int64",
        "held_out_accuracy": "float64",
    },
    "probes": {
        "pair": "object",
        "optimizer": "object",
        "model": "object",
        "variant": "object",
        "seed": "int64",
        "trains": "boolean",
        "path": "object",
        "step": "int64",
        "epoch": "int64",
        "learning_rate": "float64",
        "loss": "float64",
        "gradient_norm": "float64",
        "min_loss": "float64",
        "max_loss": "float64",
        "loss_range": "float64",
        "min_gradient_distance": "float64",
        "max_gradient_distance": "float64",
        "relative_gradient_distance": "float64",
        "gradient_cosine_distance": "float64",
        "smoothness": "float64",
        "dimensionless_smoothness": "float64",
    },
    "shifts": {
        "pair": "object",
        "model": "object",
        "variant": "object",
        "seed": "int64",
        "trains": "boolean",
        "step": "int64",
        "epoch": "int64",
        "loss": "float64",
        "layer": "object",
        "place": "int64",
        "covariate_shift": "float64",
        "covariate_shift_cosine_distance": "float64",
    },
    "fluctuations": {
        "model": "object",
        "learning_rate": "float64",
        "seed": "int64",
        "loss_fluctuation": "float64",
    },
    "probe_states": {
        "variant": "object",
        "seed": "int64",
        "path": "object",
        "status": "object",
        "problem": "object",
        "code": "object",
        "same_as_run": "boolean",
        "relative_cost": "float64",
    },
    "by_seed": {
        "quantity": "object",
        "pair": "object",
        "path": "object",
        "matched": "bool",
        "seed": "int64",
        "without": "float64",
        "with": "float64",
        "ratio": "float64",
        "at_limit_without": "bool",
        "at_limit_with": "bool",
    },
    "quantities": {
        "quantity": "object",
        "pair": "object",
        "path": "object",
        "matched": "bool",
        "unit": "object",
        "without_mean": "float64",
        "without_std": "float64",
        "without_n": "int64",
        "with_mean": "float64",
        "with_std": "float64",
        "with_n": "int64",
        "without_median": "float64",
        "with_median": "float64",
        "ratio": "float64",
        "ratio_low": "float64",
        "ratio_high": "float64",
        "ratio_n": "int64",
        "at_limit_without": "bool",
        "at_limit_with": "bool",
        "reported": "object",
    },
}

BANDS, ACCURACY, LEARNING_RATES = "bands", "accuracy", "learning-rates"


def probe_figure_names(pair: str) -> dict[str, str]:
    """The figures of a pair of probed variants, by what they show: the walk along a path, or the shift."""
    return {"gradient": f"probe-{pair}", "optimizer": f"probe-{pair}-step", "shift": f"shift-{pair}"}


def figure_names(study: Study) -> list[str]:
    """The figures of a study: of the bands, the accuracies, the learning rates, and each pair of probed variants."""
    pairs = study.landscape.probed if study.landscape else []
    return [BANDS, ACCURACY, LEARNING_RATES, *(name for pair in pairs for name in probe_figure_names(pair).values())]
