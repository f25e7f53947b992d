import math

import pytest
import torch
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from graphreel.gnn import normalized_adjacency
from graphreel.gnn.adjacency import normalize_values
from graphreel.gnn.kernels.csr import to_csr


def by_hand(graph, add_self_loops, fill):
    """The definition as loops over edges and nodes."""
    n = graph.num_nodes
    a = [[0.0] * n for _ in range(n)]
    loops = {i: fill for i in range(n)}
    for (s, t), w in zip(graph.edge_index.t().tolist(), graph.edge_weight.tolist(), strict=True):
        if add_self_loops and s == t:
            loops[s] = w
        else:
            a[t][s] += w
    if add_self_loops:
        for i in range(n):
            a[i][i] = loops[i]
    root = [1 / math.sqrt(sum(row)) if sum(row) else 0.0 for row in a]
    return torch.tensor([[root[t] * a[t][s] * root[s] for s in range(n)] for t in range(n)], dtype=torch.float64).view(
        n, n
    )


@pytest.mark.parametrize("add_self_loops", [True, False])
@pytest.mark.parametrize("improved", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_against_the_definition(graph, add_self_loops, improved, weighted):
    if not weighted:
        graph = graph._replace(edge_weight=torch.ones_like(graph.edge_weight))
    expected = by_hand(graph, add_self_loops, 2.0 if improved else 1.0)
    arguments = (graph.edge_index, graph.edge_weight if weighted else None, graph.num_nodes)
    options = {"improved": improved, "add_self_loops": add_self_loops, "dtype": torch.float64}
    torch.testing.assert_close(normalized_adjacency(*arguments, **options), expected, rtol=1e-13, atol=1e-13)
    sparse = normalized_adjacency(*arguments, **options, sparse=True)
    assert sparse.layout == torch.sparse_csr
    torch.testing.assert_close(sparse.to_dense(), expected, rtol=1e-13, atol=1e-13)
    assert len({*zip(*sparse.to_sparse_coo().indices().tolist(), strict=True)}) == sparse.values().numel()


def test_flow_exchanges_sources_and_targets(everything):
    forward = normalized_adjacency(everything.edge_index.flip(0), everything.edge_weight, everything.num_nodes)
    backward = normalized_adjacency(*everything, flow="target_to_source")
    assert torch.equal(forward, backward)


def test_values_over_sorted_edges_are_those_of_pyg(graph):
    index, weight = gcn_norm(graph.edge_index, graph.edge_weight, graph.num_nodes)
    edges = to_csr(graph.edge_index, graph.num_nodes, self_loops=True)
    values = normalize_values(edges, graph.edge_weight)
    torch.testing.assert_close(values, weight[edges.by_target.position.long()], rtol=1e-13, atol=1e-13)
    assert torch.equal(edges.edge_list(), index)


def test_dense_is_differentiable_in_the_weights():
    edge_index = torch.tensor([[0, 1, 2, 2, 1], [1, 2, 0, 2, 2]])
    weight = torch.tensor([0.5, 2.0, 1.5, 3.0, 0.25], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: normalized_adjacency(edge_index, w, 4), (weight,))


def test_undirected_is_symmetric():
    a = normalized_adjacency(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    assert torch.equal(a, a.t())
    torch.testing.assert_close(a[0], torch.tensor([1 / 2, 1 / math.sqrt(6), 0.0]))


def test_bad_input():
    edge_index = torch.tensor([[0, 5], [1, 0]])
    with pytest.raises(ValueError, match="edge_index holds node 5, but the graph has 3 nodes"):
        normalized_adjacency(edge_index, num_nodes=3)
    with pytest.raises(
        ValueError, match=r"edge_weight must hold one number for each of the 2 edges, but its shape is \[3\]"
    ):
        normalized_adjacency(edge_index, torch.ones(3))
