"""Graphs drawn at random, with loops, duplicate edges and isolated nodes: every path against PyG and the formulas."""

from typing import Any

import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor

from graphreel import gnn
from graphreel.gnn.kernels.dispatch import use_path


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """x, edge_index and edge_weight; without edges, or with more than there are pairs, now and then."""
    generator = torch.Generator().manual_seed(seed)
    num_nodes = int(torch.randint(1, 12, (), generator=generator))
    num_edges = int(torch.randint(0, (0, 5, 30, 300)[seed % 4] + 1, (), generator=generator))
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    loop = edge_index[0] == edge_index[1]
    first = torch.ones_like(loop)
    for node in edge_index[0, loop].unique():  # of a loop given twice PyG's gradient takes both
        first[(loop & (edge_index[0] == node)).nonzero().flatten()[1:]] = False
    edge_index = edge_index[:, first]
    weight = torch.rand(edge_index.size(1), generator=generator, dtype=torch.float64) + 0.1
    return torch.randn(num_nodes, 3, generator=generator, dtype=torch.float64), edge_index, weight


def check(seed: int) -> None:
    x, edge_index, weight = drawn(seed)
    torch.manual_seed(seed)
    heads = 1 + seed % 3
    layers: list[tuple[Any, Any, tuple[Tensor, ...]]] = [
        (gnn.GCNConv(3, 4), pyg.GCNConv(3, 4), ()),
        (gnn.GCNConv(3, 4, improved=True), pyg.GCNConv(3, 4, improved=True), (weight,)),
        (gnn.GATConv(3, 2, heads), pyg.GATConv(3, 2, heads), ()),
        (gnn.GATv2Conv(3, 2, heads), pyg.GATv2Conv(3, 2, heads), ()),
    ]
    for path in ("csr", "edge_list", "messages"):
        for ours, theirs, extra in layers:
            ours.double().load_state_dict(theirs.double().state_dict())
            results = []
            for layer in (ours, theirs):
                leaves = [part.clone().requires_grad_() for part in (x, *extra)]
                with use_path(path):
                    out = layer(leaves[0], edge_index, *leaves[1:])
                    grads = torch.autograd.grad(out.square().sum(), [*leaves, *layer.parameters()])
                results.append((out, *grads))
            torch.testing.assert_close(*results, rtol=1e-8, atol=1e-9)
    adjacency = gnn.normalized_adjacency(edge_index, weight, len(x), improved=True)
    convolution = layers[1][0]
    formula = gnn.dense_gcn(x, adjacency, convolution.lin.weight, convolution.bias)
    torch.testing.assert_close(convolution(x, edge_index, weight), formula)
    edges = edge_index[:, edge_index[0] != edge_index[1]]
    counts = torch.zeros(len(x), len(x), dtype=torch.float64)
    counts = counts.index_put((edges[1], edges[0]), torch.ones(edges.size(1), dtype=torch.float64), accumulate=True)
    counts += torch.eye(len(x), dtype=torch.float64)
    gat, gatv2 = layers[2][0], layers[3][0]
    formula = gnn.dense_gat(x, counts, gat.lin.weight, gat.att_src, gat.att_dst, gat.bias)
    torch.testing.assert_close(gat(x, edge_index), formula)
    maps = (gatv2.lin_l.weight, gatv2.lin_r.weight, gatv2.att, gatv2.bias, gatv2.lin_l.bias, gatv2.lin_r.bias)
    torch.testing.assert_close(gatv2(x, edge_index), gnn.dense_gatv2(x, counts, *maps))


@pytest.mark.parametrize("seed", range(12))
def test_a_few_graphs(seed):
    check(seed)


@pytest.mark.attack
def test_many_graphs():
    for seed in range(12, 1500):
        check(seed)
