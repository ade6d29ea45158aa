"""Where a result comes from: digest of the code that made it, commit, versions. No torch.

The digest of a run's code covers the meaning of the training loop and of the components that the run names: their
definitions, and all definitions of ours that these refer to, found by name. Text that changes no result is left out:
comments, docstrings, descriptions, messages and display names. So is the machinery around the mathematics (checkpoints,
records, progress): code outside the folders of the mathematics, and the format of a checkpoint, which has a version.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import chain
from pathlib import Path
from platform import python_version

from ablation.config.settings import RunSettings

SCRIPTS = Path(__file__).resolve().parents[2]
# Where the mathematics of a run is, besides the files of its own components.
MATHEMATICS = (SCRIPTS / "ablation/training", SCRIPTS / "ablation/components")
LOOP = ("ablation/training/loop.py", ("Training", "train"))
DEVICE = ("ablation/training/device.py", ("prepare_device",))
PROBE = ("ablation/training/probes.py", ("Probe",))
# What refuses settings, and what a checkpoint holds.
SILENT_METHODS = {"check", "state_dict", "load_state_dict"}


@dataclass(frozen=True)
class Definition:
    """A function, class or value of a module, by its name there. "" is what the module does beside them."""

    file: Path
    name: str


def training_digest(settings: RunSettings, *, probed: bool = False) -> str:
    """Digest of the code that trains such a run: 16 hex digits."""
    return _training_digest(_kinds(settings), probed)


@cache
def _training_digest(components: frozenset[type], probed: bool) -> str:
    return _digest(_training_code(components, probed))


def training_files(settings: RunSettings, *, probed: bool = False) -> dict[str, str]:
    """The digest of what such a run uses of each file of code, by `<folder>/<file>`: 8 hex digits."""
    by_file: dict[Path, dict[Definition, str]] = {}
    for each, text in _training_code(_kinds(settings), probed).items():
        by_file.setdefault(each.file, {})[each] = text
    return {f"{file.parent.name}/{file.name}": _digest(texts)[:8] for file, texts in sorted(by_file.items())}


def _kinds(settings: RunSettings) -> frozenset[type]:
    return frozenset(type(component) for component in settings.components())


@cache
def _training_code(components: frozenset[type], probed: bool) -> dict[Definition, str]:
    roots = [Definition(SCRIPTS / file, name) for file, names in (LOOP, DEVICE, PROBE)[: 2 + probed] for name in names]
    files = {each: Path(str(sys.modules[each.__module__].__file__)) for each in components}
    roots += [Definition(file, each.__name__) for each, file in files.items()]
    own = [file.parent for file in files.values() if not file.is_relative_to(SCRIPTS)]

    def is_mathematics(file: Path) -> bool:
        return any(map(file.is_relative_to, MATHEMATICS if file.is_relative_to(SCRIPTS) else own))

    return _used(roots, is_mathematics, _Silenced)


@cache
def script_digest(script: str) -> str:
    """Digest of a script and of everything of ours that it refers to: comments, docstrings and layout do not count."""
    return _digest(_used(_all_of(SCRIPTS / script, _WithoutDocstrings), lambda file: True, _WithoutDocstrings))


def _used(
    roots: Iterable[Definition], follows: Callable[[Path], bool], reader: Callable[[], _WithoutDocstrings]
) -> dict[Definition, str]:
    """These definitions and all that they refer to, in files that it follows, each with its text."""
    pending, seen = list(roots), dict[Definition, str]()
    while pending:
        each = pending.pop()
        if each in seen or not follows(each.file):
            continue
        module = _module(each.file, reader)
        if each.name in module.definitions:
            seen[each] = _text(module, each.name)
            pending += [Definition(each.file, ""), *_references(module, each.name)]
        elif each.name in module.imports:
            pending.append(module.imports[each.name])
        else:
            pending += _all_of(each.file, reader)
    return seen


def _digest(code: Mapping[Definition, str]) -> str:
    lines = sorted(f"{each.file.name} {each.name}\n{text}" for each, text in code.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _all_of(file: Path, reader: Callable[[], _WithoutDocstrings]) -> list[Definition]:
    return [Definition(file, name) for name in _module(file, reader).definitions]


class _Module:
    """The definitions of a file, without what does not count, and where its imported names are defined."""

    def __init__(self, file: Path, reader: Callable[[], _WithoutDocstrings]):
        self.file = file
        tree = reader().visit(ast.parse(file.read_text(encoding="utf-8")))
        self.imports = dict(_imports(tree, file.parent))
        self.definitions: dict[str, list[ast.AST]] = {"": []}
        for statement in tree.body:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for name in _defined(statement):
                    self.definitions.setdefault(name, []).append(statement)


def read_mathematics() -> None:
    """Read the code of runs, for processes that are forked from this one."""
    for file in chain.from_iterable(folder.glob("*.py") for folder in MATHEMATICS):
        _module(file, _Silenced)


# The digests of many runs share most definitions, so each is looked at once.
@cache
def _module(file: Path, reader: Callable[[], _WithoutDocstrings]) -> _Module:
    return _Module(file, reader)


@cache
def _text(module: _Module, name: str) -> str:
    return "\n".join(map(ast.dump, module.definitions[name]))


@cache
def _references(module: _Module, name: str) -> list[Definition]:
    """What a definition refers to, in its file and in other files of ours."""
    found = [module.imports["*"]] if not name and "*" in module.imports else []
    for node in chain.from_iterable(map(ast.walk, module.definitions[name])):
        if isinstance(node, ast.Name) and node.id in module.definitions:
            found.append(Definition(module.file, node.id))
        elif isinstance(node, ast.Name) and node.id in module.imports:
            found.append(module.imports[node.id])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            other = module.imports.get(node.value.id)
            if other is not None and not other.name:
                found.append(Definition(other.file, node.attr))
    return found


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement defines; "" for one that defines none."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    names = [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]
    return names or [""]


def _imports(tree: ast.Module, folder: Path) -> Iterator[tuple[str, Definition]]:
    """Names that are imported from files of ours, or from beside the file, anywhere in it; a module has no name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                file = _file_of(alias.name, folder)
                if file and (alias.asname or "." not in alias.name):
                    yield alias.asname or alias.name, Definition(file, "")
                elif file:  # `import a.b` binds `a`, of which anything may be used
                    yield alias.name.partition(".")[0], Definition(file, "*")
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule, file = _file_of(f"{node.module}.{alias.name}", folder), _file_of(node.module, folder)
                if submodule:
                    yield alias.asname or alias.name, Definition(submodule, "")
                elif file:
                    yield alias.asname or alias.name, Definition(file, alias.name)


@cache
def _file_of(module: str, folder: Path) -> Path | None:
    parts = module.split(".")
    bases = [above.joinpath(*parts) for above in (SCRIPTS, folder)]
    files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


class _WithoutDocstrings(ast.NodeTransformer):
    """Takes docstrings out of a syntax tree; comments are not in it."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)


class _Silenced(_WithoutDocstrings):
    """Takes out what changes no result: messages, annotations, display names, and of settings (a run has all of them)
    ranges, defaults and descriptions."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if _calls(node.value, "print") else super().visit_Expr(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise()

    def visit_Assert(self, node: ast.Assert) -> ast.AST | None:
        return None

    def visit_If(self, node: ast.If) -> ast.AST | None:
        is_for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if is_for_types else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if ast.unparse(node.targets[0]) == "display_name" else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.value = None if _calls(node.value, "Field") else node.value
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [each for each in node.body if getattr(each, "name", None) not in SILENT_METHODS]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node


def _calls(node: ast.AST | None, function: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function


def git_commit() -> str | None:
    """The commit of this checkout, with `+changes` where the work tree differs from it; None outside git."""
    try:
        _git("ls-files", "--error-unmatch", ".")  # else this is the commit of a repository around a mere copy
        return _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes").strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(SCRIPTS), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of the packages named."""
    return {"python": python_version(), **{name: metadata.version(name) for name in packages}}
