"""A trained graph network says something of graphs that it has not seen: names kept, columns matched, gaps refused."""

import csv

import numpy as np
import pytest

from graphreel.__main__ import run
from graphreel.data.examples import write_example


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clubs")
    nodes, _ = write_example("graph", folder / "mine")
    rows = [line.split(",") for line in nodes.read_text().splitlines()]
    towns = [[*row, "town" if not place else ("Ulm", "Jena")[place % 2]] for place, row in enumerate(rows)]
    nodes.write_text("\n".join(",".join(row) for row in towns) + "\n")
    command = ["gnn", "train", "--data", str(folder / "mine"), "--epochs", "3", "--out", str(folder / "run"), "--quiet"]
    assert run(command) == 0
    return folder


def new_graph(folder, nodes, edges="source,target,weight\nzoe,yan,1\n"):
    folder.mkdir()
    (folder / "nodes.csv").write_text(nodes)
    (folder / "edges.csv").write_text(edges)
    return str(folder)


def test_new_people_without_labels(trained, tmp_path, capsys):
    new = new_graph(tmp_path / "new", "id,height,town,age\nzoe,180,Ulm,30\nyan,175,Bonn,40\n")
    assert run(["gnn", "predict", str(trained / "run"), new, "--out", str(tmp_path / "p.csv")]) == 0
    told = capsys.readouterr().out
    assert "height, town=Bonn did not come in training and is left out" in told and "2 nodes: " in told
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert [row["node"] for row in rows] == ["zoe", "yan"] and list(rows[0])[2:] == ["p(chess)", "p(rowing)"]
    # the same people in another order of rows and columns have the same probabilities
    again = new_graph(tmp_path / "again", "town,age,id\nBonn,40,yan\nUlm,30,zoe\n")
    assert run(["gnn", "predict", str(trained / "run"), again, "--out", str(tmp_path / "q.csv")]) == 0
    swapped = list(csv.DictReader((tmp_path / "q.csv").read_text().splitlines()))
    assert float(swapped[1]["p(chess)"]) == pytest.approx(float(rows[0]["p(chess)"]), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "RUN", "NEW"], "the graph lacks age, on which the run was trained"),
        (["predict", "RUN", "alkanes"], "alkanes is a set of graphs, but the run was trained on the nodes of one"),
        (["predict", "RUN", "MINE", "--out", "MINE/nodes.csv"], "nodes.csv, which is read: choose another name"),
        (["embed", "RUN", "--out", "a.png"], "--out expects a .csv or .npy, got a.png"),
    ],
)
def test_what_does_not_fit_is_refused(trained, tmp_path, capsys, arguments, sentence):
    new = new_graph(tmp_path / "new", "id,town\nzoe,Ulm\nyan,Ulm\n")
    for word, place in (("RUN", trained / "run"), ("NEW", new), ("MINE", trained / "mine")):
        arguments = [one.replace(word, str(place)) for one in arguments]
    assert run(["gnn", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_hidden_features_as_a_table_or_an_array(trained, tmp_path):
    for name in ("e.csv", "e.npy"):
        assert run(["gnn", "embed", str(trained / "run"), "--out", str(tmp_path / name)]) == 0
    rows = list(csv.reader((tmp_path / "e.csv").read_text().splitlines()))
    array = np.load(tmp_path / "e.npy")
    assert array.shape == (60, 64) and len(rows) == 61 and rows[1][0] == "person 0"
    np.testing.assert_allclose(np.array([row[1:] for row in rows[1:]], dtype=float), array, rtol=1e-5)
