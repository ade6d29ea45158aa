"""Nothing is unpickled or executed that comes from a file: every loader says so where it is called.

Only `catalog.py` runs files, those that the study's `components` names. Pickles may be written: submitit hands a job to
its process as one, and reads back what that process wrote.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
FILES = sorted(SCRIPTS.rglob("*.py"))

# What a call must say, by the end of its name.
SAFE = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "format.read_array": ("allow_pickle", False),
}
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
# The one place that runs files.
ALLOWED = {"ablation/config/catalog.py": ["exec"]}
UNSAFE_CALLS = {"eval", "exec", "os.system", "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}


def faults(source: str) -> Iterator[str]:
    """The calls and imports that could run what a file says, each after its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in PICKLES:
            yield from (f"line {node.lineno}: {each.name}" for each in node.names if not each.name.endswith("Error"))
        if isinstance(node, ast.Call) and not is_safe(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def is_safe(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    module, _, function = name.rpartition(".")
    if module in PICKLES and function in ("load", "loads", "open", "Unpickler"):
        return False
    if name in UNSAFE_CALLS or any(word.arg == "shell" for word in call.keywords):
        return False
    for ending, (key, value) in SAFE.items():
        if f".{name}".endswith(f".{ending}"):
            said = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg == key}
            return said == {key: value}
    return True


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SCRIPTS)) for path in FILES])
def test_no_file_is_unpickled_or_executed(path: Path) -> None:
    found = [fault.partition(": ")[2].partition("(")[0] for fault in faults(path.read_text(encoding="utf-8"))]
    assert found == ALLOWED.get(str(path.relative_to(SCRIPTS)), [])


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "pickle.loads(text)",
        "pickle.Unpickler(file)",
        "cloudpickle.load(file)",
        "from joblib import load",
        "yaml.load(text, Loader=yaml.Loader)",
        "pd.read_pickle(path)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_each_unsafe_call_is_found(line: str) -> None:
    assert len(list(faults(line))) == 1


@pytest.mark.parametrize("line", ["torch.load(path, weights_only=True)", "np.load(path, allow_pickle=False)"])
def test_a_safe_call_is_none(line: str) -> None:
    assert list(faults(line)) == []
