"""The house: arrows between its rooms, no circle between files, what is installed, and the size of a file."""

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("data", "gnn", "rnn", "combined")
APPLICATION = {path.parent.name for path in (ROOT / "graphreel").glob("*/__init__.py")} - {"core"}
EVERYTHING = {"core", *ROOMS, *APPLICATION}
MAY_IMPORT = {
    "core": set(),
    "data": {"core"},
    "gnn": {"core"},
    "rnn": {"core"},
    "combined": {"core", "gnn", "rnn"},
    **{part: EVERYTHING for part in APPLICATION},
}


def _modules() -> dict[str, Path]:
    """Every file of the package, by the name under which it is imported when installed."""
    found = {}
    for folder in (*ROOMS, "graphreel"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = ("graphreel",) * (folder != "graphreel") + path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[: -1 if path.stem == "__init__" else None])] = path
    return found


MODULES = _modules()


def _imported(name: str) -> set[str]:
    """The modules that a file imports anywhere in it, local imports included."""
    path = MODULES[name]
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*start, *([node.module] if node.module else [])])
            found |= {
                f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in MODULES else origin for alias in node.names
            }
    return found & set(MODULES)


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in EVERYTHING else None


def _place(module: str) -> str:
    return str(MODULES[module].relative_to(ROOT))


def test_imports_flow_one_way():
    for module in MODULES:
        room = _room(module)
        if room is not None:
            others = {_room(other) for other in _imported(module)} - {room, None}
            assert others <= MAY_IMPORT[room], f"{_place(module)} imports {others - MAY_IMPORT[room]}"


def test_no_circle_between_files():
    arrows = {module: _imported(module) - {module} for module in MODULES}
    while leaves := {module for module, targets in arrows.items() if not targets}:
        arrows = {module: targets - leaves for module, targets in arrows.items() if module not in leaves}
    assert not arrows, f"files that import each other, or one that does: {sorted(map(_place, arrows))}"


def test_rooms_import_their_own_files_relatively():
    for module, path in MODULES.items():
        room = _room(module)
        if room in ROOMS:
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            absolute = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
            assert not any(name.startswith(f"graphreel.{room}") for name in absolute), (
                f"{_place(module)} names its room"
            )


def test_every_package_is_installed():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = settings["options"]["packages"].split()
    assert sorted(listed) == sorted(name for name, path in MODULES.items() if path.stem == "__init__")


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_one_idea(module):
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")
    assert lines <= 350, f"{_place(module)} has {lines} lines"
    assert MODULES[module].stem not in {"utils", "helpers", "common", "base"}


def test_few_files_lie_beside_the_folders():
    assert sum(path.is_file() for path in (ROOT / "graphreel").iterdir()) <= 8
