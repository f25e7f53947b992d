"""Attention weights, and the pictures and numbers made of them."""

import pytest
import torch
import torch_geometric.nn as pyg
from torch_geometric.data import Data

from gnn import GAT, GCN, GATConv, GATv2Conv, attention_weights

EDGES = [(0, 1), (0, 4), (0, 5), (1, 3), (2, 3), (3, 5)]


@pytest.fixture
def six() -> Data:
    one_way = torch.tensor(EDGES).t()
    return Data(
        x=torch.eye(6),
        edge_index=torch.cat([one_way, one_way.flip(0)], 1),
        y=torch.tensor([0, 0, 1, 1, 0, 1]),
        node_names=list("ABCDEF"),
        class_names=["left", "right"],
    )


MODELS = {
    "GAT": lambda: GAT(6, 16, 2, 2, heads=4, dropout=0.5),
    "GATv2": lambda: GAT(6, 16, 2, 2, heads=4, v2=True),
    "one layer": lambda: GATConv(6, 3, heads=2),
    "one layer v2": lambda: GATv2Conv(6, 3, heads=2, concat=False),
    "PyG's model": lambda: pyg.GAT(6, 16, 2, 2, heads=4),
    "PyG's layer": lambda: pyg.GATConv(6, 3, heads=2),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_weights_sum_to_one_per_target_and_head(make, six):
    model = make()
    before = [module.training for module in model.modules()]
    weights = attention_weights(model, six)
    assert len(weights) == sum(hasattr(module, "negative_slope") for module in model.modules())
    listed = {(s, t) for s, t in six.edge_index.t().tolist()} | {(node, node) for node in range(6)}
    for edge_index, alpha in weights:
        assert {(s, t) for s, t in edge_index.t().tolist()} == listed
        sums = torch.zeros(6, alpha.size(1)).index_add(0, edge_index[1], alpha)
        torch.testing.assert_close(sums, torch.ones_like(sums))
    assert [module.training for module in model.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules() if module is model)


def test_weights_are_those_that_the_layer_sums_with(six):
    layer = GATConv(6, 3, heads=2, bias=False)
    ((edge_index, alpha),) = attention_weights(layer, six)
    h = layer.lin(six.x).view(6, 2, 3)
    out = torch.zeros(6, 2, 3).index_add(0, edge_index[1], alpha.unsqueeze(-1) * h[edge_index[0]])
    torch.testing.assert_close(out.flatten(1), layer(six.x, six.edge_index))


def test_weights_with_edge_features(six):
    model = GAT(6, 8, 2, 2, heads=2, edge_dim=1)
    with pytest.raises(ValueError, match="data must have an edge_attr"):
        attention_weights(model, six)
    six.edge_attr = torch.linspace(0, 1, 12).view(-1, 1)
    assert [tuple(alpha.shape) for _, alpha in attention_weights(model, six)] == [(18, 2), (18, 1)]


def test_a_model_without_attention_is_refused(six):
    with pytest.raises(ValueError, match=r"model must have an attention layer .* but GCN has none"):
        attention_weights(GCN(6, 4, 2, 2), six)
