"""Mixed-order propagation against the powers of the dense adjacency, and several draws against one after another."""

import pytest
import torch

from graphreel.core.dropout import dropout, dropout_factors
from graphreel.gnn import GCNConv, MixedOrderConv, normalized_adjacency
from graphreel.gnn.kernels.dispatch import use_path
from graphreel.gnn.kernels.sparse_features import dropout as sparse_dropout
from graphreel.gnn.kernels.sparse_features import repeat
from graphreel.gnn.models.graph_network import GraphNetwork


def features(graph):
    return torch.randn(graph.num_nodes, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def formula(conv, x, graph, weight):
    adjacency = normalized_adjacency(graph.edge_index, weight, graph.num_nodes).to(x.dtype)
    powers = [torch.linalg.matrix_power(adjacency, k) for k in range(conv.order + 1)]
    return sum(powers) / len(powers) @ x @ conv.lin.weight.t() + conv.bias


@pytest.mark.parametrize("path", ["csr", "messages"])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_it_is_the_mean_of_powers_with_gradients(graph, order, path):
    conv, x = MixedOrderConv(3, 2, order).double(), features(graph).requires_grad_()
    weight = graph.edge_weight.clone().requires_grad_()
    with use_path(path):
        out = conv(x, graph.edge_index, weight)
    expected = formula(conv, x, graph, weight)
    torch.testing.assert_close(out, expected)
    # PyG's messages give a loop that another one replaces a gradient
    wanted = [x, conv.lin.weight, *([weight] if order and weight.numel() and path == "csr" else [])]
    given = [torch.autograd.grad(one.square().sum(), wanted, allow_unused=True) for one in (out, expected)]
    torch.testing.assert_close(*given)


def test_gradients_of_gradients(everything):
    conv, x = MixedOrderConv(3, 2, 3).double(), features(everything).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: conv(h, everything.edge_index), x)
    assert torch.autograd.gradgradcheck(lambda h: conv(h, everything.edge_index), x)


@pytest.mark.parametrize("sparse", [False, True])
def test_draws_side_by_side_are_draws_one_by_one(everything, sparse):
    """Dropping rows of X W, four times in one product, is dropping rows of X four times, with gradients."""
    conv, x = MixedOrderConv(3, 2, 4, drop_node=0.5, draws=4).double(), features(everything)
    torch.manual_seed(5)
    out = conv(x.to_sparse_csr() if sparse else x, everything.edge_index)
    torch.manual_seed(5)
    factors = dropout_factors(torch.Size((4, everything.num_nodes, 1)), 0.5, torch.float64)
    assert 0 < int((factors == 0).sum()) < factors.numel()
    conv.eval()
    alone = torch.stack([conv(factor * x, everything.edge_index) for factor in factors])
    torch.testing.assert_close(out, alone)
    gradients = [torch.autograd.grad(one.sin().sum(), list(conv.parameters())) for one in (out, alone)]
    torch.testing.assert_close(*gradients)
    assert conv(x, everything.edge_index).shape == (everything.num_nodes, 2)


@pytest.mark.parametrize("sparse", [False, True])
def test_features_are_dropped_anew_in_each_draw(everything, sparse):
    conv, x = MixedOrderConv(3, 2, 4, draws=4, dropout=0.5).double(), features(everything)
    given = x.to_sparse_csr() if sparse else x
    torch.manual_seed(5)
    out = conv(given, everything.edge_index)
    torch.manual_seed(5)
    rows = repeat(given, 4) if sparse else x.expand(4, -1, -1)
    dropped = (sparse_dropout(rows, 0.5).to_dense() if sparse else dropout(rows, 0.5)).view(4, -1, 3)
    assert len({tuple((part == 0).flatten().tolist()) for part in dropped}) == 4
    conv.eval()
    alone = torch.stack([conv(part, everything.edge_index) for part in dropped])
    torch.testing.assert_close(out, alone)
    gradients = [torch.autograd.grad(one.sin().sum(), list(conv.parameters())) for one in (out, alone)]
    torch.testing.assert_close(*gradients)


def test_a_network_behind_it_answers_each_draw(everything):
    torch.manual_seed(0)
    stem, conv = MixedOrderConv(3, 4, 2, drop_node=0.5, draws=3), GCNConv(4, 2)
    model, x = GraphNetwork([conv], [4, 2], 2, stem=stem).double(), features(everything)
    torch.manual_seed(1)
    answers = model(x, everything.edge_index)
    torch.manual_seed(1)
    torch.testing.assert_close(answers, conv(stem(x, everything.edge_index).relu(), everything.edge_index))
    assert answers.shape == (3, everything.num_nodes, 2) and not torch.equal(answers[0], answers[1])
    assert model.eval()(x, everything.edge_index).shape == (everything.num_nodes, 2)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="order must be at least 0 and draws at least 1, but are -1 and 1"):
        MixedOrderConv(3, 2, -1)
    with pytest.raises(ValueError, match="drop_node must be a probability between 0 and 1, but got 2"):
        MixedOrderConv(3, 2, 1, drop_node=2)
