"""Which way a layer takes through the graph."""

import pytest
import torch

from graphreel import gnn
from graphreel.gnn.kernels.dispatch import PATHS, use_path


@pytest.mark.parametrize("kind", [gnn.GCNConv, gnn.GATConv, gnn.GATv2Conv])
def test_every_path_gives_the_same(kind, everything):
    layer, x = kind(5, 4).double(), torch.randn(7, 5, dtype=torch.float64)
    results = []
    for path in PATHS:
        with use_path(path):
            results.append(layer(x, everything.edge_index))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_an_unknown_path_is_refused():
    message = "path must be one of csr, edge_list, messages, triton or None, but is 'sorted'"
    with pytest.raises(ValueError, match=message), use_path("sorted"):
        pass
