"""Graphs as people own them: tables, networkx's files, PyG's Data and OGB's folders, read, completed and refused."""

import gzip
import json

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphreel.__main__ import run
from graphreel.data import load
from graphreel.data.graphs.graph_dataset import GraphDataset
from graphreel.data.registry import data_set

NODES = (
    "id,label,age,town,split\nann,cat,30,Ulm,train\nbob,dog,41.5,Ulm,val\ncid,cat,,Jena,test\ndot,dog,8,Jena,train\n"
)
EDGES = "source,target,weight\nann,bob,1.5\nbob,cid,2\ncid,ann,0.5\ndot,ann,1\n"


def tables(folder, nodes=NODES, edges=EDGES):
    (folder / "pets_nodes.csv").write_text(nodes)
    (folder / "pets_edges.csv").write_text(edges)
    return folder / "pets_edges.csv"


def said(graph, words):
    return any(words in note for note in graph.notes)


def test_tables_of_edges_and_nodes(tmp_path):
    graph = load(tables(tmp_path))
    assert graph.node_names == ["ann", "bob", "cid", "dot"] and graph.class_names == ["cat", "dog"]
    assert graph.edge_index.tolist() == [[0, 1, 2, 3], [1, 2, 0, 0]] and graph.edge_weight.tolist() == [1.5, 2, 0.5, 1]
    assert graph.y.tolist() == [0, 1, 0, 1] and graph.feature_names == ["age", "town=Jena", "town=Ulm"]
    assert graph.x.tolist() == [[30, 0, 1], [41.5, 0, 1], [0, 1, 0], [8, 1, 0]]
    assert [graph[f"{part}_mask"].nonzero().flatten().tolist() for part in ("train", "val", "test")] == [
        [0, 3],
        [1],
        [2],
    ]
    assert said(graph, "1 missing values of age are read as 0")
    assert data_set(tmp_path / "pets_edges.csv").room == "gnn"


def test_features_that_single_precision_does_not_tell_apart_are_said(tmp_path):
    nodes = "id,label,when\n" + "".join(f"n{i},{i % 2},{1.7e9 + 10 * i}\n" for i in range(40))
    edges = "source,target\n" + "".join(f"n{i},n{(i + 1) % 40}\n" for i in range(40))
    graph = load(tables(tmp_path, nodes, edges))
    assert graph.x.dtype == torch.float32 and said(graph, "of 40 values of when single precision keeps 4: subtract an")
    torch.save(Data(x=torch.arange(40.0)[:, None].double() + 1e9, edge_index=graph.edge_index), tmp_path / "own.pt")
    assert said(load(tmp_path / "own.pt"), "of 40 values of feature 0 single precision keeps 2")
    near = load(tables(tmp_path, nodes.replace("17000", "0"), edges))
    assert not said(near, "single precision")


def test_missing_parts_are_made_and_said(tmp_path):
    rows = [f"n{i},{'ab'[i % 2]}" for i in range(20)] + ["n20,"]
    folder = tmp_path / "ring"
    folder.mkdir()
    (folder / "nodes.csv").write_text("node,class\n" + "\n".join(rows) + "\n")
    (folder / "edges.csv").write_text("from,to\n" + "\n".join(f"n{i},N{(i + 1) % 21}" for i in range(21)) + "\n")
    graph = load(folder)
    assert torch.equal(graph.x, torch.eye(21)) and graph.y[20] == -1 and graph.name == "ring"
    assert [int(graph[f"{part}_mask"].sum()) for part in ("train", "val", "test")] == [12, 4, 4]
    assert graph.y[graph.val_mask].bincount().tolist() == [2, 2]
    assert said(graph, "has no features") and said(graph, "drawn from the labelled nodes, by class: 12 train, 4 val")
    assert torch.equal(graph.test_mask, load(folder).test_mask)


@pytest.mark.parametrize(
    ("nodes", "edges", "sentence"),
    [
        (NODES, EDGES + "ann,eve,1\n", "pets_edges.csv does not fit: 'eve' is not in pets_nodes.csv"),
        (NODES.replace("bob,dog", "ann,dog"), EDGES, "names 'ann' twice"),
        (NODES.replace(",val", ",maybe"), EDGES, "split of pets holds 'maybe', expected train, val or test"),
        (NODES, EDGES.replace("1.5", "much"), "row 2, column 3 of pets_edges.csv holds 'much': expected a number"),
        (NODES, "source\nann\n", "pets_edges.csv has one column: expected source and target"),
    ],
)
def test_bad_tables_are_named(tmp_path, nodes, edges, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(tables(tmp_path, nodes, edges))


def networkx_graph(directed=False):
    graph = (nx.DiGraph if directed else nx.Graph)()
    for number, name in enumerate(("ann", "bob", "cid", "dot", "eve", "fay")):
        graph.add_node(name, category="cd"[number % 2], size=number / 2)
    graph.add_weighted_edges_from([("ann", "bob", 1.5), ("bob", "cid", 2.0), ("eve", "fay", 1.0)])
    return graph


@pytest.mark.parametrize("suffix", [".graphml", ".gml", ".json"])
@pytest.mark.parametrize("directed", [False, True])
def test_files_of_networkx(tmp_path, suffix, directed):
    path, graph = tmp_path / f"a{suffix}", networkx_graph(directed)
    if suffix == ".json":
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
    else:
        (nx.write_graphml if suffix == ".graphml" else nx.write_gml)(graph, path)
    found = load(path)
    assert found.node_names == list(graph) and found.class_names == ["c", "d"] and found.y.tolist() == [0, 1] * 3
    assert found.x.flatten().tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    edges = {(0, 1): 1.5, (1, 2): 2.0, (4, 5): 1.0}
    edges |= {} if directed else {(b, a): weight for (a, b), weight in edges.items()}
    assert dict(zip(map(tuple, found.edge_index.t().tolist()), found.edge_weight.tolist(), strict=True)) == edges
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(ValueError, match=rf"a\{suffix} is no readable {suffix}|a\{suffix} is no "):
        load(path)


def test_a_data_of_pyg(tmp_path):
    data = Data(x=torch.rand(10, 3), edge_index=torch.randint(0, 10, (2, 30)), y=torch.arange(10)[:, None] % 2)
    data.train_mask = torch.arange(10)[:, None].expand(10, 4) < 6
    torch.save(data, tmp_path / "a.pt")
    graph = load(tmp_path / "a.pt")
    assert torch.equal(graph.x, data.x) and torch.equal(graph.edge_index, data.edge_index)
    assert graph.y.tolist() == [0, 1] * 5 and [
        int(m.sum()) for m in (graph.train_mask, graph.val_mask, graph.test_mask)
    ] == [6, 2, 2]
    assert not (graph.train_mask & graph.val_mask).any() and not (graph.train_mask & graph.test_mask).any()
    torch.save({"edge_index": data.edge_index, "y": data.y}, tmp_path / "b.pt")
    assert torch.equal(load(tmp_path / "b.pt").x, torch.eye(10))
    many = [
        Data(x=torch.rand(3, 2), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([5 * (i % 2)])) for i in range(9)
    ]
    torch.save(many, tmp_path / "c.pt")
    graphs = load(tmp_path / "c.pt")
    assert (
        isinstance(graphs, GraphDataset) and graphs.class_names == ["0", "5"] and graphs.y.tolist() == [0, 1] * 4 + [0]
    )


class Hostile:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("content", [Hostile(), {"edge_index": Hostile()}, [1], {"x": torch.ones(2)}, "text"])
def test_other_files_of_torch_are_refused(tmp_path, capsys, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a.pt (is no Data saved by torch.save|holds a \w+, expected a Data)"):
        load(tmp_path / "a.pt")
    assert capsys.readouterr().out == ""
    (tmp_path / "a.pt").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ValueError, match=r"a.pt is no Data saved by torch.save"):
        load(tmp_path / "a.pt")


def ogb(folder, **files):
    for name, rows in files.items():
        path = folder / f"{name.replace('__', '/').replace('_', '-')}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(",".join(map(str, np.atleast_1d(row))) for row in rows) + "\n"
        path.write_bytes(gzip.compress(text.encode()))
    return folder


def test_a_folder_of_ogb(tmp_path):
    feat = np.arange(12).reshape(6, 2) / 4
    folder = ogb(
        tmp_path / "arxiv", raw__edge=[[0, 1], [1, 2], [3, 4]], raw__node_feat=feat, raw__node_label=[0, 1, 0, 1, 0, 1],
        raw__num_node_list=[6], raw__num_edge_list=[3], split__time__train=[0, 1], split__time__valid=[2, 3],
        split__time__test=[4, 5],
    )  # fmt: skip
    graph = load(folder)
    assert graph.edge_index.tolist() == [[0, 1, 3], [1, 2, 4]] and torch.equal(graph.x, torch.from_numpy(feat).float())
    assert graph.test_mask.nonzero().flatten().tolist() == [4, 5] and graph.y.tolist() == [0, 1] * 3
    ogb(folder, raw__num_edge_list=[4])
    with pytest.raises(ValueError, match=r"arxiv is inconsistent: edge.csv.gz has 3 rows, expected 4"):
        load(folder)
    (folder / "raw" / "node-label.csv.gz").write_bytes(b"\x1f\x8b damaged")
    ogb(folder, raw__num_edge_list=[3])
    with pytest.raises(ValueError, match=r"node-label.csv.gz is no readable .gz"):
        load(folder)


def test_a_set_of_ogb(tmp_path):
    folder = ogb(
        tmp_path / "mol", raw__edge=[[0, 1], [0, 1], [1, 2]], raw__node_feat=np.eye(5, 2), raw__graph_label=[1, 0],
        raw__num_node_list=[2, 3], raw__num_edge_list=[1, 2],
    )  # fmt: skip
    graphs = load(folder)
    assert graphs.y.tolist() == [1, 0] and graphs[1].edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert graphs[1].x.tolist() == [[0, 0], [0, 0], [0, 0]]


def test_a_text_that_unpacks_to_far_more_is_refused(tmp_path):
    folder = ogb(tmp_path / "big", raw__num_node_list=[2], raw__num_edge_list=[1])
    with gzip.open(folder / "raw" / "edge.csv.gz", "wb") as file:
        for _ in range(300):
            file.write(bytes(2**20))
    with pytest.raises(ValueError, match=r"edge.csv.gz unpacks to more than 256 MB"):
        load(folder)


def test_a_table_trains(tmp_path):
    rng = np.random.default_rng(0)
    nodes = "\n".join(f"n{i},{i % 2},{i % 2 + rng.normal():.2f}" for i in range(30))
    edges = "\n".join(f"n{a},n{b}" for a, b in rng.integers(0, 15, (60, 2)) * 2)
    path = tables(tmp_path, f"id,label,f\n{nodes}\n", f"source,target\n{edges}\n")
    out = tmp_path / "run"
    assert run(["gnn", "train", "--data", str(path), "--epochs", "2", "--out", str(out), "--quiet"]) == 0
    assert json.loads((out / "metrics.json").read_text())["test_accuracy"]["mean"] >= 0
