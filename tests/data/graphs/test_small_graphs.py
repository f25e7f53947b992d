"""The six nodes and the karate club, and what is checked of every graph."""

import networkx as nx
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_dense_adj, to_networkx

from graphreel import data
from graphreel.data.graphs.graph_checks import check_graph
from graphreel.data.graphs.sparse_features import to_sparse


def test_six_nodes_are_the_reports():
    graph = check_graph(data.load("six-node"))
    rows = ["110011", "110100", "001100", "011101", "100010", "100101"]
    assert (to_dense_adj(graph.edge_index)[0] + torch.eye(6)).int().tolist() == [list(map(int, row)) for row in rows]
    assert graph.node_names == list("ABCDEF") and torch.equal(graph.x, torch.eye(6))
    assert graph.y.tolist() == [0, 0, 1, 1, 0, 1] and graph.test_mask.nonzero().flatten().tolist() == [0, 3]
    assert nx.shortest_path_length(to_networkx(graph), 2, 4) == 4


def test_the_hubs_neighbours_tell_their_circle():
    graph = data.load("six-node")
    given = torch.nn.functional.one_hot(graph.y, 2).float() * graph.train_mask[:, None]
    votes = to_dense_adj(graph.edge_index)[0] @ given
    assert votes[0].tolist() == [2, 1] and votes[3].tolist() == [1, 2]  # A hears B, E against F; D hears C, F against B


def test_karate_is_networkxs():
    graph = check_graph(data.load("karate"))
    assert (graph.num_nodes, graph.num_edges) == (34, 156) and graph.is_undirected()
    club_graph = nx.karate_club_graph()
    clubs = nx.get_node_attributes(club_graph, "club")
    assert [graph.class_names[label] for label in graph.y] == [clubs[node] for node in range(34)]
    assert {(a, b) for a, b in graph.edge_index.t().tolist() if a < b} == {tuple(sorted(e)) for e in club_graph.edges}
    for mask, size in ((graph.train_mask, 4), (graph.val_mask, 4), (graph.test_mask, 9)):
        assert graph.y[mask].bincount().tolist() == [size, size]
    assert (graph.train_mask.int() + graph.val_mask.int() + graph.test_mask.int() == 1).all()
    assert graph.node_names[0] == "Mr. Hi" and graph.node_names[33] == "Officer" and len(set(graph.node_names)) == 34


def changed(**parts) -> Data:
    graph = data.load("six-node")
    for key, value in parts.items():
        graph[key] = value
    return graph


def put(value: float) -> torch.Tensor:
    x = torch.eye(6)
    x[4, 2] = value
    return x


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (changed(edge_index=torch.tensor([[0, 9], [1, 2]])), "edge_index holds node 9, but x has 6 rows"),
        (changed(edge_index=torch.tensor([[0, -1], [1, 2]])), "edge_index holds node -1, but x has 6 rows"),
        (changed(edge_index=torch.zeros(2, 3)), r"edge_index has dtype torch.float32, expected torch.int64"),
        (changed(edge_index=torch.zeros(2, 3).int()), r"edge_index has dtype torch.int32, expected torch.int64"),
        (changed(edge_index=torch.zeros(3, 2).long()), r"edge_index has shape \[3, 2\], expected \[2, edges\]"),
        (changed(edge_index=[[0], [1]]), r"edge_index has type list, expected"),
        (Data(x=torch.eye(2)), "the graph has no edge_index"),
        (Data(edge_index=torch.zeros(2, 0).long()), "the graph has neither x nor num_nodes"),
        (Data(edge_index=torch.tensor([[3], [0]]), num_nodes=3), "edge_index holds node 3, but the graph has 3 nodes"),
        (changed(x=put(float("nan"))), "x holds NaN or infinity, first in the row of node 4"),
        (changed(x=put(float("inf"))), "x holds NaN or infinity, first in the row of node 4"),
        (changed(x=to_sparse(put(float("nan")))), "x holds NaN or infinity among its stored values"),
        (changed(x=torch.ones(6, 2).long()), "x has dtype torch.int64, expected a floating point type"),
        (changed(x=torch.ones(6)), r"x has shape \[6\], expected \[nodes, features\]"),
        (changed(x=torch.ones(0, 2)), "x has 0 rows: the graph has no nodes"),
        (changed(edge_weight=torch.ones(5)), r"edge_weight has shape \[5\], but edge_index has 12 edges"),
        (changed(edge_attr=torch.full((12, 1), torch.nan)), "edge_attr holds NaN or infinity, first for edge 0"),
        (changed(y=None), "the graph has train_mask, val_mask, test_mask but no labels y"),
        (changed(y=torch.zeros(5).long()), r"y has shape \[5\], but x has 6 rows"),
        (changed(y=torch.zeros(6)), "y has dtype torch.float32, expected class indices"),
        (changed(y=torch.tensor([0, 0, -1, 1, 0, 1])), "train_mask holds node 2, which has no label"),
        (changed(train_mask=torch.ones(5).bool()), r"train_mask has shape \[5\], but x has 6 rows"),
        (changed(val_mask=torch.ones(6)), "val_mask has dtype torch.float32, expected torch.bool"),
        (changed(train_mask=torch.zeros(6).bool()), "train_mask is empty"),
        (changed(train_mask=torch.ones(6).bool()), "train_mask and test_mask share 2 nodes"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(graph, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_graph(graph)


def test_what_is_right_is_returned_unchanged():
    graph = changed(x=to_sparse(torch.eye(6)), edge_weight=torch.ones(12), edge_index=data.load("six-node").edge_index)
    assert check_graph(graph) is graph
    check_graph(Data(x=torch.eye(2), edge_index=torch.zeros(2, 0).long()))
