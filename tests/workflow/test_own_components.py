"""Components of one's own, from the YAML to the report, and what is told where they are wrong."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDY = "examples/own-components/study.yaml"


@pytest.fixture
def example(new_project, tmp_path):
    project = new_project(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return project


def edit(project, old, new, path="examples/own-components/my_components.py"):
    text = project.read(path)
    assert old in text
    (project.folder / path).write_text(text.replace(old, new, 1))


def test_own_components_are_trained_and_reported(example):
    quick = ["--config", "override={epochs: 1}", "seeds=[0]", "jobs={pack_seeds: false}"]
    result = example.snakemake(*quick, config=STUDY)
    assert result.returncode == 0, result.stdout
    weights = {path.name.rpartition("_")[0] for path in example.folder.glob("results/runs/*/seed0/*.pth")}
    assert weights == {
        "best_model_LeakyReLU_CrossEntropy_Adam_CosineAnnealingLR",
        "best_model_LeakyReLU_CrossEntropy_Lion_CosineAnnealingLR",
        "best_model_LeakyReLU_Poly1_Adam_CosineAnnealingLR",
    }
    assert "optimizer lion, optimizer.beta1 0.9" in example.read("results/report.md")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("class Lion(Optimizer):", "class Lion(Optimizer)", "my_components.py:33: is not valid Python: expected ':'"),
        (
            "from pydantic",
            "from pydantik",
            "my_components.py:9: cannot be run: ModuleNotFoundError: No module named 'pyda",
        ),
        ('    display_name = "Lion"\n', "", "my_components.py:33: class Lion: has no display_name"),
        (
            "widths: tuple",
            "width: tuple",
            "my_components.py:25: class Residual: uses self.widths, which is no setting of it; did you mean 'width'?",
        ),
    ],
    ids=["syntax", "import", "missing part", "renamed setting"],
)
def test_a_mistake_is_told_with_its_line_and_no_traceback(example, old, new, told):
    edit(example, "model: residual", "model: {residual: {name: residual, widths: [4, 8]}}", STUDY)
    edit(example, old, new)
    result = example.snakemake("-n", config=STUDY)
    assert result.returncode != 0
    assert "error(s); no job was started." in result.stdout
    assert told in result.stdout
    assert "Traceback" not in result.stdout


def test_an_error_while_building_is_in_the_log_with_its_line(example):
    edit(example, "from lion import", "from loin import")
    target = "results/runs/baseline-lion/seed0/metrics.json"
    result = example.snakemake(target, "--config", "jobs={pack_seeds: false}", config=STUDY)
    assert result.returncode != 0
    log = example.read("results/runs/baseline-lion/seed0/train.log")
    assert log.endswith(
        "error: results/runs/baseline-lion/seed0: examples/own-components/my_components.py:43: "
        "ModuleNotFoundError: No module named 'loin'\n"
    )


def test_an_error_while_training_names_the_line_beside_the_components(example):
    edit(example, "mul(beta1)", "mul(beta)", "examples/own-components/lion.py")
    target = "results/runs/baseline-lion/seed0/metrics.json"
    assert example.snakemake(target, "--config", "jobs={pack_seeds: false}", config=STUDY).returncode != 0
    log = example.read("results/runs/baseline-lion/seed0/train.log")
    assert "lion.py:27: NameError: name 'beta' is not defined" in log
