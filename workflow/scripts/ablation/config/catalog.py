"""The components that a study can choose from: ours, and those of its own files, on equal terms.

In: the files that the study's `components` names. Out: a `Catalog`. Fails with `ConfigError`, with file and line, on a
file that Python cannot run and on a class that lacks a part.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from ablation.config.kinds import BUILT_IN, KINDS, Catalog, Component
from ablation.config.plain_yaml import ConfigError, read_text
from ablation.config.texts import suggestion

MODULES = ("models", "activations", "optimizers", "losses", "schedulers", "augmentations", "averagings")
NAME = re.compile(r"[a-z][a-z0-9_]*")
DISPLAY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def built_in() -> Catalog:
    """Those of this package."""
    return BUILT_IN


def catalog(files: Sequence[str]) -> Catalog:
    """Those of this package and of these files, which are run.

    Raises:
        ConfigError: a file or a class of it cannot be used; all errors are in it.
    """
    if not files:
        return built_in()
    modules, errors = [], []
    for file in files:
        try:
            modules.append(_run(file, read_text(file)))
        except ConfigError as error:
            errors += error.errors
    if errors:
        raise ConfigError(errors)
    return _catalog(modules, built_in())


def _catalog(modules: Sequence[ModuleType], below: Catalog | None = None) -> Catalog:
    """The components of these modules, and those `below`."""
    known = {kind.kind: dict((below or {}).get(kind.kind, {})) for kind in KINDS}
    errors = []
    for component in _classes(modules):
        problems = list(_lacks(component)) or list(_taken(component, known[component.kind]))
        errors += [f"{_place(component)}: class {component.__name__}: {problem}" for problem in problems]
        if below:  # of ours, a test looks for these
            errors += undeclared(component)
        if not problems:
            known[component.kind][str(_name(component))] = component
    if errors:
        raise ConfigError(errors)
    return known


def _classes(modules: Sequence[ModuleType]) -> Iterator[type[Component]]:
    """The components that are defined in these modules themselves."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Component) and value.__module__ == module.__name__:
                yield value


def _lacks(component: type[Component]) -> Iterator[str]:
    """What is missing or wrong in a component's declaration."""
    kind = next((kind for kind in KINDS if issubclass(component, kind)), None)
    if kind is None:
        yield f"is not a kind of component; derive it from one of {', '.join(kind.__name__ for kind in KINDS)}"
        return
    name, display_name = _name(component), getattr(component, "display_name", None)
    if name is None or not NAME.fullmatch(name):
        yield 'has no name, or none of small letters, digits and _: write name: Literal["my_name"] = "my_name"'
    if not isinstance(display_name, str) or not DISPLAY_NAME.fullmatch(display_name):
        yield 'has no display_name of letters, digits and hyphens: write display_name = "MyName"'
    for key in sorted(set(component.model_fields) & set(dir(kind)) - set(kind.model_fields)):
        yield f"has a setting '{key}', which is the name of something that every component has; choose another"
    yield from _wrong_build(getattr(component, "build", None), kind.build)  # type: ignore[attr-defined]


def _wrong_build(found: Any, wanted: Any) -> Iterator[str]:
    """Whether `build` is that of the kind, or takes other arguments."""
    arguments = list(inspect.signature(wanted).parameters)
    if found is wanted or not callable(found):
        yield f"has no method build({', '.join(arguments)})"
    elif len(inspect.signature(found).parameters) != len(arguments):
        yield f"build takes ({', '.join(inspect.signature(found).parameters)}); it must take ({', '.join(arguments)})"


def undeclared(component: type[Component]) -> Iterator[str]:
    """Errors for what its methods read of it that it does not have, which would end the first job."""
    declared = {*dir(component), *component.model_fields, *component.__private_attributes__}
    lines, first = inspect.getsourcelines(component)
    for line, name in _read_of_self(ast.parse(textwrap.dedent("".join(lines))).body[0]):
        if name not in declared:
            place = f"{_file(component)}:{first + line - 1}: class {component.__name__}"
            hint = suggestion(name, component.model_fields)
            yield f"{place}: uses self.{name}, which is no setting of it; {hint}declare it as a field, with a default"


def _read_of_self(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each `self.name` inside; not in a class inside, whose `self` is another."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, lineno=line):
                yield line, name
            case ast.ClassDef():
                continue
        yield from _read_of_self(child)


def _taken(component: type[Component], known: dict[str, type[Component]]) -> Iterator[str]:
    other = known.get(str(_name(component)))
    if other is not None:
        yield f"the {component.kind} '{_name(component)}' is that of {_place(other)} too; choose another name"


def _name(component: type[Component]) -> str | None:
    """The one value that its field `name` can have, and has by default."""
    field = component.model_fields["name"]
    values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return values[0] if len(values) == 1 and field.default == values[0] else None


def _place(component: type[Component]) -> str:
    return f"{_file(component)}:{inspect.getsourcelines(component)[1]}"


def _file(component: type[Component]) -> str:
    module = sys.modules[component.__module__]
    return getattr(module, "shown_as", Path(str(module.__file__)).name)


@cache
def _run(file: str, source: str) -> ModuleType:
    """Run a file as a module of its own, which finds the files beside it; once, until it is edited.

    Raises:
        ConfigError: it ends with an error.
    """
    path = Path(file).resolve()
    module: Any = ModuleType(f"components_{sha256(f'{path}{source}'.encode()).hexdigest()[:16]}")
    module.__file__, module.shown_as = str(path), file
    sys.modules[module.__name__] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # behind our own and the installed packages
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        raise ConfigError([f"{file}:{error.lineno}: is not valid Python: {error.msg}"]) from error
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError([f"{file}:{lines[-1] if lines else 1}: cannot be run: {reason}"]) from error
    return module


BUILT_IN.update(_catalog([import_module(f"ablation.components.{name}") for name in MODULES]))
