"""The house as it is drawn: who may import whom, no circles, small files and functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "edu_lib"
PACKAGES = ("edu_lib", "roads", "classroom")
USERS = ("studies", "tools", "notebooks", "tests")

# Each floor of the library may import itself and what stands here. What is no key is floor 0.
MAY_IMPORT = {
    "techniques": {"floor 0"},
    "measure": {"floor 0"},
    "training": {"floor 0"},
    "data": {"floor 0", "techniques"},
    "models": {"floor 0", "techniques"},
    "deploy": {"floor 0", "techniques", "measure", "models"},
    "reporting": {"floor 0", "techniques", "measure", "training", "deploy"},
}
MOST_FILES, MOST_LINES, MOST_CODE_LINES, MOST_COLUMNS = 100, 260, 40, 100


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_of(*packages):
    """{full name: path} of every module."""
    return {
        name_of(path): path
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        if "node_modules" not in path.parts
    }


MODULES = modules_of(*PACKAGES)


def is_for_types_alone(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def nodes_of(node):
    """Every node, those for type checkers alone left out."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not is_for_types_alone(child):
            yield from nodes_of(child)


def imported_by(path):
    """The modules that a file imports, wherever in it; a name's own module where it is one."""
    found = set()
    for node in nodes_of(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: an import relative to a package"
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in full.values()}
    return found


IMPORTED = {name: imported_by(path) for name, path in MODULES.items()}


def floor_of(module):
    part = [*module.split("."), ""][1]
    return part if part in MAY_IMPORT else "floor 0"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("edu_lib")])
def test_no_arrow_of_the_library_runs_upward(module):
    own = floor_of(module)
    allowed = {own} | MAY_IMPORT.get(own, set())
    for other in IMPORTED[module]:
        if other.split(".")[0] == "edu_lib":
            assert floor_of(other) in allowed, f"{module} imports {other}"


@pytest.mark.parametrize("module", MODULES)
def test_no_package_knows_one_above_it(module):
    package = module.split(".")[0]
    known = {"edu_lib": set(), "roads": set(), "classroom": {"edu_lib", "roads"}}[package]
    strangers = ({*PACKAGES, *USERS} - known) - {package}
    assert not {other.split(".")[0] for other in IMPORTED[module]} & strangers


def test_no_files_import_each_other_in_a_circle():
    finished = set()

    def follow(module, way):
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in finished:
            for other in sorted(IMPORTED[module] & MODULES.keys() - {module}):
                follow(other, [*way, module])
            finished.add(module)

    for module in MODULES:
        follow(module, [])


def test_the_library_is_small():
    names = [name for name in MODULES if name.startswith("edu_lib")]
    assert len(names) <= MOST_FILES


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_short(module):
    text = MODULES[module].read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    wide = [number for number, line in enumerate(lines, 1) if len(line) > MOST_COLUMNS]
    assert not wide, f"lines {wide} have more than {MOST_COLUMNS} columns"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node, lines) <= MOST_CODE_LINES, node.name


def code_lines(function, lines):
    """Lines of a function's body; docstring, comments and blank lines do not count."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    code = [line.strip() for line in lines[body[0].lineno - 1 : function.end_lineno]]
    return sum(bool(line) and not line.startswith("#") for line in code)
