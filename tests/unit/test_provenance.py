"""A digest follows meaning, not text, and covers what a script, or the loop and the components of a run, refer to."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ablation.config.catalog import built_in, catalog
from ablation.config.settings import complete
from ablation.runs import provenance

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "job.py": 'from pack.inner import value\n\n\ndef run():\n    """Say it."""\n    return value  # as it is\n',
    "pack/__init__.py": "",
    "pack/inner.py": "from pack import deeper\nvalue = deeper.one\nother = 3\n",
    "pack/deeper.py": "one = 1\ntwo = 2\nif one:\n    print(one)\n",
    "pack/unused.py": "two = 2\n",
}


def forget():
    for cached in (
        provenance.script_digest,
        provenance._training_code,
        provenance._training_digest,
        provenance._module,
    ):
        cached.cache_clear()


@pytest.fixture
def digest(tmp_path, monkeypatch):
    (tmp_path / "pack").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)

    def with_change(name="job.py", old="", new=""):
        (tmp_path / name).write_text(FILES[name].replace(old, new))
        forget()
        return provenance.script_digest("job.py")

    yield with_change
    forget()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("job.py", "# as it is", "# another comment"),
        ("job.py", '"""Say it."""', '"""Say it differently."""'),
        ("job.py", "\n\n\ndef", "\n\ndef"),
        ("pack/unused.py", "2", "3"),
        ("pack/inner.py", "other = 3", "other = 4"),
        ("pack/deeper.py", "two = 2", "two = 3"),
    ],
    ids=["comment", "docstring", "layout", "module not imported", "name not used", "name of a module not used"],
)
def test_what_does_not_change_a_script_s_digest(digest, name, old, new):
    assert old in FILES[name]
    assert digest() == digest(name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("job.py", "return value", "return value + 1"),
        ("pack/deeper.py", "one = 1", "one = 2"),
        ("pack/deeper.py", "print(one)", "print(two)"),
        ("pack/inner.py", "deeper.one", "-deeper.one"),
        ("pack/inner.py", "from pack import deeper", "import pack.deeper as deeper"),
        ("pack/inner.py", "from pack import deeper\nvalue = deeper.one", "from pack.deeper import *\nvalue = 2"),
        ("pack/inner.py", "from pack import deeper\nvalue = deeper.one", "import pack.deeper\nvalue = pack.deeper.one"),
    ],
)
def test_what_changes_a_script_s_digest(digest, name, old, new):
    assert old in FILES[name]
    before, after = digest(), digest(name, old, new)
    if "import" not in old:
        assert before != after
    # However it is imported, what it refers to is in the digest.
    changed = FILES["pack/deeper.py"].replace("one = 1", "one = 7")
    (provenance.SCRIPTS / "pack/deeper.py").write_text(changed)
    forget()
    assert provenance.script_digest("job.py") != after


RUNS = {
    "adam": {},
    "sgd": {"optimizer": "sgd"},
    "focal": {"loss": "focal"},
    "swa": {"averaging": "swa"},
    "ema": {"averaging": "ema"},
    "vgg": {"model": "vgg_a_light"},
    "resnet": {"model": "resnet", "augmentation": "rand_augment"},
    "plain": {"augmentation": "none", "scheduler": "none"},
}


@pytest.fixture
def changed_runs(tmp_path, monkeypatch):
    """Which runs have another digest after an edit of a copy of our code."""
    ours = provenance.SCRIPTS
    shutil.copytree(ours, tmp_path / "scripts")
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path / "scripts")
    monkeypatch.setattr(
        provenance,
        "MATHEMATICS",
        tuple(tmp_path / "scripts" / each.relative_to(ours) for each in provenance.MATHEMATICS),
    )
    modules = {component.__module__ for kind in built_in().values() for component in kind.values()}
    for name in modules:
        file = Path(provenance.sys.modules[name].__file__)
        monkeypatch.setattr(
            provenance.sys.modules[name], "__file__", str(tmp_path / "scripts" / file.relative_to(ours))
        )

    def digests():
        forget()
        return {name: provenance.training_digest(complete(partial)) for name, partial in RUNS.items()}

    def changed(path, pattern, new):
        before = digests()
        file = tmp_path / "scripts/ablation" / path
        text, count = re.subn(pattern, new, file.read_text(), count=1)
        assert count == 1
        file.write_text(text)
        after = digests()
        return {name for name in RUNS if before[name] != after[name]}

    yield changed
    forget()


@pytest.mark.parametrize(
    ("path", "pattern", "new", "expected"),
    [
        ("training/steps.py", r"clip_grads_with_norm_\(", "other(", set(RUNS)),
        ("training/augment.py", r"mul_\(scale\)", "div_(scale)", set(RUNS)),
        ("training/meters.py", r"100 \* correct", "99 * correct", set(RUNS)),
        ("components/optimizers.py", r"momentum=self.momentum", "momentum=0.9", {"sgd"}),
        ("components/loss_functions.py", r"return \(alpha", "return (2 * alpha", {"focal"}),
        ("components/weight_average.py", r"epoch >= self.start", "epoch > self.start", {"swa"}),
        ("components/weight_average.py", r"1 - share", "share", {"ema"}),
        ("components/flip_crop.py", r"width \+ 2", "width - 2", set(RUNS) - {"plain"}),
        ("components/rand_augment.py", r"\(1, -1\)", "(-1, 1)", {"resnet"}),
        ("components/networks.py", r"self.path\(images\) \+", "self.path(images) -", {"resnet"}),
        ("components/networks.py", r"scaled\(settings.hidden", "scaled(1 + settings.hidden", {"vgg"}),
        ("components/models.py", r"\(16,\)", "(17,)", {"vgg"}),
        (
            "components/networks.py",
            r"nn.Conv2d\(inputs, outputs, 3,",
            "nn.Conv2d(inputs, outputs, 5,",
            set(RUNS) - {"resnet"},
        ),
        ("components/activations.py", r"LeakyReLU\(self", "LeakyReLU(-self", set(RUNS) - {"vgg", "resnet"}),
    ],
)
def test_a_change_of_meaning_changes_the_runs_that_use_it(changed_runs, path, pattern, new, expected):
    assert changed_runs(path, pattern, new) == expected


@pytest.mark.parametrize(
    ("path", "pattern", "new"),
    [
        ("training/loop.py", r'"""The training loop', '"""The loop'),
        ("runs/progress.py", r"images/s", "images a second"),
        ("runs/checkpoint.py", r"sha256", "md5"),
        ("runs/interruption.py", r"seconds / 10", "seconds / 9"),
        ("training/loop.py", r'"steps": self.steps', '"all steps": self.steps'),
        ("training/meters.py", r"perf_counter", "monotonic"),
        ("runs/job.py", r"cpu", "gpu"),
        ("runs/records.py", r"class Cost", "class Price"),
        ("components/optimizers.py", r"decay of the running sum", "how long it remembers"),
        ("components/optimizers.py", r'display_name = "SGD"', 'display_name = "Sgd"'),
        ("components/optimizers.py", r"0.9, ge=0, lt=1", "0.8, ge=0.1, lt=0.95"),
        ("components/schedulers.py", r"is \{above\}", "exceeds"),
        ("components/optimizers.py", r"\Z", "\n\nclass Rmsprop(Optimizer):\n    pass\n"),
        ("config/kinds.py", r"def parts", "def pieces"),
    ],
)
def test_what_changes_no_figure_changes_no_digest(changed_runs, path, pattern, new):
    assert changed_runs(path, pattern, new) == set()


def test_a_probed_run_depends_on_the_probes_too():
    settings = complete({})
    assert provenance.training_digest(settings) != provenance.training_digest(settings, probed=True)


OWN = """\
from typing import Literal
from ablation.config.kinds import Loss
import helper

class Mine(Loss):
    name: Literal["mine"] = "mine"
    display_name = "Mine"

    def build(self):
        from deeper import formula
        return helper.wrapped(formula)
"""


def test_the_files_beside_an_own_component_count_where_it_uses_them(tmp_path):
    def digest(**files):
        for name, text in {
            "own": OWN,
            "helper": "def wrapped(f): return f\nunused = 1\n",
            "deeper": "formula = 1\n",
        }.items():
            (tmp_path / f"{name}.py").write_text(files.get(name, text))
        forget()
        return provenance.training_digest(complete({"loss": "mine"}, catalog([str(tmp_path / "own.py")])))

    before = digest()
    assert digest(helper="def wrapped(f): return f\nunused = 2\n") == before
    assert digest(helper="def wrapped(f): return -f\n") != before
    assert digest(deeper="formula = 2\n") != before
    assert digest(own=OWN.replace("wrapped(formula)", "wrapped(-formula)")) != before


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that plays ours, in a folder above it; runs git there."""
    scripts = tmp_path / "above" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "train.py").write_text("one = 1\n")
    monkeypatch.setattr(provenance, "SCRIPTS", scripts)

    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", "-C", tmp_path / "above", *identity, *arguments], check=True, capture_output=True)

    return git


def test_the_commit_tells_of_changes(checkout):
    assert provenance.git_commit() is None, "no repository"
    checkout("init")
    checkout("commit", "--allow-empty", "--message=other work")
    assert provenance.git_commit() is None, "a repository around a mere copy"
    checkout("add", ".")
    checkout("commit", "--message=ours")
    commit = provenance.git_commit()
    assert len(commit) == 40
    (provenance.SCRIPTS / "train.py").write_text("one = 2\n")
    assert provenance.git_commit() == f"{commit}+changes"


@pytest.mark.skipif(not Path(ROOT, ".git").exists(), reason="a copy without git")
def test_moving_the_results_away_leaves_the_checkout_clean():
    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False).stdout

    assert git("ls-files", "results") == ""
    assert git("check-ignore", "results", "results-demo").split() == ["results", "results-demo"]


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    checkout("init")
    monkeypatch.setenv("PATH", "/nowhere")
    assert provenance.git_commit() is None
