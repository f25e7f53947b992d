"""An example of every kind of data is read, described and trained on."""

import csv
import json

import pytest

from graphreel.__main__ import run
from graphreel.data.describe_data import describe_data
from graphreel.data.examples import EXAMPLES, write_example

TRAINED = {
    "graph": ("gnn", "--epochs", "2", "2 classes: "),
    "graphs": ("gnn", "--epochs", "1", "40 graphs of 4 to 9 nodes"),
    "series": ("combined", "--epochs", "1", "480 steps, 2024-01-01 to "),
    "clips": ("combined", "--epochs", "1", "parts: 2"),
    "videos": ("combined", "--epochs", "1", "3 classes: circle"),
    "text": ("rnn", "--steps", "2", "characters"),
    "sequences": ("rnn", "--steps", "2", "120 sequences of "),
}
TRAINED |= {"graph-ogb": TRAINED["graph"], "graph-tu": TRAINED["graphs"], "graph-classes": TRAINED["graphs"]}


@pytest.mark.parametrize(("kind", "suffix"), [(kind, suffix) for kind in EXAMPLES for suffix in EXAMPLES[kind]])
def test_an_example_goes_from_its_file_to_a_run(tmp_path, capsys, kind, suffix):
    room, flag, count, words = TRAINED[kind]
    path = tmp_path / f"mine{suffix}"
    assert run(["data", "example", kind, "--out", str(path)]) == 0
    assert capsys.readouterr().out.split()[0].startswith(str(path))
    assert run(["data", "describe", str(path)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == describe_data(path) and f"graphreel {room} train" in told and words in told
    out = tmp_path / "run"
    train = [room, "train", "--data", str(path), flag, count, "--out", str(out), "--quiet"]
    assert run([*train, *(["--seeds", "1", "--members", "1"] if room == "gnn" else [])]) == 0
    assert json.loads((out / "metrics.json").read_text())["parameters"] > 0
    if room == "rnn":
        assert run(["rnn", "predict", str(out), str(path)]) == 0
        said = "bits per character" if kind == "text" else "of 120 that have a label are right"
        assert said in capsys.readouterr().out
        assert kind == "text" or len((out / "predictions.csv").read_text().splitlines()) == 121
    if room == "gnn":
        assert run(["gnn", "predict", str(out), str(path)]) == 0
        rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
        what = "node" if "60 nodes" in told else "graph"
        assert len(rows) == (60 if what == "node" else 40) and f"{len(rows)} {what}s: " in capsys.readouterr().out
        classes = [title[2:-1] for title in rows[0] if title.startswith("p(")]
        for row in rows:
            shares = [float(row[f"p({name})"]) for name in classes]
            assert sum(shares) == pytest.approx(1, abs=1e-4) and row["class"] == classes[shares.index(max(shares))]


def test_examples_go_to_new_places_alone(tmp_path):
    write_example("text", tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"a.txt is there already: an example goes to a new place"):
        write_example("text", tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"an example of series goes to a .csv, got a.xls"):
        write_example("series", tmp_path / "a.xls")
    with pytest.raises(ValueError, match=r"KIND expects one of graph, graphs, .*, sequences, got 'song'"):
        write_example("song", tmp_path / "a")
