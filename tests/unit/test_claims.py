"""Claims: what a config may say of them, and the verdict of each kind on runs whose answer is known."""

import importlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.analysis.claims import CLAIMS, as_json, judged
from ablation.analysis.frames import frame
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.reasons import SHOWN
from ablation.analysis.runs import COLUMNS
from ablation.analysis.statistics import seeds_needed
from ablation.config.claims import CLAIMS as KINDS
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError

NAN = float("nan")
GRID = {"model.batch_norm": {"plain": False, "bn": True}, "optimizer.learning_rate": [0.001, 0.01]}
STUDY = {
    "study": "small",
    "seeds": [0, 1, 2, 3, 4],
    "variants": {
        "adam": {},
        "sgd": {"optimizer": "sgd"},
        "mse": {"loss": "mse"},
        "nets": {"model": {"name": "vgg_a"}, "record_steps": True, "grid": GRID},
    },
    "tables": {
        "t": {
            "title": "T",
            "rows": [
                {"variant": "adam", "label": "Adam", "reported": 88.4},
                {"variant": "sgd", "label": "SGD", "reported": 78.6},
                {"variant": "mse", "label": "MSE"},
            ],
        }
    },
    "landscape": {
        "title": "BN",
        "grid": "nets",
        "models": {"plain": "Plain", "bn": "BN"},
        "band": [0.001, 0.01],
        "probed": {"fast": {"learning_rate": 0.01}},
    },
    "statistics": {"looks": 1},
}
# Deviations of five seeds, of mean 0 and standard deviation 1.
SEEDS = np.array([-1.2, -0.6, 0.0, 0.6, 1.2]) / np.std([-1.2, -0.6, 0.0, 0.6, 1.2], ddof=1)


def study_of(tmp_path, claims, **changes):
    """A study with these claims, through its config file."""
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(STUDY | {"claims": claims} | changes))
    return load_study([path])


def runs_of(accuracies, **columns):
    """Completed runs with these accuracies by variant, the same for the best and the last epoch."""
    lines = [
        {"variant": variant, "seed": seed, "status": "completed", "best_accuracy": each, "last_accuracy": each}
        | {"device_seconds": 3600.0, "parameters": 1000}
        | {name: values[variant][seed] for name, values in columns.items() if variant in values}
        for variant, values_of in accuracies.items()
        for seed, each in enumerate(values_of)
    ]
    return frame(lines, COLUMNS)


def by_seed(quantity, without, with_it, **changes):
    """The landscape's tables with the values of a quantity by seed."""
    common = {"pair": "", "path": "", "matched": False, "at_limit_without": False, "at_limit_with": False} | changes
    lines = [
        common | {"quantity": quantity, "seed": seed, "without": one, "with": other, "ratio": other / one}
        for seed, (one, other) in enumerate(zip(without, with_it, strict=True))
    ]
    rates = [{"model": "Plain", "learning_rate": rate, "in_band": True, "seed": 0} for rate in (0.001, 0.01, 0.1)]
    return {"by_seed": frame(lines, TABLES["by_seed"]), "learning_rates": pd.DataFrame(rates)}


NO_LANDSCAPE = by_seed("band_width", [], [])


def verdict(tmp_path, claim, runs=None, landscape=None, **changes):
    """The line of a single claim."""
    study = study_of(tmp_path, {"it": {"says": "So it is."} | claim}, **changes)
    return judged(study, runs_of({}) if runs is None else runs, landscape or NO_LANDSCAPE, "--configfile s.yaml").iloc[
        0
    ]


GREATER = {"kind": "greater", "table": "t", "rows": ["adam", "sgd"]}
SIMILAR = {"kind": "similar", "table": "t", "rows": ["adam", "sgd"]}


@pytest.mark.parametrize(
    ("claim", "difference", "spread", "expected"),
    [
        (GREATER, 1.0, 0.2, "supported"),
        (GREATER, -1.0, 0.2, "contradicted"),
        (GREATER, 0.0, 0.2, "equivalent"),
        (GREATER, 0.0, 2.0, "undecided"),
        (GREATER | {"by": "margin"}, 2.0, 0.2, "supported"),
        (GREATER | {"by": "margin"}, 0.9, 0.3, "undecided"),
        (GREATER | {"by": "margin"}, 0.3, 0.1, "equivalent"),
        (GREATER | {"by": "margin"}, -3.0, 0.2, "contradicted"),
        (SIMILAR, 0.1, 0.2, "supported"),
        (SIMILAR, 2.0, 0.2, "contradicted"),
        (SIMILAR, -2.0, 0.2, "contradicted"),
        (SIMILAR, 0.5, 0.6, "undecided"),
    ],
)
def test_two_rows(tmp_path, claim, difference, spread, expected):
    line = verdict(tmp_path, claim, runs_of({"adam": 88 + difference + spread * SEEDS, "sgd": 88 + spread * SEEDS}))
    assert (line["verdict"], line["last_verdict"]) == (expected, expected)
    assert line["estimate"] == pytest.approx(difference)
    assert line["compares"] == "Adam − SGD"
    assert (line["seeds_needed"] > 5) == (expected == "undecided")


def test_the_weakest_neighbour_of_a_chain_decides(tmp_path):
    chain = GREATER | {"rows": ["adam", "sgd", "mse"]}
    runs = {"adam": 90 + 0.2 * SEEDS, "sgd": 88 + 0.2 * SEEDS, "mse": 87.9 + 1.5 * SEEDS}
    line = verdict(tmp_path, chain, runs_of(runs))
    assert (line["verdict"], line["compares"]) == ("undecided", "SGD − MSE")
    assert verdict(tmp_path, chain, runs_of(runs | {"mse": 85 + 0.2 * SEEDS}))["verdict"] == "supported"
    # One neighbour the other way round is enough against it.
    assert verdict(tmp_path, chain, runs_of(runs | {"mse": 95 + 0.2 * SEEDS}))["verdict"] == "contradicted"


def test_best_and_last_epoch_may_disagree(tmp_path):
    runs = runs_of({"adam": 89 + 0.2 * SEEDS, "sgd": 88 + 0.2 * SEEDS})
    runs.loc[runs["variant"] == "adam", "last_accuracy"] -= 5
    line = verdict(tmp_path, GREATER, runs)
    assert (line["verdict"], line["last_verdict"]) == ("supported", "contradicted")
    assert line["reason"].endswith("which no selection has touched, it is contradicted.")


def test_runs_that_diverged_are_told(tmp_path):
    runs = runs_of({"adam": 89 + 0.2 * SEEDS, "sgd": 88 + 0.2 * SEEDS})
    runs.loc[(runs["variant"] == "sgd") & (runs["seed"] < 2), "status"] = "diverged"
    for claim in (GREATER, SIMILAR):
        line = verdict(tmp_path, claim, runs)
        assert line["n"] == "5, 3"
        assert line["reason"].startswith("Without 2 runs of SGD that diverged.")


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ({"adam": [88.0]}, "Adam: 1 completed run, and two are needed to know their spread."),
        ({"adam": [88.0, 88.1]}, "SGD: No completed runs, and two are needed to know their spread."),
        ({"adam": [88.0, 88.0], "sgd": [87.0, 87.0]}, "The runs of Adam and of SGD do not differ at all."),
    ],
)
def test_what_cannot_be_decided_says_why(tmp_path, runs, reason):
    for claim in (GREATER, SIMILAR):
        line = verdict(tmp_path, claim, runs_of(runs))
        assert (line["verdict"], line["reason"]) == ("undecided", reason)


def test_the_claims_of_a_section_are_adjusted_for_each_other(tmp_path):
    runs = runs_of({"adam": 88.45 + 0.3 * SEEDS, "sgd": 88 + 0.3 * SEEDS, "mse": 88 + 0.3 * SEEDS})
    alone = verdict(tmp_path, GREATER, runs)
    claims = {name: GREATER | {"says": "S.", "rows": ["adam", row]} for name, row in (("a", "sgd"), ("b", "mse"))}
    both = judged(study_of(tmp_path, claims), runs, NO_LANDSCAPE)
    assert alone["verdict"] == "supported"
    assert list(both["p"]) == pytest.approx([2 * alone["p"]] * 2)
    assert list(both["verdict"]) == ["undecided"] * 2


def test_more_looks_ask_for_more(tmp_path):
    runs = runs_of({"adam": 88.45 + 0.3 * SEEDS, "sgd": 88 + 0.3 * SEEDS})
    assert verdict(tmp_path, GREATER, runs)["verdict"] == "supported"
    assert verdict(tmp_path, GREATER, runs, statistics={"looks": 4})["verdict"] == "undecided"


def test_an_undecided_claim_has_a_price_and_a_command(tmp_path):
    line = verdict(tmp_path, GREATER, runs_of({"adam": 88.3 + SEEDS, "sgd": 88 + SEEDS, "mse": 80 + SEEDS}))
    needed = int(line["seeds_needed"])
    assert needed > 100
    # The command adds them to all three rows of the table, and each run takes an hour.
    assert line["device_hours_needed"] == pytest.approx(3 * (needed - 5))
    command = f'snakemake --configfile s.yaml --config "tables={{t: {{seeds: [$(seq -s, 5 {needed - 1})]}}}}"'
    assert line["command"] == command
    expanded = subprocess.run(["bash", "-c", f"printf '%s\n' {command}"], check=True, capture_output=True, text=True)
    seeds = ",".join(map(str, range(5, needed)))
    assert expanded.stdout.splitlines()[-1] == f"tables={{t: {{seeds: [{seeds}]}}}}"


def test_seeds_for_the_landscape_are_added_to_the_study_and_cost_all_of_it(tmp_path):
    variants = study_of(tmp_path, {}).matrix.variants
    without = np.array([1.0, 1.3, 0.8, 1.1, 0.9])
    frames = by_seed("band_width", without, 1.05 * without * np.array([1, 1.1, 0.8, 1, 1.1]))
    line = verdict(tmp_path, RATIO, runs_of(dict.fromkeys(variants, SEEDS)), frames)
    needed = int(line["seeds_needed"])
    # Two of the seven variants are probed, which trains them once more.
    assert line["device_hours_needed"] == pytest.approx((needed - 5) * (len(variants) + 2))
    assert line["command"].endswith(f'"seeds=[0, 1, 2, 3, 4, $(seq -s, 5 {needed - 1})]"')


def test_a_seed_of_the_study_and_of_its_table_counts_once(tmp_path):
    tables = {"t": STUDY["tables"]["t"] | {"seeds": [4, 5]}}
    line = verdict(tmp_path, GREATER, runs_of({"adam": 88.3 + SEEDS, "sgd": 88 + SEEDS}), tables=tables)
    needed = int(line["seeds_needed"])
    assert line["command"].endswith(f'"tables={{t: {{seeds: [4, 5, $(seq -s, 6 {needed - 1})]}}}}"')


def test_the_price_of_what_is_only_missing_is_no_further_seed(tmp_path):
    line = verdict(tmp_path, GREATER, runs_of({"adam": 88.42 + 0.4 * SEEDS[1:3], "sgd": 88 + 0.4 * SEEDS[1:3]}))
    assert (line["verdict"], line["command"]) == ("undecided", "")
    assert line["seeds_needed"] <= 5


def test_similarity_outside_of_the_margin_is_priced_by_the_distance_to_it(tmp_path):
    runs = {"adam": 88 + 1.0 + 0.4 * SEEDS, "sgd": 88 + 0.4 * SEEDS}
    line = verdict(tmp_path, SIMILAR, runs_of(runs))
    assert line["verdict"] == "undecided"
    assert line["seeds_needed"] == seeds_needed(0.25, 0.4, 0.05)


def test_a_reported_accuracy_has_a_price_too(tmp_path):
    line = verdict(tmp_path, {"kind": "reaches", "table": "t", "row": "adam"}, runs_of({"adam": 87.9 + SEEDS}))
    assert line["verdict"] == "undecided"
    assert line["seeds_needed"] == seeds_needed(0.25, 1.0, 0.05, paired=True)


def test_the_command_adds_the_seeds_to_the_rows_of_the_table(tmp_path):
    study = study_of(tmp_path, {}, tables={"t": STUDY["tables"]["t"] | {"seeds": [5, 6]}})
    assert study.seeds_of("adam") == (0, 1, 2, 3, 4, 5, 6)
    assert study.seeds_of("nets-bn-1e-2") == (0, 1, 2, 3, 4)


def test_the_references_own_difference_is_judged(tmp_path):
    line = verdict(tmp_path, GREATER, runs_of({"adam": 88 + SEEDS, "sgd": 80 + SEEDS}))
    assert line["reported"] == "+9.80"
    assert (
        "9.80 points between Adam and SGD are more than two single runs differ by chance" in line["reference_evidence"]
    )
    line = verdict(tmp_path, GREATER, runs_of({"adam": 88 + 9 * SEEDS, "sgd": 80 + 9 * SEEDS}))
    assert "are within what two single runs differ by" in line["reference_evidence"]


def test_on_other_data_the_reported_figures_are_left_out(tmp_path):
    runs = runs_of({"adam": 88 + SEEDS, "sgd": 80 + SEEDS})
    line = verdict(tmp_path, GREATER, runs, reported_data="digits")
    assert (line["verdict"], line["reported"], line["reference_evidence"]) == ("supported", "", "")
    reaches = {"kind": "reaches", "table": "t", "row": "adam"}
    line = verdict(tmp_path, reaches, runs, reported_data="digits")
    assert (line["verdict"], line["reason"]) == (
        "undecided",
        "The reported accuracy does not compare with these runs.",
    )


@pytest.mark.parametrize(
    ("mean", "spread", "expected", "share"),
    [
        (88.3, 0.2, "supported", "2 of 5"),
        (86.0, 0.2, "contradicted", "0 of 5"),
        (87.9, 1.0, "undecided", "2 of 5"),
    ],
)
def test_a_reported_accuracy_is_reached(tmp_path, mean, spread, expected, share):
    claim = {"kind": "reaches", "table": "t", "row": "adam"}
    line = verdict(tmp_path, claim, runs_of({"adam": mean + spread * SEEDS}))
    assert line["verdict"] == expected
    assert line["reason"].startswith(f"{share} runs reach it (95 % interval of that share: ")


@pytest.mark.parametrize(
    ("parameters", "tolerance", "expected"),
    [(1000, 0, "supported"), (1040, 50, "supported"), (1040, 39, "contradicted")],
)
def test_a_fact(tmp_path, parameters, tolerance, expected):
    claim = {"kind": "fact", "variant": "adam", "parameters": parameters, "tolerance": tolerance}
    assert verdict(tmp_path, claim, runs_of({"adam": [88.0]}))["verdict"] == expected
    assert verdict(tmp_path, claim)["verdict"] == "undecided"


STEADIER = {"kind": "steadier", "table": "t", "rows": ["adam", "sgd"]}


@pytest.mark.parametrize(("factor", "expected"), [(3.0, "supported"), (1 / 3, "contradicted"), (1.02, "undecided")])
def test_the_steadier_of_two_rows(tmp_path, factor, expected):
    steady = np.array([1.0, 1.1, 0.9, 1.2, 1.0])
    moves = {"adam": steady, "sgd": steady[::-1] * factor}
    line = verdict(tmp_path, STEADIER, runs_of({"adam": SEEDS, "sgd": SEEDS}, accuracy_fluctuation=moves))
    assert line["verdict"] == expected
    assert line["estimate"] == pytest.approx(1 / factor)


@pytest.mark.parametrize(
    ("without", "with_it", "expected"),
    [
        ([9, 8, 9, 8, 9], [2, 3, 2, 2, 3], "supported"),
        ([2, 3, 2, 2, 3], [9, 8, 9, 8, 9], "contradicted"),
        ([NAN] * 5, [2, 3, 2, 2, 3], "supported"),
        ([2, 3, 4, 5, 6], [2, 3, 4, 5, 7], "undecided"),
    ],
)
def test_fewer_epochs_by_ranks_with_never_last(tmp_path, without, with_it, expected):
    never = bool(np.isnan(without).all())
    frames = by_seed("epochs_to_mark", without, with_it, at_limit_without=never)
    line = verdict(tmp_path, {"kind": "fewer_epochs"}, landscape=frames)
    assert line["verdict"] == expected
    assert ("never without" in line["reason"]) == never


def test_ranks_of_three_seeds_decide_nothing(tmp_path):
    line = verdict(tmp_path, {"kind": "fewer_epochs"}, landscape=by_seed("epochs_to_mark", [9, 9, 9], [1, 1, 1]))
    assert (line["verdict"], line["seeds_needed"]) == ("undecided", 4)
    assert line["reason"] == "3 seeds: ranks decide nothing with fewer than 4 here."


RATIO = {"kind": "ratio", "quantity": "band_width"}


def test_ranks_are_judged_with_the_other_claims_of_the_section(tmp_path):
    """Five seeds reach p = 2/252: too little beside six undecided claims, enough beside decided ones."""
    claims = {"epochs": {"says": "S.", "kind": "fewer_epochs"}}
    claims |= {f"band-{index}": RATIO | {"says": "S."} for index in range(6)}
    study = study_of(tmp_path, claims, statistics={"looks": 2})
    epochs, without = by_seed("epochs_to_mark", [9, 8, 9, 8, 9], [2, 3, 2, 2, 3]), np.array([1.0, 1.3, 0.8, 1.1, 0.9])
    for factor, expected in ((0.2, "supported"), (1.01, "undecided")):
        bands = by_seed("band_width", without, factor * without * np.array([1, 1.1, 0.9, 1, 1]))
        both = epochs | {"by_seed": pd.concat([epochs["by_seed"], bands["by_seed"]])}
        line = judged(study, runs_of({}), both).iloc[0]
        assert line["verdict"] == expected
    assert line["reason"].endswith(
        "Alone it would be shown; among all claims of this section, with further looks allowed for, it is not."
    )
    assert line["seeds_needed"] == 6


def test_every_verdict_has_a_reason(tmp_path):
    assert {kind for kind, _ in SHOWN} == set(KINDS)
    line = verdict(tmp_path, GREATER | {"by": "margin"}, runs_of({"adam": 90 + 0.2 * SEEDS, "sgd": 88 + 0.2 * SEEDS}))
    assert line["reason"] == "The difference is shown to be above 0.75 points."
    runs = runs_of({"adam": 88 + 0.2 * SEEDS, "sgd": 88.1 + 0.2 * SEEDS, "mse": 90 + 0.2 * SEEDS})
    line = verdict(tmp_path, SIMILAR | {"rows": ["adam", "sgd", "mse"]}, runs)
    assert line["reason"] == "They are shown to differ by more than 0.75 points. Of all pairs this one decides."


@pytest.mark.parametrize(
    ("claim", "factor", "expected"),
    [
        (RATIO, 0.5, "supported"),
        (RATIO, 2.0, "contradicted"),
        (RATIO | {"expected": "larger"}, 2.0, "supported"),
        (RATIO, 1.01, "undecided"),
    ],
)
def test_a_ratio_of_the_landscape(tmp_path, claim, factor, expected):
    without = np.array([1.0, 1.3, 0.8, 1.1, 0.9])
    frames = by_seed("band_width", without, factor * without * np.array([1, 1.1, 0.9, 1, 1]))
    line = verdict(tmp_path, claim, landscape=frames)
    assert line["verdict"] == expected
    assert line["estimate"] == pytest.approx(factor * 0.99**0.2)


LARGER = {"kind": "ratio", "quantity": "largest_learning_rate", "expected": "larger"}


@pytest.mark.parametrize(
    ("without", "with_it", "limits", "expected"),
    [
        (0.001, 0.1, {}, "supported"),
        (0.001, 0.1, {"at_limit_with": True}, "supported"),
        (0.001, 0.1, {"at_limit_without": True}, "undecided"),
        (0.1, 0.001, {}, "contradicted"),
        (0.1, 0.001, {"at_limit_with": True}, "undecided"),
    ],
)
def test_learning_rates_on_a_grid_with_its_end(tmp_path, without, with_it, limits, expected):
    frames = by_seed("largest_learning_rate", [without] * 5, [with_it] * 5, **limits)
    assert verdict(tmp_path, LARGER, landscape=frames)["verdict"] == expected


def test_a_probed_claim_reads_its_own_line(tmp_path):
    claim = {"kind": "ratio", "quantity": "smoothness", "pair": "fast", "path": "optimizer"}
    frames = by_seed("smoothness", [4, 5, 6], [1, 1.2, 1.4], pair="fast", path="optimizer")
    assert verdict(tmp_path, claim, landscape=frames)["verdict"] == "supported"
    assert verdict(tmp_path, claim | {"path": "gradient"}, landscape=frames)["n"] == "0"


def test_claims_as_json_have_null_for_what_is_unknown(tmp_path):
    study = study_of(tmp_path, {"it": GREATER | {"says": "So it is."}})
    found = json.loads(as_json(study, judged(study, runs_of({}), NO_LANDSCAPE)))
    assert (found["study"], found["level"], found["looks"]) == ("small", 0.05, 1)
    assert found["claims"][0].keys() == CLAIMS.keys()
    assert found["claims"][0]["estimate"] is None


@pytest.mark.parametrize(
    ("claim", "problem"),
    [
        (
            {"kind": "grater", "says": "S."},
            "claims.it.kind: 'grater' is not a valid option; did you mean 'greater'? choose one of 'greater'",
        ),
        ({"says": "S."}, "claims.it.kind: is missing"),
        (GREATER, "claims.it.says: is missing"),
        (
            GREATER | {"says": "S.", "row": "x"},
            "claims.it.row: unknown key; did you mean 'rows'? Valid keys: says, table",
        ),
        (GREATER | {"says": "S.", "rows": ["adam"]}, "claims.it.rows: "),
        (GREATER | {"says": "S.", "table": "tt"}, "claims.it.table: no table 'tt'; did you mean 't'? Tables: t"),
        (
            GREATER | {"says": "S.", "rows": ["adam", "sdg"]},
            "claims.it.rows[1]: table 't' has no row of 'sdg'; did you mean 'sgd'? Rows: adam, sgd, mse",
        ),
        (GREATER | {"says": "S.", "rows": ["adam", "adam"]}, "claims.it.rows[1]: 'adam' appears twice; keep one"),
        (
            {"kind": "reaches", "says": "S.", "table": "t", "row": "mse"},
            "claims.it.row: the row of 'mse' has no reported",
        ),
        ({"kind": "fact", "says": "S.", "variant": "adm", "parameters": 1}, "claims.it.variant: no variant 'adm'"),
        (
            {"kind": "ratio", "says": "S.", "quantity": "smoothness"},
            "claims.it.pair: smoothness is measured by probes: ",
        ),
        (RATIO | {"says": "S.", "pair": "fast"}, "claims.it.pair: band_width is of no probe; leave it out"),
    ],
)
def test_a_wrong_claim_is_refused_with_its_place(tmp_path, claim, problem):
    with pytest.raises(ConfigError) as refused:
        study_of(tmp_path, {"it": claim})
    (error,) = refused.value.errors
    assert f"study.yaml:1: {problem}" in error


def test_a_claim_about_a_landscape_needs_one(tmp_path):
    with pytest.raises(
        ConfigError, match="fewer_epochs is about the landscape, and the study has no landscape section"
    ):
        study_of(tmp_path, {"it": {"kind": "fewer_epochs", "says": "S."}}, landscape=None)


def test_claims_is_no_name_of_a_table_and_a_baseline_must_be_a_row(tmp_path):
    table = STUDY["tables"]["t"]
    with pytest.raises(ConfigError, match=r"tables\.claims: is the name of another file of the report"):
        study_of(tmp_path, {}, tables={"claims": table})
    with pytest.raises(ConfigError, match=r"tables\.t\.baseline: no row of 'agd'; did you mean 'sgd'"):
        study_of(tmp_path, {}, tables={"t": table | {"baseline": "agd"}})


def test_verdicts_are_wrong_no_more_often_than_they_say(monkeypatch):
    """A small run of the benchmark, whose whole one is in docs/statistics.md."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "bench"))
    bench = importlib.import_module("claims_calibration")
    studies = 60
    for distribution in ("normal", "stuck"):
        counts = bench.tally(5, distribution, (0, studies))
        # 5 %, and three standard deviations of so many studies.
        most = studies * 0.05 + 3 * (studies * 0.05 * 0.95) ** 0.5
        assert {section: counts[section] for section in bench.WRONG if counts[section] > most} == {}
    assert bench.tally(5, "normal", (0, 30))["power"] >= 25
