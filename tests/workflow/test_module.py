"""The workflow from another folder: as a module of another workflow, and by the path of its Snakefile."""

import json
import os
import subprocess

import pytest
import yaml

from .conftest import SNAKEMAKE, warm_python

STUDY = {
    "study": "inner",
    "data": {"name": "digits", "train_images_per_class": 10},
    "seeds": [0],
    "base": {"model": {"filters": [2, 3, 4]}, "epochs": 1},
    "variants": {"adam": {}},
    "tables": {"one": {"title": "One row", "rows": [{"variant": "adam", "label": "Adam"}]}},
}
OUTER = """\
configfile: "outer.yaml"


module ablation:
    snakefile:
        "{snakefile}"
    config:
        {config}


use rule * from ablation as ablation_*


rule summary:
    default_target: True
    input:
        rules.ablation_write_report.output,
    output:
        "summary.md",
    shell:
        "head -3 {{input}} > {{output}}"
"""


@pytest.fixture
def outer(project, tmp_path_factory):
    """Another workflow in another folder; the path from there to a checkout of ours is relative, as users write it."""
    folder = tmp_path_factory.mktemp("outer")

    def write(section="config", settings=STUDY):
        path = os.path.relpath(project.folder / "workflow/Snakefile", folder)
        (folder / "Snakefile").write_text(OUTER.format(snakefile=path, config=section))
        (folder / "outer.yaml").write_text(yaml.safe_dump(settings))
        return folder

    return write


def snakemake(folder, *arguments):
    command = [warm_python(), SNAKEMAKE, "--cores", "2", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return result.returncode, result.stdout + result.stderr


def test_as_a_module_it_trains_and_reports_in_the_other_folder(outer):
    folder = outer()
    status, output = snakemake(folder)
    assert status == 0, output
    assert "1 of 1 run completed" in (folder / "summary.md").read_text()
    assert json.loads((folder / "results/runs/adam/seed0/metrics.json").read_text())["study"] == "inner"
    status, output = snakemake(folder, "-n")
    assert "Nothing to be done" in output, output


def test_a_module_may_get_a_section_of_the_other_config(outer):
    status, output = snakemake(outer('config["study"]', {"study": STUDY, "other": 1}), "-n")
    assert status == 0, output
    assert "ablation_train" in output


@pytest.mark.parametrize(
    ("section", "wrap", "place"),
    [("config", lambda study: study, "outer.yaml:2"), ('config["study"]', lambda study: {"study": study}, "config")],
)
def test_a_mistake_in_a_module_s_config_is_named(outer, section, wrap, place):
    wrong = STUDY | {"base": {"epochs": "many"}}
    status, output = snakemake(outer(section, wrap(wrong)), "-n")
    assert status != 0
    assert f"{place}: base.epochs: 'many' is not valid" in output


def test_without_its_scripts_a_module_says_what_to_do(outer, project):
    (project.folder / "workflow/scripts").rename(project.folder / "elsewhere")
    status, output = snakemake(outer(), "-n")
    assert status != 0
    assert "To use it as a module, clone its repository" in output


def test_the_snakefile_may_be_given_by_its_path(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    status, output = snakemake(
        folder, "-s", project.folder / "Snakefile", "--configfile", project.folder / "config/tiny.yaml", "-n"
    )
    assert status == 0, output
    assert "train" in output


def test_the_results_may_be_in_another_directory(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    result = project.snakemake("results/study.json", "--directory", str(folder))
    assert result.returncode == 0, result.stdout
    assert json.loads((folder / "results/study.json").read_text())["study"] == "tiny"
