import pytest
import torch
from torch_geometric.nn import GATConv, GATv2Conv

from graphreel.gnn import dense_gat, dense_gatv2, dense_gcn


def counted(graph):
    """A[target, source] counting edges, with one loop per node in place of the given ones."""
    adjacency = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
    for s, t in graph.edge_index.t().tolist():
        if s != t:
            adjacency[t, s] += 1
    return adjacency + torch.eye(graph.num_nodes, dtype=torch.float64)


def test_gcn_by_hand():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    adjacency = torch.tensor([[0.5, 0.25], [0.0, 2.0]])
    out = dense_gcn(x, adjacency, torch.tensor([[1.0, 1.0]]), torch.tensor([10.0]))
    assert out.tolist() == [[0.5 * 3 + 0.25 * 7 + 10], [2 * 7 + 10]]
    assert torch.equal(dense_gcn(x.expand(3, 2, 2), adjacency, torch.eye(2))[1], adjacency @ x)


@pytest.mark.parametrize("concat", [True, False])
def test_gat_is_that_of_pyg(graph, concat):
    conv = GATConv(3, 4, heads=2, concat=concat).double()
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(graph.num_nodes, 3, dtype=torch.float64)
    out = dense_gat(x, counted(graph), conv.lin.weight, conv.att_src, conv.att_dst, conv.bias, concat=concat)
    torch.testing.assert_close(out, conv(x, graph.edge_index), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("concat", [True, False])
def test_gatv2_is_that_of_pyg(graph, concat):
    conv = GATv2Conv(3, 4, heads=2, concat=concat).double()
    for bias in (conv.bias, conv.lin_l.bias, conv.lin_r.bias):
        torch.nn.init.normal_(bias)
    x = torch.randn(graph.num_nodes, 3, dtype=torch.float64)
    parameters = (conv.lin_l.weight, conv.lin_r.weight, conv.att, conv.bias, conv.lin_l.bias, conv.lin_r.bias)
    out = dense_gatv2(x, counted(graph), *parameters, concat=concat)
    torch.testing.assert_close(out, conv(x, graph.edge_index), rtol=1e-10, atol=1e-12)


def test_leading_dimensions(everything):
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    weight, source, target = torch.randn(8, 3).double(), torch.randn(2, 4).double(), torch.randn(2, 4).double()
    for layer in (
        lambda x: dense_gat(x, counted(everything), weight, source, target),
        lambda x: dense_gatv2(x, counted(everything), weight, -weight, source),
    ):
        torch.testing.assert_close(layer(x), torch.stack([layer(part) for part in x]))


def test_scores_far_apart_in_different_neighbourhoods():
    """With one maximum for all, the neighbourhood with scores [0, 0] would underflow beside the one with 200."""
    adjacency = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    x = torch.tensor([[0.0, 1.0], [0.0, 3.0], [200.0, 5.0]])
    source, target = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)
    out = dense_gat(x, adjacency, torch.eye(2), source, target)
    torch.testing.assert_close(out[:, 1], torch.tensor([2.0, 2.0, 5.0]))


def test_a_target_without_edges_gets_the_bias():
    x, adjacency = torch.randn(2, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    out = dense_gat(x, adjacency, torch.eye(2), torch.ones(1, 2), torch.ones(1, 2), torch.tensor([3.0, 4.0]))
    assert out[0].tolist() == [3.0, 4.0]
    assert out.isfinite().all()
