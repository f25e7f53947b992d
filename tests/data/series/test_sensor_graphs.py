"""The graph between sensors, in every form in which one is written down, matched by the sensors' names."""

import pickle

import numpy as np
import pytest
import torch

from graphreel.data import load
from graphreel.data.match_names import canonical, match_names
from graphreel.data.series.sensor_graphs import correlation_edges


@pytest.fixture
def edges(tmp_path):
    """Write a series of some sensors with an adjacency; return {(source, target): weight} and the notes."""

    def read(adjacency, names=("a", "b", "c"), suffix=".csv", header=True):
        rows = [",".join(names)] * header + [",".join(f"{v:.3f}" for v in row) for row in values(len(names))]
        (tmp_path / "road.csv").write_text("\n".join(rows) + "\n")
        file = tmp_path / f"graph{suffix}"
        if isinstance(adjacency, str):
            file.write_text(adjacency)
        elif adjacency is not None:
            file.write_bytes(adjacency)
        series = load(tmp_path / "road.csv", adjacency=file, lags=4, horizon=2).series
        pairs = zip(*series.edge_index.tolist(), series.edge_weight.tolist(), strict=True)
        return {(series.nodes[s], series.nodes[t]): round(w, 6) for s, t, w in pairs}, series.notes

    return read


def values(nodes):
    return np.random.default_rng(0).normal(size=(60, nodes)).cumsum(0) + 50


@pytest.mark.parametrize(
    ("name", "form"),
    [("North 1", "north1"), ("773869.0", "773869"), ("00773869", "773869"), (" 001 ", "1"), ("0", "0"), ("0.5", "0.5"),
     ("A1", "a1"), ("000", "0")],
)  # fmt: skip
def test_a_name_in_canonical_form(name, form):
    assert canonical(name) == form


def test_names_are_matched_exactly_or_by_their_form_or_refused():
    assert match_names(["b", "a"], ["a", "b"], "it", "series") == [1, 0]
    assert match_names(["A", "a"], ["a", "A"], "it", "series") == [1, 0]  # exact before any other
    assert match_names(["773869.0", "001"], ["1", "773869"], "it", "series") == [1, 0]
    with pytest.raises(ValueError, match="it does not fit: 'x', 'y' are not in road, and it lacks 'b'"):
        match_names(["a", "x", "y"], ["a", "b"], "it", "road")
    assert match_names(["1", "01", "X"], ["x", "01", "1"], "it", "series") == [2, 1, 0]  # the exact ones stand apart
    assert match_names(["u\u0308", "STRASSE"], ["Straße", "Ü"], "it", "series") == [1, 0]
    with pytest.raises(ValueError, match="it does not fit: it lacks 'b', and it names 'a' twice"):
        match_names(["a", "A", "a"], ["a", "A", "b"], "it", "road")
    with pytest.raises(ValueError, match="it cannot be matched: road names both 'A' and 'a'"):
        match_names(["x", "a "], ["A", "a"], "it", "road")
    with pytest.raises(ValueError, match="it does not fit: 'A' is not in road, and it lacks 'b'"):
        match_names(["a", "A"], ["a", "b"], "it", "road")


def test_a_matrix_whose_names_differ_in_form_alone(edges):
    found, notes = edges(",C,A,B\nC,0,1,2\nA,3,0,4\nB,5,6,0\n")
    assert found == {("a", "b"): 4, ("a", "c"): 3, ("b", "a"): 6, ("b", "c"): 5, ("c", "a"): 1, ("c", "b"): 2}
    assert any("names are matched without case, spaces, leading zeros" in note for note in notes)
    found, _ = edges("773870.0,773869\n0,2\n1,0\n", ("773869", "773870"))
    assert found == {("773870", "773869"): 2, ("773869", "773870"): 1}
    with pytest.raises(ValueError, match=r"the adjacency graph.csv does not fit: 'x', 'y' are not in road.csv"):
        edges(",a,x,y\na,0,1,2\nx,3,0,4\ny,5,6,0\n")
    with pytest.raises(ValueError, match=r"the adjacency graph.csv does not fit: it lacks 'c', and it names 'a'"):
        edges(",a,a,b\na,0,1,2\na,3,0,4\nb,5,6,0\n")


def test_a_first_row_of_numbers_that_the_graph_names_is_no_value(edges):
    for text in (
        ",20.0,050,30\n20.0,0,1,2\n050,3,0,4\n30,5,6,0\n",
        "20,50,30\n0,1,2\n3,0,4\n5,6,0\n",
        "source,target,weight\n20,50,1\n20,30,2\n50,20,3\n50,30,4\n30,20,5\n30,50,6\n",
    ):
        found, notes = edges(text, ("20", "50", "030"))
        assert found["20", "030"] == 2 and found["030", "20"] == 5
        assert any("taken for names, which its graph knows" in note for note in notes)
    found, notes = edges("0,1,2\n3,0,4\n5,6,0\n", ("20", "50", "30"))
    assert ("0", "1") in found and any("taken for values" in note for note in notes)


def test_sensors_called_as_coordinates_or_ends_are(edges):
    assert edges(",x,y\nx,0,2\ny,1,0\n", ("y", "x"))[0] == {("x", "y"): 2, ("y", "x"): 1}
    assert edges(",from,to\nfrom,0,2\nto,1,0\n", ("to", "from"))[0] == {("from", "to"): 2, ("to", "from"): 1}


def test_a_matrix_numbered_from_0_says_so_or_is_refused(edges):
    found, notes = edges(",0,1\n0,0,2\n1,1,0\n", ("a", "b"))
    assert found == {("a", "b"): 2, ("b", "a"): 1} and any("numbers the sensors in the order" in n for n in notes)
    with pytest.raises(ValueError, match=r"'0' is not in road.csv, and it lacks '2'"):
        edges(",0,1\n0,0,2\n1,1,0\n", ("1", "2"))


@pytest.mark.parametrize(
    "text",
    [
        "source,target,weight\na,b,1.5\nb,c,2\nc,a,0.5\n",
        "from;to;weight\nA;B;1,5\nB;C;2\nC;A;0,5\n",
        "weight\tdst\tsrc\n1.5\tb\ta\n2\tc\tb\n0.5\ta\tc\n",
        "a,b,1.5\nb,c,2\nc,a,0.5\n",
        "source,target,weight\n0,1,1.5\n1,2,2\n2,0,0.5\n",
    ],
)
def test_a_list_of_edges(edges, text):
    assert edges(text)[0] == {("a", "b"): 1.5, ("b", "c"): 2, ("c", "a"): 0.5}


def test_bad_lists_are_named(edges):
    with pytest.raises(ValueError, match=r"the adjacency graph.csv does not fit: 'z' is not in road.csv"):
        edges("source,target\na,z\n")
    with pytest.raises(ValueError, match=r"the adjacency graph.csv holds the weight -1: expected none below 0"):
        edges("source,target,weight\na,b,-1\n")
    with pytest.raises(ValueError, match=r"row 2, column 3 of graph.csv holds 'far': expected a number"):
        edges("source,target,weight\na,b,far\na,c,1\nb,c,2\n")
    with pytest.raises(ValueError, match=r"the adjacency graph.csv is 3 x 3, but road.csv has 4 nodes"):
        edges("0,1,0\n0,0,1\n1,0,0\n", ("a", "b", "c", "d"))
    assert edges("source,target\na,b\n")[0] == {("a", "b"): 1}


def test_distances_become_weights_as_in_dcrnn(edges):
    distances = np.array([100.0, 250.0, 900.0, 0.0])
    text = "from,to,cost\na,b,100\nb,c,250\nc,a,900\na,a,0\n"
    found, notes = edges(text)
    weights = np.exp(-((distances / distances.std()) ** 2))
    assert weights[2] < 0.1 < weights[1]
    assert found == pytest.approx({("a", "b"): weights[0], ("b", "c"): weights[1], ("a", "a"): weights[3]}, abs=1e-6)
    assert any("of which 3 of 4 are at least 0.1" in note for note in notes)


def test_coordinates_give_edges_from_the_nearest(edges):
    found, notes = edges("sensor,lat,lon\nb,52.0,13.1\na,52.0,13.0\nc,48.0,2.0\n")
    assert ("b", "a") in found and ("a", "b") in found and found["a", "b"] > 0.9
    assert any("holds coordinates" in note for note in notes)
    flat, _ = edges("x,y\n0,0\n3,4\n300,400\n")
    assert flat["a", "b"] == flat["b", "a"] == pytest.approx(np.exp(-((5 / np.std([5, 500, 5, 495, 500, 495])) ** 2)))


def test_arrays_and_the_pickle_of_dcrnn(edges, tmp_path):
    matrix = np.array([[0, 1, 0], [0, 0, 2], [0, 0, 0.0]])
    np.save(tmp_path / "graph.npy", matrix)
    assert edges(None, suffix=".npy")[0] == {("a", "b"): 1, ("b", "c"): 2}
    found, _ = edges(pickle.dumps([["c", "b", "a"], {"c": 0}, matrix], protocol=2), suffix=".pkl")
    assert found == {("c", "b"): 1, ("b", "a"): 2}
    with pytest.raises(ValueError, match=r"graph.pkl is refused: it asks for"):
        edges(pickle.dumps([print, 1, 2]), suffix=".pkl")


def test_what_lies_beside_is_found(tmp_path):
    path = tmp_path / "road_speed.csv"
    path.write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in values(2)) + "\n")
    for name, text in (
        ("road_coordinates.csv", "x,y\n0,0\n1,1\n"),
        ("road_distances.csv", "from,to,distance\na,b,0\n"),
        ("road_edges.csv", "source,target,weight\na,b,7\n"),
        ("road_adj.csv", "0,0\n3,0\n"),
    ):
        (tmp_path / name).write_text(text)
        found = load(path, lags=4, horizon=2).series
        weight = {"road_distances.csv": 1.0, "road_edges.csv": 7.0, "road_adj.csv": 3.0}.get(name)
        assert found.edge_source == "file" and (weight is None or found.edge_weight.tolist() == [weight])
    assert load(path, lags=4, horizon=2, adjacency="none").series.edge_index.shape == (2, 0)


def test_correlation_is_that_of_the_training_part(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 2)).cumsum(0)
    columns = np.stack([base[:, 0], base[:, 0] + 0.1 * rng.normal(size=200), base[:, 1]], axis=1)
    columns[150:, 1] = rng.normal(size=50).cumsum()
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n" + "\n".join(",".join(f"{v:.5f}" for v in row) for row in columns) + "\n")
    splits = load(path, lags=4, horizon=2, train_fraction=0.75)
    stop = splits.train.stop + 4 + 2 - 1
    expected = np.corrcoef(np.diff(np.round(columns[:stop], 5), axis=0).T)
    assert sorted(map(tuple, splits.series.edge_index.t().tolist())) == [(0, 1), (1, 0)]
    assert splits.series.edge_weight.tolist() == pytest.approx([expected[0, 1]] * 2, abs=1e-6)
    assert torch.equal(splits.test.batch().edge_index, splits.series.edge_index)
    assert splits.series.edge_source == "correlation"
    columns[3, 0] = np.nan
    assert correlation_edges(columns[:stop])[0].tolist() == [[1, 0], [0, 1]]
