"""The report states every result as the tables have it, and names whatever did not finish."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.analysis import files
from ablation.analysis.claims import judged
from ablation.analysis.frames import write_csv
from ablation.analysis.report import read_tables, render
from ablation.analysis.runs import load_runs
from ablation.analysis.tables import comparison
from ablation.config.matrix import Run
from ablation.config.study import Study
from ablation.data.arrays import Description, digest_of_all
from ablation.escaping import for_code, for_markdown, one_line
from ablation.files import write_text
from ablation.runs.records import RunRecord

Finish = Callable[..., RunRecord]
HOSTILE = "=cmd() | <b>x</b> [a](b) ![c](d) `code` $x$ *e* _f_ # \\ &lt; \x1b[31m\nnext"
ROWS = [{"variant": "adam", "label": HOSTILE}]


def report_of(study: Study) -> str:
    """The report from the tables' files, as its rule makes it."""
    runs, path = load_runs(study), Path("results/tables/runs.csv")
    write_csv(runs, path)
    for name, table in study.tables.items():
        write_csv(comparison(study, table, runs), path.with_name(f"{name}.csv"))
    if study.claims:
        write_csv(judged(study, runs, {}), path.with_name("claims.csv"))
    for name in (*study.tables, *map(files.curves, study.tables), files.CLAIMS, files.CONFUSION, files.FILTERS):
        write_text(f"results/figures/{name}.png", "")
    return render(study, read_tables(study, path, Path("results/landscape")))


def cells(report: str, first: str) -> list[str]:
    """The cells of the table line that begins with `first`."""
    lines = [line for line in report.splitlines() if line.startswith(f"| {first} ")]
    assert len(lines) == 1, lines
    return [cell.strip() for cell in lines[0].replace("\\|", "\0").strip("|").split("|")]


def columns(report: str, title: str) -> dict[str, list[str]]:
    """The cells of the table below a heading, by its header."""
    lines = [line for line in section(report, title).splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.replace("\\|", "\0").strip("|").split("|")] for line in lines)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def section(report: str, title: str) -> str:
    """The text from one heading to the next of its level."""
    level = title.split(maxsplit=1)[0]
    return report.split(f"\n{title}\n")[1].split(f"\n{level} ", maxsplit=1)[0]


def finish_all(study: Study, finish: Finish) -> None:
    for seed in study.seeds:
        finish("adam", seed, best=88.0 + seed, last=87.0)
        finish("sgd", seed, best=70.0)
        finish("swa", seed, best=81.0, averaged=83.0)


def test_tables_show_our_accuracies_beside_the_reference(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    report = report_of(study)
    shown = columns(report, "### Optimizers")
    assert shown["n"] == ["3", "3"]
    assert shown["accuracy"] == ["**89.00 ± 1.00**", "70.00 ± 0.00"]
    assert shown["reference"] == ["88.42", "78.58"]
    assert shown["to the reference"] == ["+0.58", "-8.58"]
    assert shown["to the baseline"] == ["baseline", "-19.00 (-21.48 to -16.52)"]
    assert shown["p"] == ["–", "< 0.001"]
    assert shown["last epoch"] == ["87.00 ± 0.00", "79.00 ± 0.00"]


def test_columns_without_anything_are_left_out(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    finish("swa", 0, averaged=80.0)
    reported = study.model_copy(update={"tables": {"averages": study.tables["averages"]}})
    assert "reference" in columns(report_of(reported), "### Averages")
    rows = tuple(row.model_copy(update={"reported": None}) for row in study.tables["averages"].rows)
    table = study.tables["averages"].model_copy(update={"rows": rows})
    own = study.model_copy(update={"tables": {"averages": table}})
    assert {"reference", "to the reference", "p"}.isdisjoint(columns(report_of(own), "### Averages"))


def test_a_study_of_ones_own_speaks_of_no_reference(study_with: Callable, finish: Finish) -> None:
    finish("adam", 0, best=88.0)
    finish("adam", 1, best=89.0)
    finish("sgd", 0, best=70.0)
    finish("sgd", 1, best=71.0)
    rows = [{"variant": "adam", "label": "Adam"}, {"variant": "sgd", "label": "SGD"}]
    report = report_of(study_with(tables={"one": {"title": "One", "rows": rows}}, notes=[], seeds=[0, 1]))
    assert "reference" not in report.lower()
    answer = section(report, "## The answer")
    assert (
        "One: **Adam** is best, 88.50 ± 0.71 % (n = 2), +18.00 points against SGD (+14.96 to +21.04, p 0.0015)."
        in answer
    )


def test_more_than_one_setting_is_marked(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    optimizers = section(report_of(study), "### Optimizers")
    assert "SGD | plain\\_1 †".replace("|", "\\|") in optimizers
    assert "differs from the baseline in 3 settings: grad\\_clip 1.0 → null" in optimizers.replace("None", "null")


def test_the_answer_comes_first_with_a_sentence_for_each_claim(study_with: Callable, finish: Finish) -> None:
    claims = {
        "a": {"says": "Adam beats SGD.", "kind": "greater", "table": "optimizers", "rows": ["adam", "sgd"]},
        "b": {"says": "SGD beats Adam.", "kind": "greater", "table": "optimizers", "rows": ["sgd", "adam"]},
        "c": {"says": "It is small.", "kind": "fact", "variant": "adam", "parameters": 1000},
    }
    study = study_with(claims=claims)
    finish_all(study, finish)
    report = report_of(study)
    assert "Of 3 claims of the study: 1 **supported**, 2 **contradicted**. 9 of 9 runs completed." in report
    answer = section(report, "## The answer")
    assert (
        report.index("## The answer")
        < report.index("## What is missing, and warnings")
        < report.index("## Comparisons")
    )
    found = "Adam − SGD \\| plain\\_1: +19.00 points (+16.52 to +21.48), p 0.0018, n = 3, 3."
    line = f"- Adam beats SGD. **supported** – {found}"
    assert line in answer
    assert "The reference's 9.84 points between Adam and SGD" in answer
    assert "- It is small. **contradicted** – adam: 2,603,274 parameters." in answer
    assert "![All claims: what was found, with its interval](figures/claims.png)" in answer


def test_an_undecided_claim_says_what_would_decide_it(study_with: Callable, finish: Finish) -> None:
    claims = {"a": {"says": "A.", "kind": "greater", "table": "optimizers", "rows": ["adam", "sgd"]}}
    study = study_with(claims=claims)
    for seed in study.seeds:
        finish("adam", seed, best=88.0 + seed)
        finish("sgd", seed, best=87.5 + seed)
    price = section(report_of(study), "### What would decide")
    assert re.search(r"- A\. – \d+ seeds each, [\d.]+ h of the device more: `snakemake --config \"tables=", price)


def test_links_of_the_contents_lead_to_headings(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    report = report_of(study)
    headings = [line.lstrip("# ") for line in report.splitlines() if re.match("##+ ", line)]
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", report)
    assert len(links) > 8
    assert set(links) <= slugs


def test_labels_cannot_break_a_table(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    assert columns(report_of(study), "### Optimizers")[""] == ["**Adam**", "SGD \0 plain\\_1 †"]


def test_no_text_of_a_study_or_a_record_is_markup(study_with: Callable, finish: Finish) -> None:
    study = study_with(
        title=HOSTILE, notes=[HOSTILE], tables={"one": {"title": HOSTILE, "note": HOSTILE, "rows": ROWS}}
    )
    finish("adam", 0, origin={"device": HOSTILE, "versions": {HOSTILE: "`1`"}})
    finish("adam", 1, spec={HOSTILE: "now"})
    report = report_of(study)
    plain, code = for_markdown(HOSTILE), for_code(one_line(HOSTILE))
    assert cells(report, plain)[1] == "1 (2 missing)"
    picture = f"![{plain}: loss and accuracy by epoch](figures/one-curves.png)"
    assert {f"# {plain}", f"### {plain}", plain, picture, f"- {plain}"} <= {*report.splitlines()}
    assert f"seed 1, made with other settings: {plain} now → " in report
    assert f"- Device: {code} (1 run)" in report
    rest = report.replace(plain, "").replace(code, "").replace(for_code(f"{one_line(HOSTILE)} `1`"), "")
    assert "cmd()" not in rest
    assert "\x1b" not in report


def test_one_run_shows_no_spread_and_what_is_not_counted(study: Study, finish: Finish) -> None:
    finish("adam", 0, best=88.42, last=87.0)
    finish("adam", 1, status="diverged")
    shown = columns(report_of(study), "### Optimizers")
    first = {key: values[0] for key, values in shown.items()}
    assert (first["n"], first["accuracy"], first["last epoch"]) == ("1 (1 diverged, 1 missing)", "88.42", "87.00")


def test_no_negative_zero(study: Study, finish: Finish) -> None:
    finish("adam", 0, best=88.4199)
    assert columns(report_of(study), "### Optimizers")["to the reference"][0] == "+0.00"


def test_whatever_did_not_finish_is_named_with_its_command_and_log(study: Study, finish: Finish) -> None:
    finish("adam", 0)
    finish("adam", 1, status="diverged", epochs=7)
    finish("adam", 2, spec={})
    finish("sgd", 0)
    Path(Run("sgd", 0).metrics).write_text("{")
    missing = section(report_of(study), "## What is missing, and warnings")
    command, log = "snakemake results/runs/{}/metrics.json", "log: `results/runs/{}/train.log`"
    for heading, line, folder in (
        [
            "**Diverged** (1): the loss",
            f"- `adam`, seed 1, in epoch 7. Rerun: `{command} --force`; {log}",
            "adam/seed1",
        ],
        ["**Outdated** (1): the result", f"Rerun: `{command} --force`; {log}", "adam/seed2"],
        ["**Damaged** (1): the result", f"Rerun: `{command} --force`; {log}", "sgd/seed0"],
        ["**Missing** (5): there is no", f"- `sgd`, seeds 1, 2. Rerun: `{command}`; {log}", "sgd/seed{1,2}"],
        ["**Missing** (5): there is no", f"- `swa`, seeds 0, 1, 2. Rerun: `{command}`; {log}", "swa/seed{0,1,2}"],
    ):
        assert line.format(folder, folder) in missing.split(heading)[1].split("\n**")[0]
    assert "`adam`, seed 0" not in missing


def test_nothing_is_missing_when_all_completed(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    report = report_of(study)
    assert "Nothing is missing: all runs of the study completed." in section(report, "## What is missing, and warnings")
    assert "9 of 9 runs completed" in report
    assert "seeds 0, 1, 2" in report


def test_a_report_without_any_run(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = report_of(study)
    assert "0 of 9 runs completed" in report
    assert "**Missing** (9)" in report
    assert "No run has finished." in report
    assert columns(report, "### Optimizers")["n"] == ["0 (3 missing)", "0 (3 missing)"]


def test_override_is_announced_before_any_figure(study_with: Callable, finish: Finish) -> None:
    study = study_with(override={"epochs": 5, "model": {"filters": [4, 8, 16]}})
    report = report_of(study)
    top = report.split("## What is missing, and warnings")[0]
    assert "> **Not comparable with the reference**, whose figures are therefore left out." in top
    assert "Settings are overridden in every run. They are `epochs 5, model.filters [4, 8, 16]`." in top
    assert "reference" not in columns(report, "### Optimizers")


def test_fewer_training_images_are_announced(study_with: Callable, finish: Finish) -> None:
    study = study_with(data={"train_images_per_class": 50})
    top = report_of(study).split("## The answer")[0]
    assert "> **Not comparable with the reference**" in top
    assert "Every run was trained on 50 images of each class only." in top


def test_fewer_test_images_are_announced(study_with: Callable, finish: Finish) -> None:
    top = report_of(study_with(data={"test_images_per_class": 20})).split("## The answer")[0]
    assert "> **Not comparable with the reference**" in top
    assert "Every run was tested on 20 images of each class only." in top


def test_no_notice_without_a_reason(study: Study, finish: Finish) -> None:
    assert "Not comparable" not in report_of(study)


def test_legend_says_what_chose_the_best_epoch(study_with: Callable, finish: Finish) -> None:
    assert "chosen on\n  the test images, as in the reference" in report_of(study_with())
    held_out_part = study_with(data={"validation_fraction": 0.1})
    report = report_of(held_out_part)
    assert "chosen on\n  the 10% of the training images held out for it" in report
    assert "as in the reference" not in report


def test_each_table_has_title_note_and_figure(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    report = report_of(study)
    optimizers = section(report, "### Optimizers")
    assert "Only the optimizer differs." in optimizers
    assert "](figures/optimizers.png)" in optimizers
    averages = section(report, "### Averages")
    assert "](figures/averages.png)" in averages
    assert "Accuracy of the averaged weights instead of the best epoch's: Averaged." in averages
    assert "averaged weights" not in optimizers


def test_settings_cost_and_notes(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    report = report_of(study)
    assert cells(section(report, "## Settings"), "`sgd`") == [
        "`sgd`",
        "grad\\_clip null, optimizer sgd, optimizer.momentum 0.9, optimizer.nesterov false, "
        "optimizer.weight\\_decay 0.0",
        "2,603,274",
        "3",
    ]
    assert "epochs 4," in section(report, "## Settings")
    assert cells(report, "total") == ["total", "9", "9.00", "4.50", "–", "3.00", "9"]
    assert cells(section(report, "## What it cost"), "adam") == ["adam", "3", "3.00", "1.50", "1,100", "3.00", "3"]
    assert "- Focal: gamma 1 as configured is the row." in report


def test_runs_of_one_origin_give_no_warning(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    made = section(report_of(study), "## How it was made")
    assert "- Commit: `c1` (9 runs)" in made
    assert "- Training code: `current` (9 runs)" in made
    assert "- Digest of the data: `e1` (9 runs)" in made
    assert "- Versions: `python 3 torch 2` (9 runs)" in made
    assert "- Device: `processor A` (9 runs)" in made
    assert "- Processor threads: `1` (9 runs)" in made
    assert "Warning" not in made


def test_runs_on_gpus_tell_no_threads(study: Study, finish: Finish) -> None:
    for seed in study.seeds:
        finish("adam", seed, origin={"device": "GPU A", "threads": None})
    made = section(report_of(study), "## How it was made")
    assert "- Device: `GPU A` (3 runs)" in made
    assert "threads" not in made


@pytest.mark.parametrize(
    ("origin", "name", "shown"),
    [
        ({"git_commit": "c2"}, "commit", "c2"),
        ({"git_commit": None}, "commit", "unknown"),
        ({"code_digest": "d2"}, "training code", "earlier"),
        ({"data_digest": "e2"}, "digest of the data", "e2"),
        ({"device": "GPU B", "threads": None}, "device", "GPU B"),  # on a GPU they change nothing
        ({"threads": 2}, "processor threads", "2"),
    ],
)
def test_runs_of_different_origin_give_a_warning(
    study: Study, finish: Finish, origin: dict, name: str, shown: str
) -> None:
    finish_all(study, finish)
    finish("sgd", 1, origin=origin)
    report = report_of(study)
    assert f"> **Warning.** The finished runs disagree: {name}." in section(report, "## What is missing, and warnings")
    assert f"`{shown}` (1 run)" in section(report, "## How it was made")


LARGER = "batch_size 128 is more than the 127 training images: every step takes all of them"
SMALL_LAST = (
    "The last batch of an epoch has 8 of 128 images, and its step, right before the evaluation, can unsettle a "
    "network with batch norm; with batch_size 126 it would have 86"
)


@pytest.mark.parametrize(("images", "problem"), [(127, LARGER), (5000, SMALL_LAST)])
def test_batches_that_do_not_suit_the_training_set_give_a_warning(
    study: Study, finish: Finish, images: int, problem: str
) -> None:
    arrays = {f"{split}_{kind}": "0" * 16 for split in ("train", "test") for kind in ("images", "labels")}
    facts = {
        "classes": ["ant", "bee"],
        "held_out_part": "test",
        "counts": {"train": images, "validation": 0, "test": 9},
    }
    data = Description(name="cifar10", digest=digest_of_all(arrays), arrays=arrays, **facts)
    write_text("results/data/cifar10/data.json", data.model_dump_json())
    finish("adam", 0, origin={"data_digest": data.digest})
    finish("adam", 1, origin={"data_digest": data.digest})
    assert f"> **Warning.** {for_markdown(problem)}. These variants: `adam`." in report_of(study)
    write_text(
        "results/data/cifar10/data.json",
        data.model_copy(update={"counts": {"train": 128, "test": 9}}).model_dump_json(),
    )
    assert "Warning" not in report_of(study)


def test_the_images_are_named_with_their_classes_counts_and_sizes(study: Study, finish: Finish) -> None:
    arrays = {f"{split}_{kind}": "0" * 16 for split in ("train", "test") for kind in ("images", "labels")}
    counts = {"train": 1200, "validation": 0, "test": 9}
    facts = {"classes": ["ant", "a|b"], "held_out_part": "test", "counts": counts, "digest": digest_of_all(arrays)}
    data = Description(name="cifar10", arrays=arrays, **facts)
    write_text("results/data/cifar10/data.json", data.model_dump_json())
    made = section(report_of(study), "## How it was made")
    assert "Data set `cifar10`: 2 classes; 1,200 training images, 9 test images.\n" in made
    assert "By class" not in made
    more = {"class_counts": {"train": (1100, 100), "test": (4, 5)}, "sizes": ((32, 32), (90, 60))}
    write_text("results/data/cifar10/data.json", data.model_copy(update=more).model_dump_json())
    made = section(report_of(study), "## How it was made")
    assert "They came with 32x32 to 90x60 pixels, and are 32x32, in colour.\n" in made
    assert cells(made, "a\\|b")[1:] == ["100", "5"]


def test_runs_of_earlier_code_are_named_as_kept(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    assert "Kept" not in report_of(study)
    earlier = {"origin": {"code_digest": "0123456789abcdef"}}
    finish("adam", 2, **earlier)
    finish("swa", 0, status="diverged", **earlier)
    finish("swa", 1, **earlier)
    finish("sgd", 0, spec={}, **earlier)  # outdated: no result of it is kept
    report = report_of(study)
    made = section(report, "## What is missing, and warnings")
    assert "> **Kept.** These runs were made by earlier training code" in made
    assert ": `adam`, seed 2; `swa`, seed 0, 1. Without `keep`" in made
    assert "- Training code: `current` (5 runs), `earlier` (3 runs)" in report


def test_a_record_of_version_2_is_told_to_be_one(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    path = Path(Run("adam", 0).metrics)
    path.write_text(path.read_text().replace('"record_version": 6', '"record_version": 2'))
    missing = section(report_of(study), "## What is missing, and warnings")
    assert missing.split("**Damaged** (1)")[1].count("- `adam`, seed 0, ") == 1
    assert r"is a record of version 2, and this code reads version 6" in missing


def test_an_outdated_run_gives_no_warning(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    finish("sgd", 1, spec={}, origin={"device": "GPU B"})
    assert "GPU B" not in report_of(study)


def test_the_report_is_one_text_and_the_same_again(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    text = report_of(study)
    assert text.startswith("# A small study\n")
    assert text.endswith(")\n")
    assert "\n\n\n" not in text
    assert text == report_of(study)


def test_a_lost_table_is_an_error(study: Study, finish: Finish) -> None:
    finish_all(study, finish)
    report_of(study)
    Path("results/tables/averages.csv").unlink()
    with pytest.raises(ValueError, match=r"averages\.csv is missing; run `snakemake results/tables/averages\.csv`"):
        read_tables(study, Path("results/tables/runs.csv"), Path("results/landscape"))
