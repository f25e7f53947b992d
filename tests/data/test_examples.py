"""An example of every kind of data is read, described and trained on."""

import json

import pytest

from graphreel.__main__ import run
from graphreel.data.describe_data import describe_data
from graphreel.data.examples import EXAMPLES, write_example

TRAINED = {
    "graph": ("gnn", "--epochs", "2", "2 classes: chess 30, rowing 30"),
    "graphs": ("gnn", "--epochs", "2", "40 graphs of 4 to 9 nodes"),
    "series": ("combined", "--epochs", "1", "480 steps, 2024-01-01T00:00:00"),
    "clips": ("combined", "--epochs", "1", "parts: 2"),
    "text": ("rnn", "--steps", "2", "characters"),
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_an_example_goes_from_its_file_to_a_run(tmp_path, capsys, kind):
    room, flag, count, words = TRAINED[kind]
    path = tmp_path / f"mine{EXAMPLES[kind][0]}"
    assert run(["data", "example", kind, "--out", str(path)]) == 0
    assert capsys.readouterr().out.split()[0].startswith(str(path))
    assert run(["data", "describe", str(path)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == describe_data(path) and f"graphreel {room} train" in told and words in told
    out = tmp_path / "run"
    assert run([room, "train", "--data", str(path), flag, count, "--out", str(out), "--quiet"]) == 0
    assert json.loads((out / "metrics.json").read_text())["parameters"] > 0


def test_examples_go_to_new_places_alone(tmp_path):
    write_example("text", tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"a.txt is there already: an example goes to a new place"):
        write_example("text", tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"an example of series goes to a .csv, got a.xls"):
        write_example("series", tmp_path / "a.xls")
    with pytest.raises(ValueError, match="KIND expects one of graph, graphs, series, clips, text, got 'song'"):
        write_example("song", tmp_path / "a")
