"""Components of our own and of a study's files: what makes a class one, and what is refused with its line."""

import subprocess
import sys
from pathlib import Path

import pytest

from ablation.config.catalog import built_in, catalog, undeclared
from ablation.config.kinds import KINDS
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError
from ablation.config.settings import complete, flat, spec

ROOT = Path(__file__).resolve().parents[2]
LION = """\
from typing import Literal

from pydantic import Field

from ablation.config.kinds import Optimizer


class Lion(Optimizer):
    name: Literal["lion"] = "lion"
    display_name = "Lion"
    beta: float = Field(0.9, ge=0, lt=1, description="decay")

    def build(self, parameters):
        return parameters
"""
STUDY = """\
study: mine
components: [mine.py]
seeds: [0]
variants:
  adam: {}
  lion: {optimizer: lion}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a study with these components and this YAML, from another folder than theirs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()

    def write_and_load(source=LION, study=STUDY):
        (tmp_path / "studies/mine.py").write_text(source)
        (tmp_path / "studies/study.yaml").write_text(study)
        return load_study(["studies/study.yaml"])

    return write_and_load


def refusal(load, source=LION, study=STUDY):
    with pytest.raises(ConfigError) as caught:
        load(source, study)
    return caught.value.errors


@pytest.mark.parametrize("component", [each for kind in built_in().values() for each in kind.values()])
def test_every_setting_of_ours_is_described_and_has_a_default(component):
    fields = {name: field for name, field in component.model_fields.items() if name != "name"}
    assert all(field.description and not field.is_required() for field in fields.values())
    assert component.__doc__
    assert not list(undeclared(component))


def test_reading_a_config_does_not_import_torch():
    program = (
        "import sys; from ablation.config.loading import load_study; load_study(sys.argv[1:]).matrix\n"
        "assert 'torch' not in sys.modules"
    )
    for study in ("config/config.yaml", "examples/own-components/study.yaml"):
        subprocess.run(
            [sys.executable, "-c", program, study],
            cwd=ROOT,
            env={"PYTHONPATH": "workflow/scripts"},
            check=True,
        )


def test_an_own_component_is_a_choice_like_ours(load):
    lion = load().matrix.settings["lion"].optimizer
    assert spec(load().matrix.settings["lion"])["optimizer"] == {"name": "lion", "learning_rate": 0.001, "beta": 0.9}
    assert lion.display_name == "Lion"
    assert load(study=STUDY.replace("optimizer: lion", "optimizer: {name: lion, beta: 0.5}")).matrix


def test_components_are_found_beside_the_yaml_also_through_extends(load, tmp_path):
    load()
    (tmp_path / "above.yaml").write_text("extends: studies/study.yaml\nseeds: [1]\n")
    study = load_study(["above.yaml"])
    assert study.components == ("studies/mine.py",)
    assert study.matrix.settings["lion"].optimizer.name == "lion"


def test_an_own_component_takes_part_in_error_messages(load):
    assert refusal(load, study=STUDY.replace("optimizer: lion", "optimizer: loin")) == [
        "studies/study.yaml:6: variants.lion.optimizer: 'loin' is not a known optimizer; did you mean 'lion'? "
        "choose one of adam, adamw, sgd, custom_sign_sgd, lion"
    ]
    assert refusal(load, study=STUDY.replace("optimizer: lion", "optimizer: {name: lion, beta: 2, betta: 1}")) == [
        "studies/study.yaml:6: variants.lion.optimizer.beta: 2 is not valid: input should be less than 1",
        "studies/study.yaml:6: variants.lion.optimizer.betta: unknown key; did you mean 'beta'? "
        "Valid keys: learning_rate, beta",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            '    name: Literal["lion"] = "lion"\n',
            "",
            ":8: class Lion: has no name, or none of small letters, digits and _:",
        ),
        ('Literal["lion"] = "lion"', 'Literal["lion"]', ":8: class Lion: has no name"),
        ('Literal["lion"] = "lion"', 'str = "lion"', ":8: class Lion: has no name"),
        (
            'Literal["lion"] = "lion"',
            'Literal["Li on"] = "Li on"',
            ":8: class Lion: has no name, or none of small letters",
        ),
        (
            '    display_name = "Lion"\n',
            "",
            ":8: class Lion: has no display_name of letters, digits and hyphens: write",
        ),
        ('display_name = "Lion"', 'display_name = "a/b"', ":8: class Lion: has no display_name of letters"),
        (
            "def build(self, parameters):",
            "def make(self, parameters):",
            ":8: class Lion: has no method build(self, par",
        ),
        (
            "def build(self, parameters):",
            "def build(self):",
            ":8: class Lion: build takes (self); it must take (self, p",
        ),
        (
            "return parameters",
            "return parameters, self.learning_rate, self.model_dump(), self.betta",
            ":14: class Lion: uses self.betta, which is no setting of it; did you mean 'beta'? ",
        ),
        ("return parameters", "return [self.decay for _ in parameters]", ":14: class Lion: uses self.decay, which"),
        ("beta: float", "parts: float", ":8: class Lion: has a setting 'parts', which is the name of something"),
        ("beta: float", "json: float", ":8: class Lion: has a setting 'json', which is the name of something"),
        ("lion", "sgd", ":8: class Lion: the optimizer 'sgd' is that of optimizers.py:4"),
        (
            "import Optimizer\n",
            "import Component as Optimizer\n",
            ":8: class Lion: is not a kind of component; derive it",
        ),
        ("class Lion(Optimizer):", "class Lion(Optimizer:", ":8: is not valid Python: "),
        (
            "from pydantic import Field",
            "from pydantic import Feild",
            ":3: cannot be run: ImportError: cannot import name",
        ),
        ("class Lion", "raise SystemExit(3)\nclass Lion", ":8: cannot be run: SystemExit: 3"),
        ("beta: float", "beta: Nothing", ":11: cannot be run: NameError"),
        ("0.9, ge=0", "0.9, ge='x'", ":8: cannot be run: "),
    ],
)
def test_an_incomplete_component_is_refused_with_its_line(load, old, new, expected):
    assert old in LION
    (error,) = refusal(load, LION.replace(old, new))
    assert error.startswith("studies/mine.py" + expected), error


def test_every_error_of_a_file_is_told_at_once(load):
    second = LION.partition("\n\n\n")[2].replace("Lion", "Tiger").replace('= "lion"', '= "tiger"')
    errors = refusal(load, (LION + "\n\n" + second).replace("display_name", "# display_name"))
    assert [error.split(": ")[1] for error in errors] == ["class Lion", "class Tiger", "class Tiger"]
    assert "has no name" in errors[1]


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        (
            "[mien.py]",
            "studies/study.yaml:2: components[0]: 'studies/mien.py' is not a file; give the path of a Python file",
        ),
        ("mine.py", "studies/study.yaml:2: components: 'mine.py' is not valid: a list is expected, as in ['mine.py']"),
        ("[3]", "studies/study.yaml:2: components[0]: 3 is not valid: input should be a valid string"),
        ("[mine.py, mine.py]", "studies/mine.py:8: class Lion: the optimizer 'lion' is that of studies/mine.py:8 too"),
    ],
)
def test_wrong_paths_of_components_are_refused(load, components, expected):
    errors = refusal(load, study=STUDY.replace("[mine.py]", components))
    assert any(error.startswith(expected) for error in errors), errors


def test_an_edited_file_is_read_again(load):
    load()
    study = load(LION.replace("0.9", "0.8"))
    assert study.matrix.settings["lion"].optimizer.beta == 0.8


def test_each_kind_has_a_choice_and_a_run_names_one_of_each():
    assert all(built_in()[kind.kind] for kind in KINDS)
    settings = flat(spec(complete({})))
    assert {kind.kind for kind in KINDS} <= {*settings, "activation"}
    assert catalog(()) is built_in()
