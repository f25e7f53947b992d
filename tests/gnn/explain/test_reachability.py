import networkx
import pytest
import torch
from torch_geometric.data import Data

from graphreel.gnn import gradient_after, updates_between

PAIRS = ["AB", "AE", "AF", "BD", "CD", "DF"]


@pytest.fixture
def six_nodes():
    pairs = [(ord(a) - 65, ord(b) - 65) for a, b in PAIRS]
    edge_index = torch.tensor(pairs + [(b, a) for a, b in pairs]).t()
    return Data(edge_index=edge_index, num_nodes=6, node_names=list("ABCDEF"))


def test_from_c_to_e_takes_four(six_nodes):
    assert updates_between(six_nodes, "C", "E") == 4
    assert updates_between(six_nodes, 2, 4) == updates_between(six_nodes, "C", 4) == 4


def test_the_derivative_is_zero_before_and_not_at_the_fourth(six_nodes):
    for k in range(4):
        assert (gradient_after(six_nodes, "C", "E", k) == 0).all()
    assert gradient_after(six_nodes, "C", "E", 4).abs().max() > 1e-6


def test_every_pair_against_networkx_and_the_derivative(six_nodes):
    paths = dict(networkx.all_pairs_shortest_path_length(networkx.Graph([tuple(pair) for pair in PAIRS])))
    for source in "ABCDEF":
        for target in "ABCDEF":
            updates = updates_between(six_nodes, source, target)
            assert updates == paths[source][target]
            if updates:
                assert not gradient_after(six_nodes, source, target, updates - 1).any()
            assert gradient_after(six_nodes, source, target, updates).any()


def test_edges_have_a_direction():
    graph = Data(edge_index=torch.tensor([[0, 1, 1], [1, 2, 2]]), num_nodes=4)
    assert updates_between(graph, 0, 2) == 2
    assert updates_between(graph, "0", "2") == 2
    assert updates_between(graph, 2, 0) is None
    assert updates_between(graph, 0, 3) is None
    assert updates_between(graph, 3, 3) == 0
    assert not gradient_after(graph, 2, 0, 5).any()
    assert gradient_after(graph, 0, 2, 2).any()


def test_unknown_nodes(six_nodes):
    with pytest.raises(ValueError, match="the graph has no node 'Z': its nodes are A, B, C, D, E, F"):
        updates_between(six_nodes, "C", "Z")
    assert updates_between(six_nodes, "2", "4") == updates_between(six_nodes, "C", "E") == 4
    with pytest.raises(ValueError, match="the graph has no node 6: its nodes are 0 to 5"):
        updates_between(six_nodes, "6", "E")
    for node in (6, -1):
        with pytest.raises(ValueError, match=f"the graph has no node {node}: its nodes are 0 to 5"):
            gradient_after(six_nodes, node, "E", 1)
    del six_nodes.node_names
    with pytest.raises(ValueError, match="the graph has no node 'C': its nodes have no names"):
        updates_between(six_nodes, "C", "E")
    many = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=20, node_names=[f"n{i}" for i in range(20)])
    with pytest.raises(ValueError, match=r"its nodes are n0, .*n7, ... \(20 in all\)"):
        updates_between(many, "x", "n0")
    many.node_names[3] = "Grenoble"
    with pytest.raises(ValueError, match=r"the graph has no node 'grenoble': .* \(did you mean Grenoble\?\)"):
        updates_between(many, "grenoble", "n0")


def test_malformed_graphs(six_nodes):
    six_nodes.edge_index[0, 0] = 9
    with pytest.raises(ValueError, match="edge_index holds node 9, but the graph has 6 nodes"):
        updates_between(six_nodes, "C", "E")
    with pytest.raises(ValueError, match="k must be a number of updates, at least 0, but is -1"):
        gradient_after(six_nodes, "C", "E", -1)
    with pytest.raises(ValueError, match="data must have an edge_index"):
        updates_between(Data(num_nodes=3), 0, 1)
