"""The code digest follows meaning, not text, and only the modules that the script imports."""

import subprocess

import pytest

from ablation import provenance

FILES = {
    "job.py": 'from pack.inner import value\n\n\ndef run():\n    """Say it."""\n    return value  # as it is\n',
    "pack/__init__.py": "",
    "pack/inner.py": "from pack import deeper\nvalue = deeper.one\n",
    "pack/deeper.py": "one = 1\n",
    "pack/unused.py": "two = 2\n",
}


@pytest.fixture
def digest(tmp_path, monkeypatch):
    (tmp_path / "pack").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)

    def with_change(name="job.py", old="", new=""):
        (tmp_path / name).write_text(FILES[name].replace(old, new))
        provenance.code_digest.cache_clear()
        return provenance.code_digest("job.py")

    return with_change


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("job.py", "# as it is", "# another comment"),
        ("job.py", '"""Say it."""', '"""Say it differently."""'),
        ("job.py", "\n\n\ndef", "\n\ndef"),
        ("pack/unused.py", "2", "3"),
    ],
    ids=["comment", "docstring", "layout", "module not imported"],
)
def test_what_does_not_change_the_digest(digest, name, old, new):
    assert old in FILES[name]
    assert digest() == digest(name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("job.py", "return value", "return value + 1"),
        ("pack/deeper.py", "1", "2"),
        ("pack/inner.py", "deeper.one", "-deeper.one"),
    ],
)
def test_what_changes_the_digest(digest, name, old, new):
    assert old in FILES[name]
    assert digest() != digest(name, old, new)


def test_training_does_not_depend_on_analysis_nor_on_tables(monkeypatch):
    read = []
    original = provenance.Path.read_text
    monkeypatch.setattr(
        provenance.Path, "read_text", lambda path, **kw: (read.append(path.name), original(path, **kw))[1]
    )
    provenance.code_digest.cache_clear()
    provenance.code_digest("train.py")
    assert {"train.py", "loop.py", "settings.py", "losses.py"} <= set(read)
    assert {"config.py", "tables.py", "loading.py", "figures.py"}.isdisjoint(read)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that stands for ours, in a folder above it; runs git there."""
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


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    checkout("init")
    monkeypatch.setenv("PATH", "/nowhere")
    assert provenance.git_commit() is None
