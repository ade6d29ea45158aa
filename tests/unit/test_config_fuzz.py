"""Whatever a config holds, it gives a study that works, or errors that each name a place; never another exception.

`ABLATION_FUZZ=20000 pytest -n0 tests/unit/test_config_fuzz.py` tries so many random configs a test instead of the few,
always the same, of every other run.
"""

import copy
import os
import re
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablation.config import matrix
from ablation.config.catalog import built_in
from ablation.config.grid import Expansion, Sample
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError
from ablation.config.settings import RunSettings, spec_json
from ablation.config.study import DataConfig, JobOptions, Landscape, Row, Study, Table

EXAMPLES = int(os.environ.get("ABLATION_FUZZ", "0"))
FUZZ = settings(
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
CONFIG = Path(__file__).resolve().parents[2] / "config"
ALL_ABOUT_A_FILE = re.compile(
    r"is not valid YAML: .|holds no settings|cannot be read: .|is not a file|is not a text file in UTF-8"
    r"|'extends' leads back|is nested more than|holds more than"
    r"|the tag '|a key is a list|.* looks like a number|.* would be read as|and more; these are the first"
)

FULL = {
    "study": "full",
    "title": "All of it",
    "data": {"name": "images", "path": "pictures.tar", "validation_fraction": 0.1, "train_images_per_class": 5},
    "seeds": [0, 1],
    "jobs": {"threads": 2, "mem_mb": 1000, "runtime": 10, "checkpoint_seconds": 30, "pack_seeds": True},
    "components": ["mine.py"],
    "base": {"epochs": 4, "batch_size": 8, "model": {"name": "cnn", "activation": {"name": "leaky_relu"}}},
    "override": {"model": {"width_multiplier": 0.125}, "optimizer": {"beta": 0.5}},
    "variants": {
        "adam": {},
        "mine": {"optimizer": {"name": "mine", "beta": 0.1}, "model": {"activation": "relu"}},
        "swa": {"averaging": {"name": "swa", "start": 2, "anneal_epochs": 1}},
        "vgg": {
            "model": "vgg_a",
            "record_steps": True,
            "grid": {
                "model.batch_norm": {"plain": False, "bn": True},
                "optimizer.learning_rate": [0.001, 0.01, 0.1],
            },
            "name": "{batch_norm}-{learning_rate}",
            "exclude": [{"learning_rate": 0.1}],
        },
        "search": {
            "like": "swa",
            "grid": {"optimizer": ["sgd", {"name": "adamw", "weight_decay": 0.1}], "model.dropout": [0.1, 0.2]},
            "random": {"count": 2, "seed": 1},
        },
        "changes": {
            "loss": "mse",
            "one_at_a_time": {"scheduler": ["cosine", "none"], "model.filters": {"x": [2, 3, 4]}},
        },
    },
    "tables": {
        "one": {
            "title": "One",
            "note": "A note.",
            "rows": [
                {"variant": "adam", "label": "Adam", "reported": 88.5},
                {"variant": "swa", "label": "SWA", "accuracy": "averaged"},
            ],
        }
    },
    "landscape": {
        "title": "Batch normalisation",
        "grid": "vgg",
        "models": {"plain": "VGG", "bn": "VGG BN"},
        "band": [0.001, 0.01],
        "probed": {"adam": {"learning_rate": 0.001}},
        "probe": {"every": 5, "step_sizes": [0.5, 1]},
        "reported": {"smoothness": "smoother"},
    },
    "notes": ["A decision."],
}

MINE = """
from typing import Literal
from ablation.config.kinds import Optimizer
class Mine(Optimizer):
    name: Literal["mine"] = "mine"
    display_name = "Mine"
    beta: float = 0.9
    def build(self, parameters): ...
"""
COMPONENTS = tuple(component for choices in built_in().values() for component in choices.values())
MODELS = (Study, DataConfig, JobOptions, Landscape, Row, Table, RunSettings, Expansion, Sample, *COMPONENTS)
KNOWN_KEYS = sorted({key for model in MODELS for key in model.model_fields} | {"extends", "<<", "__use_yte__"})
KNOWN_WORDS = [
    "adam",
    "swa",
    "vgg_a",
    "images",
    "averaged",
    "one",
    "plain-1e-3",
    "mine.py",
    "model.batch_norm",
    "1e-3",
    "1e400",
    "-1",
    "0x_",
    "yes",
]
HOSTILE = [
    "..",
    "../../x",
    "-rf",
    "a/b",
    "con",
    "$(touch pwned)",
    "`touch pwned`",
    "a; touch pwned",
    "{x}",
    "{{x}}",
    "{",
    "'\"",
    "a\nb",
    "a\0b",
    "\ud800",
    "ü\u202e",
    " ",
    "",
    "n" * 60,
    "n" * 61,
    "x" * 5000,
    "[key]",
    "<<",
    "=",
]

texts = st.one_of(st.sampled_from(KNOWN_WORDS + HOSTILE), st.text(max_size=20))
numbers = st.one_of(
    st.integers(), st.sampled_from([2**31, 2**32, 2**63, 10**400, 10**4000, -(10**30)]), st.floats(), st.just(1e308)
)
scalars = st.one_of(
    st.none(), st.booleans(), numbers, texts, st.dates(), st.datetimes(), st.binary(max_size=8), st.just({"a", "b"})
)
keys = st.one_of(
    st.sampled_from(KNOWN_KEYS), texts, numbers, st.none(), st.booleans(), st.dates(), st.tuples(st.integers())
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write(folder, MINE, "mine.py")
    write(folder, yaml.dump(FULL), "full.yaml")
    return folder


def check_errors(lines):
    """Each is one line: a file or `--config`, a key or that the file itself is none, and what is wrong."""
    assert lines
    for line in lines:
        text = re.fullmatch(r"(?:--config|.+?(?::\d+)?): (.+)", line)[1]
        assert ALL_ABOUT_A_FILE.match(text) or re.match(r"\S.*?: \S", text), line


def study_or_errors(paths, overrides=None):
    """The property of this file; the study, where there is one."""
    try:
        study = load_study(paths, overrides)
    except ConfigError as error:
        check_errors(error.errors)
        return None
    assert len(matrix.runs(study)) == len(study.matrix.settings) * len(study.seeds)
    for run in matrix.runs(study):
        assert re.fullmatch(r"results/runs/[a-z0-9-]{1,60}/seed\d+/metrics\.json", run.metrics)
    assert all(spec_json(each) for each in study.matrix.settings.values())
    assert Study.model_validate_json(study.model_dump_json(exclude_unset=True)) == study
    return study


def write(folder, content, name="fuzz.yaml"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


@FUZZ
@given(tree=trees, flow=st.booleans(), unicode=st.booleans())
def test_any_tree(folder, tree, flow, unicode):
    text = yaml.dump(tree, default_flow_style=flow, allow_unicode=unicode)
    study_or_errors([write(folder, text)])


@FUZZ
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60)))
def test_any_bytes(folder, content):
    study_or_errors([write(folder, content)])


PIECES = (
    "a: |b|- |? |: |&x |*x|<<: |[|]|{|}|, |!!int |!!set |!x |! |> "
    "|'|\"|#|%TAG |--- |... |1:2|0x_|2001-99-99|.inf|study: s"
)
yaml_like = st.lists(st.sampled_from([*PIECES.split("|"), "|", "\n", "\n  ", "\t"]), max_size=25).map("".join)


@FUZZ
@given(text=yaml_like)
def test_anything_that_looks_like_yaml(folder, text):
    study_or_errors([write(folder, text)])


def nodes(tree, path=()):
    """The paths of all nodes of a tree."""
    yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from nodes(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from nodes(value, (*path, index))


def at(tree, path):
    for part in path:
        tree = tree[part]
    return tree


@st.composite
def mutated(draw, original):
    """A config with one to three of its nodes replaced, deleted, added, renamed, or copied over another."""
    tree = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in nodes(tree) if path]
        if not paths:
            break
        *around, last = draw(st.sampled_from(paths))
        parent = at(tree, around)
        match draw(st.sampled_from(["replace", "delete", "add", "rename", "copy"])):
            case "replace":
                parent[last] = draw(trees)
            case "delete":
                del parent[last]
            case "add" if isinstance(parent, dict):
                parent[draw(keys)] = draw(trees)
            case "rename" if isinstance(parent, dict):
                parent[draw(keys)] = parent.pop(last)
            case "copy":
                parent[last] = copy.deepcopy(at(tree, draw(st.sampled_from(paths))))
            case _:
                parent.append(draw(trees)) if isinstance(parent, list) else None
    return tree


def test_the_full_study_is_valid(folder):
    assert study_or_errors([folder / "full.yaml"]) is not None


@FUZZ
@given(tree=mutated(FULL))
def test_a_full_study_with_changes(folder, tree):
    study_or_errors([write(folder, yaml.dump(tree, sort_keys=False))])


REAL = yaml.safe_load((CONFIG / "config.yaml").read_text())


@settings(FUZZ, max_examples=EXAMPLES // 10 or 10)
@given(tree=mutated(REAL))
def test_the_real_study_with_changes(folder, tree):
    study_or_errors([write(folder, yaml.dump(tree, sort_keys=False))])


@FUZZ
@given(overrides=st.dictionaries(st.one_of(st.sampled_from(KNOWN_KEYS), st.text(string.ascii_letters)), trees))
def test_any_overrides(folder, overrides):
    study_or_errors([folder / "full.yaml"], overrides)


@FUZZ
@given(one=mutated(FULL), two=mutated(FULL), extends=st.one_of(st.just("two.yaml"), scalars, st.lists(texts)))
def test_two_files_that_extend_each_other(folder, one, two, extends):
    write(folder, yaml.dump(two | {"extends": "below/three.yaml"}), "two.yaml")
    first = write(folder, yaml.dump(one | {"extends": extends}), "one.yaml")
    study_or_errors([first, write(folder, yaml.dump(two), "other.yaml")])


WORDS = [
    "name",
    "display_name",
    "beta",
    "Literal",
    "Optimizer",
    "Mine",
    "mine",
    "build",
    "self",
    "parameters",
    "class ",
    "def ",
]
ODD = [
    "",
    "1",
    "'",
    "(",
    ")",
    ":",
    "=",
    "\n",
    "    ",
    "None",
    "raise ",
    "sgd",
    "Loss",
    "import torch_",
    "\0",
    "é",
    "Field(ge='x')",
]


@st.composite
def mutated_source(draw):
    """A component's file with one to three of its words replaced, and maybe a line less or twice."""
    text = MINE
    for word in draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)):
        text = text.replace(word, draw(st.sampled_from(ODD + WORDS)), draw(st.integers(1, 3)))
    lines = text.split("\n")
    at = draw(st.integers(0, len(lines) - 1))
    return "\n".join(lines[:at] + lines[at : at + 1] * draw(st.integers(0, 2)) + lines[at + 1 :])


@FUZZ
@given(source=mutated_source())
def test_components_with_changes(tmp_path_factory, source):
    own = tmp_path_factory.getbasetemp() / "own"
    own.mkdir(exist_ok=True)
    write(own, source, "mine.py")
    study_or_errors([write(own, yaml.dump(FULL))])
