"""The commands and the Python of the README and of docs/, run as they stand; trainings are cut short."""

import json
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from graphreel.__main__ import run
from graphreel.data.data_dirs import find
from graphreel.data.examples import write_example
from graphreel.data.graphs.on_disk.pack import pack

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
pytestmark = pytest.mark.slow

# what shortens a command: nothing for those that take seconds
SHORTER = {
    "gnn train --data six-node": "",
    "gnn train --data cora": "--epochs 2 --seeds 1",
    "gnn train --data imports": "--epochs 2 --seeds 1",
    "gnn train --data mutag": "--epochs 1 --seeds 1 --members 2",
    "gnn train --data karate": "--epochs 3",
    "gnn train --data NUMBERS": "--epochs 3",
    "gnn train --data MINE": "--epochs 3",
    "gnn train --data PACKED": "--epochs 1",
    "gnn attention": "",
    "gnn predict": "",
    "gnn predict RUN MINE": "",
    "data example": "",
    "data describe": "",
    "gnn embed": "",
    "gnn updates": "",
    "rnn train --data palindrome": "--steps 2 --seeds 1 --hidden 8 --batch-size 4",
    "rnn train --data BOOK.txt": "--steps 3 --hidden 8 --batch-size 4",
    "rnn gates": "",
    "rnn generate": "--length 5",
    "rnn gradients": "--steps 2",
    "combined train --data digits": "--epochs 1",
    "combined train --data jhmdb": "--epochs 1 --seeds 1",
    "combined train --data PATH": "--epochs 1",
    "combined train --data SENSORS.csv": "--epochs 1 --seeds 1 --lags 4 --horizon 2",
    "combined train --data SERIES.json": "--epochs 1 --seeds 1 --season 0",
    "combined compare --data digits": "--epochs 1 --seeds 1 --hidden 8",
    "combined compare --data jhmdb": "--epochs 1 --seeds 1 --hidden 8",
    "combined predict": "",
    "combined backtest": "",
    "combined attention": "",
    "combined attention RUN SENSORS.csv": "",
    "report --quick": "--only Q1.2",
    "runs": "",
    "export": "",
    "sweep gnn": "--trials 1 --set epochs=2",
    "doctor": "",
    "data pack": "",
}
# what a command reads: the name of a run, and the training that makes it
NEEDS = {
    **dict.fromkeys(
        ("gnn attention", "gnn predict", "gnn embed", "export"),
        ("six-node", "gnn train --data six-node --model gat --epochs 5"),
    ),
    "gnn predict RUN MINE": ("mine", "gnn train --data MINE --model gat --epochs 3"),
    "rnn gates": ("book", "rnn train --data BOOK.txt --steps 3 --hidden 8 --batch-size 4"),
    "rnn generate": ("book", "rnn train --data BOOK.txt --steps 3 --hidden 8 --batch-size 4"),
    "combined predict": ("clips", "combined train --data PATH --epochs 1"),
    **dict.fromkeys(
        ("combined backtest", "combined attention RUN SENSORS.csv"),
        ("series", "combined train --data SENSORS.csv --epochs 1 --lags 4 --horizon 2"),
    ),
    "combined attention": ("clips", "combined train --data PATH --epochs 1"),
}


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command of every page: in the first column of a table, or a line of a block."""
    found = []
    for page in PAGES:
        found += re.findall(r"^\| `graphreel ([^`]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
        for block in fences(page, "sh"):
            found += re.findall(r"^graphreel ([^#\n]+)", block, re.MULTILINE)
    return list(dict.fromkeys(command.strip() for command in found))


def kind_of(command: str) -> str:
    for kind in sorted(SHORTER, key=len, reverse=True):
        if command.startswith(kind):
            return kind
    raise AssertionError(f"a page has a command that is not tested: graphreel {command}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that holds what the capital letters stand for."""
    place = tmp_path_factory.mktemp("documents")
    (place / "BOOK.txt").write_text("Sleeping beauty is asleep in a castle, and the castle is asleep as well. " * 40)
    draw = np.random.default_rng(0)
    keypoints = draw.normal(size=(12 * 6, 15, 2))
    np.savez(place / "PATH.npz", keypoints=keypoints, lengths=np.full(12, 6), labels=np.arange(12) % 2)
    np.savez(place / "FILE.npz", keypoints=keypoints[:6], lengths=[6])
    np.savetxt(place / "SENSORS.csv", draw.normal(size=(80, 3)).cumsum(0), delimiter=",")
    np.savetxt(place / "SENSORS_adj.csv", 1 - np.eye(3), delimiter=",")
    (place / "NUMBERS").mkdir()
    tables = {"nodes": ["id,target", *(f"{i},{i / 7:.2f}" for i in range(30))]}
    tables["edges"] = ["source,target", *(f"{i},{i // 2}" for i in range(30))]
    for table, rows in tables.items():
        (place / "NUMBERS" / f"{table}.csv").write_text("\n".join(rows) + "\n")
    pack("karate", place / "PACKED")
    (place / "EDGES.csv").write_text("\n".join(tables["edges"]) + "\n")
    series = {"edges": [[0, 1], [1, 2], [2, 0]], "node_ids": {"a": 0, "b": 1, "c": 2}}
    series["FX"] = draw.normal(size=(80, 3)).tolist()
    (place / "SERIES.json").write_text(json.dumps(series))
    write_example("graph", place / "MINE")
    (place / "MINE.toml").write_text(fences(ROOT / "docs" / "settings.md", "toml")[0])
    return place


def filled(command: str, folder: Path) -> list[str]:
    """The words of a command, with files and runs in place of capital letters and of runs/..."""
    if kind_of(command) == "data example":  # which makes what the others read
        return shlex.split(command)
    run_of_it = str(folder / NEEDS.get(kind_of(command), ("clips",))[0])
    stands = {
        "RUN": run_of_it,
        "PATH": str(folder / "PATH.npz"),
        "FILE": str(folder / "FILE.npz"),
        "CLIP": "0",
        "GRAPH": "six-node",
    }
    stands |= {
        name: str(folder / name)
        for name in ("BOOK.txt", "SENSORS.csv", "SERIES.json", "MINE.toml", "NUMBERS", "MINE", "EDGES.csv", "PACKED")
    }
    if kind_of(command) in NEEDS:
        stands["runs/six"] = run_of_it
    return [stands.get(word, word) for word in shlex.split(command)]


def prepare(command: str, folder: Path) -> None:
    """Train what a command reads, unless that is there."""
    if kind_of(command) in NEEDS:
        name, training = NEEDS[kind_of(command)]
        if not (folder / name).exists():
            assert run([*filled(training, folder), "--out", str(folder / name), "--quiet"]) == 0


def skip_without_its_data(command: str) -> None:
    places = {"cora": ("Cora", "cora"), "mutag": ("mutag", "MUTAG", "TUDataset/MUTAG"), "jhmdb": ("jhmdb",)}
    for name, paths in places.items():
        if f"--data {name}" in command and find(*paths) is None:
            pytest.skip(f"{name} is not on this disk")


@pytest.mark.parametrize("command", commands())
def test_a_command_runs(command, folder, tmp_path, monkeypatch, capsys):
    skip_without_its_data(command)
    prepare(command, folder)
    monkeypatch.chdir(tmp_path)
    arguments = [*filled(command, folder), *SHORTER[kind_of(command)].split()]
    if kind_of(command) == "runs":
        arguments = ["runs", str(folder)]
    elif "train" in arguments and "--out" in arguments:
        arguments[arguments.index("--out") + 1] = str(tmp_path / "run")
    assert run(arguments) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if fences(page, "python")], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_python_of_a_page_runs(page, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    for block in fences(page, "python"):
        exec(compile(block, str(page), "exec"), module.__dict__)


def test_the_targets_that_are_named_are_in_the_makefile():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:^|`)make (\w+)(?:`|$|  )", text, re.MULTILINE))
    assert {"run", "test", "bench", "docs"} <= named <= targets


def test_every_shortening_is_of_a_command_that_is_named():
    assert {kind_of(command) for command in commands()} == set(SHORTER)


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 120
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), f"{page.relative_to(ROOT)} links to {link}, which is not there"


def test_links_are_links_in_the_site(monkeypatch):
    markdown = pytest.importorskip("markdown")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / ".extensions"))
    html = markdown.markdown("[a](b.md), `c <https://d.e>`_ and $x$", extensions=["tex"])
    assert '<a href="b.md">a</a>' in html and '<a href="https://d.e">c</a>' in html and "<math" in html
