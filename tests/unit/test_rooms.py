"""The rooms of the package: imports point one way, and each says what it holds and what a change of it costs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "workflow/scripts/ablation"
# What a room may import from, besides itself and the modules below all of them.
BELOW = {"errors", "escaping", "files"}
ROOMS = {
    "config": set(),
    "components": {"config"},
    "data": {"config"},
    "training": {"config", "components", "data"},
    "runs": {"config", "data", "training"},
    "cluster": {"config", "data", "runs"},
    "analysis": {"config", "data", "runs"},
    "overview": {"config", "data", "runs", "cluster"},
}
FILES = [file for room in ROOMS for file in sorted((PACKAGE / room).rglob("*.py"))]


class Imports(ast.NodeVisitor):
    """The modules of ours that a file imports when it runs, inside functions too."""

    def __init__(self):
        self.found = set()

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node):
        self.found |= {alias.name for alias in node.names if alias.name.startswith("ablation")}

    def visit_ImportFrom(self, node):
        if node.module and node.module.split(".")[0] == "ablation":
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            self.found |= {name for name in names if module_file(name)} or {node.module}


def module_file(name):
    path = PACKAGE.parent.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports_of(file):
    visitor = Imports()
    visitor.visit(ast.parse(file.read_text()))
    return visitor.found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file):
    room = file.relative_to(PACKAGE).parts[0]
    assert {name.split(".")[1] for name in imports_of(file)} - {room} <= ROOMS[room] | BELOW


def test_no_module_imports_itself_through_others():
    graph = {file: {module_file(name) for name in imports_of(file)} - {None} for file in FILES}
    done, path = set(), []

    def visit(file):
        assert file not in path, [each.name for each in (*path[path.index(file) :], file)]
        if file not in done:
            path.append(file)
            for other in graph.get(file, ()):
                visit(other)
            path.pop()
            done.add(file)

    for file in FILES:
        visit(file)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_holds_and_what_a_change_costs(room):
    holds, costs = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())).split("\n\n")
    assert holds
    assert costs.startswith("A change")


def test_everything_is_in_a_room():
    assert {path.stem for path in PACKAGE.iterdir()} - {"__pycache__"} == {"__init__", *ROOMS, *BELOW}
