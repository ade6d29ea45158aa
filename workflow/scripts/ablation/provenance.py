"""Where a result comes from: digest of the code that made it, commit, versions. No torch."""

from __future__ import annotations

import ast
import hashlib
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from platform import python_version

SCRIPTS = Path(__file__).resolve().parents[1]


@lru_cache
def code_digest(script: str) -> str:
    """Digest of the meaning of a script and of all modules of ours that it imports, directly or not.

    The digest is that of the syntax trees without docstrings: comments, docstrings and layout leave it as it is.
    """
    pending, seen = [SCRIPTS / script], {}
    while pending:
        path = pending.pop()
        if path not in seen:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            seen[path] = ast.dump(_without_docstrings(tree))
            pending += _imported_files(tree)
    text = "\n".join(f"{path.relative_to(SCRIPTS)}\n{seen[path]}" for path in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del body[0]
    return tree


def _imported_files(tree: ast.Module) -> list[Path]:
    """Files of ours that a module imports anywhere in it, the packages around them included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parents = {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 2)}
    bases = [SCRIPTS.joinpath(*name.split(".")) for name in parents]
    candidates = [path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py")]
    return [path for path in candidates if path.is_file()]


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
