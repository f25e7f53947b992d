"""The README's commands and its Python, run as they stand there; trainings are cut short by the options below."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from graphreel.__main__ import run
from graphreel.data.data_dirs import find

README = Path(__file__).parents[1] / "README.md"

# what shortens a command: nothing for those that take seconds
SHORTER = {
    "gnn train --data six-node": "",
    "gnn train --data cora": "--epochs 2 --seeds 1",
    "gnn train --data imports": "--epochs 2 --seeds 1",
    "gnn train --data mutag": "--epochs 1",
    "gnn attention": "",
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
    "combined attention": "",
    "report --quick": "--only Q1.2",
    "runs": "",
}


def _commands() -> list[str]:
    text = README.read_text(encoding="utf-8")
    in_the_table = re.findall(r"^\| `graphreel ([^`]+)` \|", text, re.MULTILINE)
    return list(dict.fromkeys(in_the_table + re.findall(r"^    graphreel (.+)$", text, re.MULTILINE)))


def _kind(command: str) -> str:
    for kind in sorted(SHORTER, key=len, reverse=True):
        if command.startswith(kind):
            return kind
    raise AssertionError(f"the README has a command that is not tested: graphreel {command}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that holds what the README's capital letters stand for."""
    place = tmp_path_factory.mktemp("readme")
    (place / "BOOK.txt").write_text("Sleeping beauty is asleep in a castle, and the castle is asleep as well. " * 40)
    draw = np.random.default_rng(0)
    keypoints = draw.normal(size=(12 * 6, 15, 2))
    np.savez(place / "PATH.npz", keypoints=keypoints, lengths=np.full(12, 6), labels=np.arange(12) % 2)
    np.savez(place / "FILE.npz", keypoints=keypoints[:6], lengths=[6])
    np.savetxt(place / "SENSORS.csv", draw.normal(size=(80, 3)).cumsum(0), delimiter=",")
    np.savetxt(place / "SENSORS_adj.csv", 1 - np.eye(3), delimiter=",")
    series = {"edges": [[0, 1], [1, 2], [2, 0]], "node_ids": {"a": 0, "b": 1, "c": 2}}
    series["FX"] = draw.normal(size=(80, 3)).tolist()
    (place / "SERIES.json").write_text(json.dumps(series))
    return place


def _filled(command: str, folder: Path) -> list[str]:
    runs = {"gnn attention": "six-node", "rnn gates": "book", "rnn generate": "book"}
    stands = {"RUN": str(folder / runs.get(_kind(command), "clips")), "PATH": str(folder / "PATH.npz")}
    stands |= {"FILE": str(folder / "FILE.npz"), "CLIP": "0"}
    stands |= {name: str(folder / name) for name in ("BOOK.txt", "SENSORS.csv", "SERIES.json")}
    return [stands.get(word, word) for word in shlex.split(command)]


def _prepare(command: str, folder: Path) -> None:
    """Train what a command reads, unless that is there."""
    needs = {
        "gnn attention": ("six-node", "gnn train --data six-node --model gat --epochs 5"),
        "rnn gates": ("book", "rnn train --data BOOK.txt --steps 3 --hidden 8 --batch-size 4"),
        "rnn generate": ("book", "rnn train --data BOOK.txt --steps 3 --hidden 8 --batch-size 4"),
        "combined predict": ("clips", "combined train --data PATH --epochs 1"),
        "combined attention": ("clips", "combined train --data PATH --epochs 1"),
    }
    if _kind(command) not in needs:
        return
    name, training = needs[_kind(command)]
    if not (folder / name).exists():
        assert run([*_filled(training, folder), "--out", str(folder / name), "--quiet"]) == 0


def _skip_without_its_data(command: str) -> None:
    places = {"cora": ("Cora", "cora"), "mutag": ("mutag", "MUTAG", "TUDataset/MUTAG"), "jhmdb": ("jhmdb",)}
    for name, paths in places.items():
        if f"--data {name}" in command and find(*paths) is None:
            pytest.skip(f"{name} is not on this disk")


@pytest.mark.parametrize("command", _commands())
def test_a_command_of_the_readme_runs(command, folder, tmp_path, monkeypatch, capsys):
    _skip_without_its_data(command)
    _prepare(command, folder)
    monkeypatch.chdir(tmp_path)
    arguments = [*_filled(command, folder), *SHORTER[_kind(command)].split()]
    if command == "runs":
        arguments.append(str(folder))
    if command.startswith("combined train --data PATH"):
        arguments[arguments.index("--out") + 1] = str(tmp_path / "run")
    assert run(arguments) == 0
    assert capsys.readouterr().out.strip()


def test_the_python_of_the_readme_runs():
    text = README.read_text(encoding="utf-8").split("## In Python")[1]
    lines = re.match(r"\s*\n((?:    .*\n|\n)+)", text)
    assert lines is not None
    code = re.sub(r"^    ", "", lines[1], flags=re.MULTILINE)
    known = {"x": torch.randn(3, 5, 64), "lengths": torch.tensor([5, 2, 4])}
    exec(code, known)
    assert known["output"].shape == (3, 5, 256)


def test_the_targets_of_the_readme_are_in_the_makefile():
    targets = set(re.findall(r"^(\w+):", (README.parent / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake (run|test|lint|bench|clean)\b", README.read_text(encoding="utf-8")))
    assert named <= targets
    assert {"run", "test"} <= named


def test_every_shortening_is_of_a_command_in_the_readme():
    assert {_kind(command) for command in _commands()} == set(SHORTER)
