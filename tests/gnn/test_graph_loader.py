"""Batches come sorted, from workers too, and are otherwise PyG's."""

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from graphreel.gnn import GATConv, GCNConv, GraphLoader
from graphreel.gnn.conv import gat_conv, gcn_conv
from graphreel.gnn.kernels import csr


@pytest.mark.parametrize("edges", [5000, 2000])
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_layers_find_batches_sorted(workers, edges, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    graphs = []
    for nodes in (700, 900, 800, 650):
        edge_index = torch.randint(nodes, (2, edges), generator=generator)
        graphs.append(Data(x=torch.randn(nodes, 16, generator=generator), edge_index=edge_index, y=nodes))
    loader = GraphLoader(graphs, batch_size=2, heads=[4], num_workers=workers)
    gcn, gat = GCNConv(16, 16), GATConv(16, 16, heads=4)
    batches = list(loader)
    with monkeypatch.context() as patch:
        patch.setattr(csr, "_sort", None)  # a layer that sorts, normalises or takes the edges one by one fails
        patch.setattr(gcn_conv, "normalize_values", None)
        patch.setattr(gcn_conv, "convolve_edge_list", None)
        patch.setattr(gat_conv, "attend_edge_list", None)
        results = [(gcn(b.x, b.edge_index), gat(b.x, b.edge_index)) for b in batches]
    for ours, theirs, found in zip(batches, DataLoader(graphs, batch_size=2), results, strict=True):
        assert ours.keys() == theirs.keys() and torch.equal(ours.edge_index, theirs.edge_index)
        assert [graph.y for graph in ours.to_data_list()] == [graph.y for graph in theirs.to_data_list()]
        for conv, out in zip((gcn, gat), found, strict=True):
            torch.testing.assert_close(out, conv(theirs.x, theirs.edge_index))
