"""A study as a Workflow Run RO-Crate: what is in it, that it is valid, and what is not overwritten."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rocrate

from ablation.analysis.crate import METADATA, write_crate
from ablation.analysis.frames import write_csv
from ablation.analysis.runs import load_runs
from ablation.config.study import DataConfig, Study
from ablation.data.prepare import prepare
from ablation.files import write_text
from ablation.runs.records import RunRecord

Finish = Callable[..., RunRecord]
ROOT = Path(__file__).parents[2]
VALIDATOR = "roc-validator==0.13.0"


@pytest.fixture
def study(study_with: Callable[..., Study]) -> Study:
    return study_with(data={"name": "digits", "train_images_per_class": 5})


@pytest.fixture
def results(study: Study, finish: Finish) -> None:
    """What a study leaves of three runs, with a diverged one, and one that left weights."""
    finish("adam", 0, best=88.0)
    finish("adam", 1, best=None)
    record = finish("sgd", 0)
    prepare(DataConfig(name="digits", train_images_per_class=5), Path("results/data/digits"))
    data = json.loads(Path("results/data/digits/data.json").read_text())["digest"]
    for run in (("adam", 0), ("sgd", 0)):
        finish(*run, origin={"data_digest": data})
    finish("adam", 1, best=None, origin={"data_digest": data})
    Path("results/runs/sgd/seed0", str(record.best_model)).write_bytes(b"weights")
    write_csv(load_runs(study), Path("results/tables/runs.csv"))
    for file in ("study.json", "report.md", "model_card.md", "claims.json", "tables/a.tex", "figures/a.png"):
        write_text(f"results/{file}", file)


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    return {each["@id"]: each for each in json.loads((crate / METADATA).read_text())["@graph"]}


def test_it_holds_what_the_report_shows_and_nothing_large(study: Study, results: None, tmp_path: Path) -> None:
    assert write_crate(study, tmp_path / "crate", "CC-BY-4.0") == 3
    files = {str(path.relative_to(tmp_path / "crate")) for path in (tmp_path / "crate").rglob("*") if path.is_file()}
    runs = {
        f"runs/{run}/{file}"
        for run in ("adam/seed0", "adam/seed1", "sgd/seed0")
        for file in ("metrics.json", "history.csv")
    }
    texts = {"study.json", "report.md", "model_card.md", "claims.json", "README.md", METADATA, "workflow/Snakefile"}
    assert files == texts | runs | {"tables/runs.csv", "figures/a.png", "data/digits/data.json"}
    assert (tmp_path / "crate/workflow/Snakefile").read_bytes() == (ROOT / "workflow/Snakefile").read_bytes()


def test_each_run_is_an_action_with_its_code_and_its_files(study: Study, results: None, tmp_path: Path) -> None:
    write_crate(study, tmp_path / "crate", "CC-BY-4.0")
    found = entities(tmp_path / "crate")
    action = found["#runs/sgd/seed0"]
    assert action["name"] == "Training sgd, seed 0"
    assert action["result"] == {"@id": "runs/sgd/seed0/"}
    assert action["description"] == "Completed: 80.00 % on the test images, in 1.00 h on processor A"
    code = found[action["instrument"]["@id"]]
    assert (code["softwareVersion"], code["softwareRequirements"]) == ("c1", "torch 2, python 3")
    assert found["#runs/adam/seed1"]["description"] == "Diverged in epoch 4, in 1.00 h on processor A"
    study_action = found["#study"]
    assert study_action["instrument"] == found["./"]["mainEntity"] == {"@id": "workflow/Snakefile"}
    assert {"@id": "report.md"} in study_action["result"]
    assert {"@id": "study.json"} in study_action["object"]


def test_its_read_me_tells_images_machine_and_hours(study: Study, results: None, tmp_path: Path) -> None:
    write_crate(study, tmp_path / "crate", "CC-BY-4.0")
    text = (tmp_path / "crate/README.md").read_text()
    assert text.startswith("# A small study\n")
    assert "> **Not comparable with the reference**" in text
    assert "- Data set `digits`: 10 classes; 50 training images, 360 test images. They came with 8x8 pixels" in text
    assert "- Cost: 3 finished runs took 1.50 h on the device, and 3.00 h in all." in text
    assert "- Device: `processor A` (3 runs)" in text


def test_a_later_crate_takes_the_place_of_an_earlier_one_and_keeps_its_date(
    study: Study, results: None, tmp_path: Path
) -> None:
    output = tmp_path / "crate"
    write_crate(study, output, "CC-BY-4.0")
    metadata = (output / METADATA).read_text()
    earlier = metadata.replace(entities(output)["./"]["datePublished"], "2020-01-02")
    (output / METADATA).write_text(earlier)
    (output / "runs/gone").mkdir()
    write_crate(study, output, "CC-BY-4.0")
    assert (output / METADATA).read_text() == earlier
    assert not (output / "runs/gone").exists()


@pytest.mark.parametrize("content", ["notes", '{"@graph": []}'])
def test_other_files_are_not_overwritten(study: Study, results: None, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / METADATA).write_text(content)
    with pytest.raises(ValueError, match="is no earlier crate, and is not replaced"):
        write_crate(study, folder, "MIT")
    assert (folder / METADATA).read_text() == content


def test_the_script_says_what_is_missing(
    study: Study, finish: Finish, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    write_text("results/study.json", study.model_dump_json(exclude_unset=True))

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["write_crate.py", *options])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "workflow/scripts/write_crate.py"), run_name="__main__")
        return f"{end.value.code}{capsys.readouterr().err}"

    assert "the following arguments are required: --license" in run()
    assert "there is no results/report.md; `snakemake report` makes it" in run("--license", "MIT")


def test_it_is_a_valid_workflow_run_crate(study: Study, results: None, tmp_path: Path) -> None:
    """By the validator of the profile's authors, in an environment of its own, since it needs older packages."""
    write_crate(study, tmp_path / "crate", "https://example.org/terms")
    with_validator = ["uv", "run", "--quiet", "--no-project", "--isolated", "--with", VALIDATOR, "python"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    made = subprocess.run([*with_validator, "-c", ""], capture_output=True, text=True, env=environment, check=False)
    if made.returncode:
        pytest.skip(f"{VALIDATOR} cannot be installed: {made.stderr.strip().splitlines()[-1]}")
    context = Path(str(rocrate.__file__)).parent / "data/ro-crate.jsonld"
    script = str(ROOT / "tests/unit/validate_crate.py")

    def validate(crate: Path) -> subprocess.CompletedProcess[str]:
        command = [*with_validator, script, str(crate), str(context)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    valid = validate(tmp_path / "crate")
    assert valid.returncode == 0, valid.stdout + valid.stderr
    assert valid.stdout.startswith("workflow-run-crate-0.5: ")
    (tmp_path / "crate/study.json").unlink()
    assert "does not include the Data Entity 'study.json'" in validate(tmp_path / "crate").stdout


def test_an_earlier_crate_stays_where_a_new_one_cannot_be_written(
    study: Study, results: None, tmp_path: Path, full_disk: Callable
) -> None:
    output = tmp_path / "crate"
    write_crate(study, output, "MIT")
    metadata = (output / METADATA).read_bytes()
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_crate(study, output, "CC0-1.0")
    assert (output / METADATA).read_bytes() == metadata
    assert sorted(tmp_path.glob(".crate*")) == []
