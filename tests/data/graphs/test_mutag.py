"""Graph classification: the text format, TUDataset's raw files, and the folds."""

import os
import socket
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import TUDataset
from torch_geometric.io import read_tu_data
from torch_geometric.loader import DataLoader

from graphreel import data
from graphreel.data.data_dirs import cache_folder
from graphreel.data.graphs.graph_dataset import GraphDataset

TEXT = "2\n3 2\n2 1 1\n6 2 0 2\n2 1 1\n2 0\n5 1 1\n2 1 0\n"  # C-O-C, mutagenic; N-C, not


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_tu(folder: Path) -> Path:
    """The graphs of TEXT in TUDataset's files."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "A": "1, 2\n2, 1\n2, 3\n3, 2\n4, 5\n5, 4\n",
        "graph_indicator": "1\n1\n1\n2\n2\n",
        "graph_labels": "1\n-1\n",
        "node_labels": "0\n2\n0\n1\n0\n",
        "edge_labels": "0\n0\n0\n0\n1\n1\n",
    }
    for name, text in columns.items():
        (folder / f"MUTAG_{name}.txt").write_text(text)
    return folder


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in ("x", "edge_index", "y"))


def test_text_and_tu_files_give_the_same_graphs(tmp_path, monkeypatch):
    (tmp_path / "a/mutag").mkdir(parents=True)
    (tmp_path / "a/mutag/MUTAG.txt").write_text(TEXT)
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path / "a"))
    text = data.load("mutag")
    folder = write_tu(tmp_path / "b/MUTAG/raw")
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path / "b"))
    tu = data.load("mutag")
    assert len(text) == len(tu) == 2 and all(map(same, text, tu))
    assert [text.feature_names[column] for column in text[0].x.argmax(1)] == ["C", "O", "C"]
    assert text[0].edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert [text.class_names[label] for label in text.y] == ["mutagenic", "not mutagenic"]
    theirs, slices, _ = read_tu_data(str(folder), "MUTAG")
    assert torch.equal(theirs.y, tu.y)
    assert torch.equal(theirs.edge_index[:, : slices["edge_index"][1]], tu[0].edge_index)


@pytest.mark.skipif(
    not (Path(os.environ.get("GRAPHREEL_DATA", "/nowhere")) / "mutag/MUTAG.txt").is_file(),
    reason="$GRAPHREEL_DATA/mutag/MUTAG.txt is missing",
)
def test_the_real_file():
    molecules = data.load("mutag")
    assert len(molecules) == 188 and molecules.num_features == 7 and molecules.num_classes == 2
    assert molecules.y.bincount().tolist() == [63, 125]
    atoms = sum(graph.x.sum(0) for graph in molecules)
    assert dict(zip(molecules.feature_names, atoms.tolist(), strict=True)) == {
        "C": 2395, "N": 345, "O": 593, "F": 12, "I": 1, "Cl": 23, "Br": 2
    }  # fmt: skip
    assert sum(graph.num_edges for graph in molecules) == 7442 and all(graph.is_undirected() for graph in molecules)
    by_path = data.load(os.path.join(os.environ["GRAPHREEL_DATA"], "mutag", "MUTAG.txt"))
    assert len(by_path) == 188 and by_path.feature_names == [f"tag {tag}" for tag in range(7)]


def test_a_folder_that_holds_a_file_of_graphs_is_read_as_the_file(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "TOY.txt").write_text(TEXT)
    (tmp_path / "toy" / "readme.txt").write_text("Molecules.\n")
    assert len(data.load(tmp_path / "toy")) == 2 and data.load(tmp_path / "toy").name == "TOY"


def test_numbers_behind_the_neighbours_are_features(tmp_path):
    (tmp_path / "toy.txt").write_text("2\n2 0\n4 1 1 0.5 -2\n5 1 0 1e1 3\n1 1\n4 0 7 8\n")
    graphs = data.load(tmp_path / "toy.txt")
    assert graphs.feature_names == ["tag 4", "tag 5", "attribute 0", "attribute 1"]
    assert graphs[0].x.tolist() == [[1, 0, 0.5, -2], [0, 1, 10, 3]] and graphs[1].x.tolist() == [[1, 0, 7, 8]]


def test_any_file_of_graphs(tmp_path):
    (tmp_path / "toy.txt").write_text("3\n1 -5\n9 0\n2 7\n1 1 1\n9 1 0\n1 9\n1 0\n")
    graphs = data.load(tmp_path / "toy.txt")
    assert (graphs.name, graphs.class_names, graphs.feature_names) == ("toy", ["-5", "7", "9"], ["tag 1", "tag 9"])
    assert graphs[1].x.tolist() == [[1, 0], [0, 1]] and graphs[2].num_edges == 0
    batch = next(iter(DataLoader(graphs, batch_size=3)))
    assert batch.num_graphs == 3 and batch.y.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2\n1 0\n1 0\n", r"toy.txt, line 4: expected 2 or more whole numbers, got"),
        ("1\n2 0\n1 1 1\n1 1 2\n", r"line 4: expected 1 neighbours in 0\.\.1, got \[2\]"),
        ("1\n2 0\n1 2 1\n1 0\n", r"line 3: expected 2 neighbours in 0\.\.1, got \[1\]"),
        ("1\n0 1\n", r"line 2: expected a graph of 1 or more nodes, got 0"),
        ("1\n1 0\n1 -1\n", r"line 3: expected -1 neighbours in 0\.\.0, got \[\]"),
        ("1\n1 0\nC 0\n", r"line 3: expected 2 or more whole numbers, got 'C 0'"),
        ("0\n1 0\n", r"toy.txt holds no graphs"),
    ],
)
def test_bad_files_are_named_by_line(tmp_path, text, sentence):
    (tmp_path / "toy.txt").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        data.load(tmp_path / "toy.txt")


def test_a_file_of_other_atoms_is_not_mutag(tmp_path, monkeypatch):
    (tmp_path / "MUTAG.txt").write_text(TEXT.replace("6 2 0 2", "9 2 0 2"))
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"MUTAG.txt has tags .*9.*expected"):
        data.load("mutag")


def test_bad_tu_files(tmp_path, monkeypatch):
    folder = write_tu(tmp_path / "MUTAG/raw")
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    (folder / "MUTAG_graph_labels.txt").write_text("1\n")
    with pytest.raises(ValueError, match="is inconsistent: 5 nodes, 5 in 1 graphs"):
        data.load("mutag")
    (folder / "MUTAG_node_labels.txt").write_text("C\n")
    with pytest.raises(ValueError, match=r"MUTAG_node_labels.txt is damaged"):
        data.load("mutag")
    (folder / "MUTAG_node_labels.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks MUTAG_node_labels.txt"):
        data.load("mutag")


def test_without_network_and_with(tmp_path, monkeypatch):
    def unreachable(address, timeout):
        raise OSError("Network is unreachable")

    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.setattr("socket.create_connection", unreachable)
    with pytest.raises(FileNotFoundError, match=r"mutag needs mutag/MUTAG.txt.*put them .*or use digits"):
        data.load("mutag")
    monkeypatch.setattr("socket.create_connection", lambda *args, **kwargs: socket.socket())
    monkeypatch.setattr(TUDataset, "download", lambda self: write_tu(Path(self.raw_dir)))
    monkeypatch.setattr(TUDataset, "process", lambda self: pytest.fail("parsed by PyG"))
    assert len(data.load("mutag")) == 2
    assert [path.name for path in (cache_folder() / "MUTAG").iterdir()] == ["raw"]


def toy_dataset(size: int) -> GraphDataset:
    graphs = [Data(x=torch.zeros(1, 1), y=torch.tensor([int(place % 3 == 0)])) for place in range(size)]
    return GraphDataset(graphs, "toy", ["a", "b"])


@pytest.mark.parametrize(("size", "num_folds"), [(188, 10), (31, 3), (12, 12)])
def test_folds_are_stratified_and_cover_everything_once(size, num_folds):
    dataset = toy_dataset(size)
    folds = list(dataset.folds(num_folds, seed=5))
    assert len(folds) == num_folds
    assert torch.cat([test for _, _, test in folds]).sort().values.tolist() == list(range(size))
    counts = torch.stack([dataset.y[test].bincount(minlength=2) for _, _, test in folds])
    assert (counts.max(0).values - counts.min(0).values <= 1).all()
    for parts in folds:
        assert torch.cat(parts).sort().values.tolist() == list(range(size))
    again, other = list(dataset.folds(num_folds, seed=5)), list(dataset.folds(num_folds, seed=6))
    assert all(torch.equal(a[2], b[2]) for a, b in zip(folds, again, strict=True))
    assert not all(torch.equal(a[2], b[2]) for a, b in zip(folds, other, strict=True))


def test_folds_out_of_range_and_indexing():
    dataset = toy_dataset(5)
    with pytest.raises(ValueError, match="num_folds is 6, expected 3 to 5"):
        next(dataset.folds(6))
    mask = torch.tensor([True, False, False, False, True])
    assert dataset[mask] == [dataset[0], dataset[4]] == dataset[torch.tensor([0, 4])] == dataset[[0, -1]]
    assert dataset[1:3] == dataset.graphs[1:3] and len(list(dataset)) == 5


def test_a_folder_is_read_as_the_file_in_it_and_one_tag_says_nothing(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.txt").write_text("2\n3 7\n1 1 1\n1 2 0 2\n1 1 1\n2 4\n1 0\n1 0\n")
    graphs = data.load(tmp_path / "toy")
    assert graphs.name == "toy" and graphs.class_names == ["4", "7"] and graphs.y.tolist() == [1, 0]
    assert graphs[0].x.argmax(1).tolist() == [1, 2, 1] and graphs[1].x.argmax(1).tolist() == [0, 0]
    assert "toy has no features: the nodes' degrees" in graphs.notes[0]


def test_a_file_that_is_no_utf8_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    (tmp_path / "toy.txt").write_bytes(b"1\n1 0\n1 0 \xff\n")
    with pytest.raises(ValueError, match=r"toy.txt is not UTF-8, byte 0xff at 10 \(line 3\)"):
        data.load(tmp_path / "toy.txt")
