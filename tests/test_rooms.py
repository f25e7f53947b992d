"""The arrows between the rooms, and the size of their files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "data": set(),
    "gnn": set(),
    "rnn": set(),
    "combined": {"gnn", "rnn"},
    "graphreel": {"data", "gnn", "rnn", "combined"},
}


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_flow_one_way(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        others = _imported(path) & set(MAY_IMPORT) - {room}
        assert others <= MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {others - MAY_IMPORT[room]}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_file_is_one_idea(room):
    for path in (ROOT / room).rglob("*.py"):
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= 350, f"{path.relative_to(ROOT)} has {lines} lines"
        assert path.stem not in {"utils", "helpers", "common", "base"}
