"""The door to every data set: names, recognised paths, and what is said when neither fits."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from graphreel import data
from graphreel.data.registry import FORMATS, NAMES


def test_importing_data_imports_neither_torch_nor_pyg():
    code = "import sys, data; print([m for m in ('torch', 'torch_geometric', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in data.__all__:
        assert callable(getattr(data, name)) and getattr(data, name).__doc__
    with pytest.raises(AttributeError, match=r"graphreel\.data attribute laod"):
        data.laod  # noqa: B018


@pytest.mark.parametrize("target", sorted({*NAMES.values(), *(form.loader for form in FORMATS)}))
def test_every_target_is_a_documented_function(target):
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    assert callable(function) and function.__doc__


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"unknown data set 'coral': expected one of six-node, karate, .*cora"):
        data.load("coral")
    assert data.names() == list(NAMES)


def test_missing_path():
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nowhere.npz"):
        data.load("/tmp/nowhere.npz")


def test_unrecognised_file(tmp_path):
    (tmp_path / "a.xyz").write_text("?")
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
