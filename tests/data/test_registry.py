"""The door to every data set: names, recognised paths, and what is said when neither fits."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from graphreel import data
from graphreel.__main__ import run
from graphreel.data.registry import FORMATS, NAMES, DataSet, Format, data_set, load_to_train


def test_importing_data_imports_neither_torch_nor_pyg():
    code = "import sys, data; print([m for m in ('torch', 'torch_geometric', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in data.__all__:
        assert callable(getattr(data, name)) and getattr(data, name).__doc__
    with pytest.raises(AttributeError, match=r"graphreel\.data attribute laod"):
        data.laod  # noqa: B018


@pytest.mark.parametrize(
    "target", sorted({entry.loader for entry in [*NAMES.values(), *(form.data_set for form in FORMATS)]})
)
def test_every_target_is_a_documented_function(target):
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module, "graphreel.data"), name)
    assert callable(function) and function.__doc__


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"unknown data set 'coral': expected one of six-node, karate, .*cora"):
        data.load("coral")
    assert data.names() == list(NAMES)


def test_missing_path():
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nowhere.npz"):
        data.load("/tmp/nowhere.npz")


def test_unrecognised_file(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"?\0")
    with pytest.raises(ValueError, match=r"a.xyz is none of: .*sensor .csv"):
        data.load(tmp_path / "a.xyz")


def test_unknown_option_lists_the_options():
    with pytest.raises(ValueError, match=r"six-node has no option 'speed': it takes none"):
        data.load("six-node", speed=3)
    with pytest.raises(ValueError, match=r"cora has no option 'normalise': it takes normalize_features, "):
        data.load("cora", normalise=True)


def recognised(path: Path) -> str:
    return next(form.description for form in FORMATS if form.recognises(path))


def test_recognisers(tmp_path):
    def made(name: str, text: str = "") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    assert "Planetoid" in recognised(made("plain/ind.toy.graph").parent)
    assert "Planetoid" in recognised(made("pyg/raw/ind.toy.graph").parent.parent)
    assert "videos" in recognised(made("actions/jump/one.AVI").parent.parent)
    assert "graphs" in recognised(made("toy.txt", "2\n3 -1\n0 1 1\n"))
    assert "book" in recognised(made("tale.txt", "Once upon a time\n"))
    assert "book" in recognised(made("numbers.txt", "7\ndwarfs and Snow White\n"))
    assert "keypoint" in recognised(made("clips.npz"))
    assert "sensor" in recognised(made("series.csv"))
    assert "Temporal" in recognised(made("series.json"))


def test_a_data_set_of_another_room_is_named(tmp_path):
    assert data_set("karate", "gnn") == NAMES["karate"]
    with pytest.raises(ValueError, match="karate is data for `graphreel gnn train`, not for `graphreel rnn`"):
        data_set("karate", "rnn")
    (tmp_path / "a.csv").touch()
    assert data_set(tmp_path / "a.csv").kind == "series"
    with pytest.raises(ValueError, match=r"a\.csv is data for `graphreel combined train`, not for `graphreel gnn`"):
        data_set(tmp_path / "a.csv", "gnn")


def test_a_room_takes_a_path_that_fits_formats_of_several(tmp_path, monkeypatch):
    mine = DataSet("gnn", "graph", "my.module:load_mine")
    monkeypatch.setattr("graphreel.data.registry.FORMATS", [*FORMATS, Format("mine", lambda path: True, mine)])
    (tmp_path / "a.csv").touch()
    assert data_set(tmp_path / "a.csv", "gnn") is mine
    assert data_set(tmp_path / "a.csv").room == "combined"


def test_a_loader_and_a_line_are_a_data_set(tmp_path, monkeypatch):
    """As CONTRIBUTING says: every command of its room then trains on it."""
    (tmp_path / "my_graphs.py").write_text(
        "from graphreel.data import load\n\n\ndef load_mine(scale=1.0):\n"
        "    graph = load('karate')\n    graph.x = graph.x * scale\n    return graph\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(NAMES, "mine", DataSet("gnn", "graph", "my_graphs:load_mine", {"scale": 2.0}))
    assert "mine" in data.names()
    assert float(load_to_train("mine").x.sum()) == 2 * float(data.load("mine").x.sum()) > 0
    assert float(load_to_train("mine", scale=3.0).x.sum()) == 3 * float(data.load("mine").x.sum())
    folder = tmp_path / "run"
    assert run(["gnn", "train", "--data", "mine", "--epochs", "2", "--out", str(folder), "--quiet"]) == 0
    assert json.loads((folder / "metrics.json").read_text())["data"] == "mine"
