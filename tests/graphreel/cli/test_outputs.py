"""--out writes over no file of a run, and over none that is read."""

import json
import os
import shutil
from pathlib import Path

import pytest

from graphreel.cli.outputs import OF_A_RUN, check_picture

RUNS = Path(__file__).parents[2] / "golden" / "runs"


@pytest.fixture
def run(tmp_path):
    return Path(shutil.copytree(RUNS / "nodes-gat", tmp_path / "run"))


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["gnn", "attention", "RUN"], "config.png"),
        (["gnn", "attention", "RUN"], "curves.png"),
        (["gnn", "attention", "RUN"], "metrics.svg"),
        (["gnn", "attention", "RUN"], "Config.PNG"),
        (["rnn", "gradients"], "config.png"),
        (["rnn", "gates", "TASK"], "curves.png"),
        (["combined", "predict", "SERIES", "sensors.csv"], "history.png"),
        (["combined", "backtest", "SERIES", "sensors.csv"], "history.csv"),
        (["combined", "attention", "CLIPS", "0"], "config.gif"),
    ],
)
def test_the_files_of_a_run_stay(run, said, monkeypatch, command, name):
    for word, kind in (("TASK", "task-lstm"), ("SERIES", "series-csv"), ("CLIPS", "clips-keypoints")):
        shutil.copytree(RUNS / kind, run.parent / word)
    (run.parent / "sensors.csv").write_text("a\n1\n")
    monkeypatch.chdir(run.parent)
    before = content(run)
    folder = {"RUN": "run"}
    code, out, error = said(*(folder.get(word, word) for word in command), "--out", Path("run") / name)
    assert (code, out) == (2, "") and error.count("\n") == 1
    assert f"--out would write over run/{Path(name).stem}" in error and "a file of the run in run" in error
    assert content(run) == before


def test_links_lead_to_the_same_file(run):
    os.symlink(run / "config.json", run.parent / "a.json")
    with pytest.raises(ValueError, match="a file of the run in"):
        check_picture(run.parent / "a.png", [".json"])
    os.link(run / "metrics.json" if (run / "metrics.json").exists() else run / "history.csv", run.parent / "b.csv")
    with pytest.raises(ValueError, match=r"--out would write over .*b.csv, which is read"):
        check_picture(run.parent / "b.png", [".csv"], run=run)


def test_what_a_run_was_trained_on_stays(run, monkeypatch):
    monkeypatch.chdir(run.parent)
    (run.parent / "sensors.csv").write_text("a\n1\n")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "data": "sensors.csv"}))
    with pytest.raises(ValueError, match=r"--out would write over sensors.csv, which is read"):
        check_picture(Path("sensors.png"), [".csv"], run=run)
    check_picture(Path("other.png"), [".csv"], run=run)


def test_a_folder_or_another_kind_of_file_is_refused(run):
    with pytest.raises(ValueError, match="--out expects a file, got the folder"):
        check_picture(run)
    with pytest.raises(ValueError, match=r"--out expects a .png, .svg or .pdf, got a.txt"):
        check_picture(run / "a.txt", suffixes=(".png", ".svg", ".pdf"))
    for name in OF_A_RUN:
        check_picture(run.parent / Path(name).with_suffix(".png"))


@pytest.mark.parametrize(
    "command",
    [
        ["gnn", "train", "--data", "six-node"],
        ["rnn", "train", "--data", "palindrome"],
        ["combined", "compare", "--data", "digits"],
        ["rnn", "gradients"],
        ["report"],
    ],
)
def test_an_empty_out_is_refused(said, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    code, _, error = said(*command, "--out", "")
    assert code == 2 and "'--out': expects a path, got an empty one" in error
    assert list(tmp_path.iterdir()) == []
