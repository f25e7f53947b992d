"""Layer by layer is what the whole graph gives."""

import numpy as np
import pytest
import torch

from graphreel.gnn.models.graph_network import GraphNetwork, make_layers
from graphreel.gnn.models.layerwise import LayerByLayer

NODES, EDGES = 60, 400


@pytest.mark.parametrize("nodes", [None, [3, 17, 40]])
@pytest.mark.parametrize(
    ("kind", "how", "more"),
    [
        ("gcn", {}, {"norm": "batch", "residual": True}),
        ("gcn", {"normalize": False}, {"root_weight": True}),
        ("gat", {"heads": 2, "edge_dim": 3}, {"norm": "layer"}),
        ("gatv2", {"heads": 2}, {}),
    ],
)
def test_layer_by_layer_equals_the_whole_graph(tmp_path, kind, how, more, nodes):
    """On a directed weighted multigraph with loops, one of them double, and isolated nodes."""
    draw = np.random.default_rng(0)
    edges = draw.integers(0, NODES - 2, (2, EDGES))
    edges[:, :3] = 5
    edges = edges[:, np.argsort(edges[1], kind="stable")]
    x = torch.randn(NODES, 6, generator=torch.Generator().manual_seed(0)).half()
    of_edges = draw.random((EDGES, 3) if "edge_dim" in how else EDGES).astype(np.float32)
    reads = {"gcn": "edge_weight", "gat": "edge_attr", "gatv2": None}[kind]
    torch.manual_seed(0)
    widths = [6, 8, 8, 4]
    model = GraphNetwork(make_layers(kind, widths, **how), widths, 4, edges=reads, dropout=0.5, **more).eval()
    if model.norms is not None and more["norm"] == "batch":
        model.norms[0].running_mean.uniform_()
    given = {} if reads is None else {reads: torch.from_numpy(of_edges)}
    with torch.no_grad():
        whole = {hidden: (model.hidden if hidden else model)(x.float(), torch.from_numpy(edges), **given)
                 for hidden in (False, True)}  # fmt: skip
    start = np.r_[0, np.cumsum(np.bincount(edges[1], minlength=NODES))].astype(np.int32)
    reader = LayerByLayer(
        start, edges[0].astype(np.int32), lambda rows: x[torch.from_numpy(rows)],
        None if reads is None else of_edges, tmp_path, at_once=37,
    )  # fmt: skip
    for hidden, expected in whole.items():
        blocks = list(reader.blocks(model, None if nodes is None else np.array(nodes), hidden))
        assert len(blocks) > 1 or nodes
        told = np.concatenate([block for block, _ in blocks])
        assert told.tolist() == (nodes or list(range(NODES)))
        torch.testing.assert_close(torch.cat([rows for _, rows in blocks]), expected[told])
    assert not list(tmp_path.iterdir())
    if kind == "gcn":
        assert all(conv.normalize == how.get("normalize", True) for conv in model.convs)
