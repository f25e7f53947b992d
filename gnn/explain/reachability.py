"""How many updates it takes until a node has heard of another."""

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path
from torch import Tensor
from torch_geometric.data import Data

from ..conv.gcn_conv import GCNConv
from ..kernels.csr import check_edges
from .node_names import node_index


def updates_between(data: Data, source: str | int, target: str | int) -> int | None:
    """The number of layers after which ``target``'s features depend on ``source``'s: the length of the shortest path.

    Args:
        data: The graph: ``edge_index``, and ``node_names`` (a list of str) where nodes are given by name.
        source: Name or index of the node that is heard of.
        target: Name or index of the node that hears.

    Returns:
        The number of updates (0 from a node to itself), or None where no path leads from source to target.

    Raises:
        ValueError: If there is no such node.
    """
    start, end = node_index(data, source), node_index(data, target)
    edge_index, num_nodes = _edges(data)
    nodes = edge_index.cpu().numpy()
    graph = csr_matrix((np.ones(nodes.shape[1]), (nodes[0], nodes[1])), shape=(num_nodes, num_nodes))
    steps = shortest_path(graph, method="D", unweighted=True, indices=start)[end]
    return int(steps) if np.isfinite(steps) else None


def gradient_after(data: Data, source: str | int, target: str | int, k: int, channels: int = 4) -> Tensor:
    r"""The derivative :math:`\partial h_{target}^{(k)} / \partial x_{source}` of k graph convolutions with tanh.

    It is exactly zero for every k below :func:`updates_between`, and not zero at that k: what a node has not heard of
    cannot change it. Weights and features are drawn in float64 from a fixed seed, the weights positive, so that paths
    cannot cancel.

    Args:
        data: The graph, as in :func:`updates_between`.
        source: Name or index of the node whose features x are varied.
        target: Name or index of the node whose features h are watched.
        k: The number of updates, at least 0.
        channels: The number of features.

    Returns:
        ``[channels, channels]``: row the feature of the target, column that of the source.

    Raises:
        ValueError: If there is no such node or k is negative.
    """
    if k < 0:
        raise ValueError(f"k must be a number of updates, at least 0, but is {k}")
    start, end = node_index(data, source), node_index(data, target)
    edge_index, num_nodes = _edges(data)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(num_nodes, channels, generator=generator, dtype=torch.float64).requires_grad_()
    conv = GCNConv(channels, channels, bias=False).double()
    h = x
    for _ in range(k):
        weight = torch.rand(channels, channels, generator=generator, dtype=torch.float64) / channels
        h = torch.func.functional_call(conv, {"lin.weight": weight}, (h, edge_index)).tanh()
    rows = [torch.autograd.grad(value, x, retain_graph=True)[0][start] for value in h[end]]
    return torch.stack(rows)


def _edges(data: Data) -> tuple[Tensor, int]:
    if data.edge_index is None:
        raise ValueError("data must have an edge_index [2, edges], but has none")
    num_nodes = int(data.num_nodes or 0)
    check_edges(data.edge_index, num_nodes, name="the graph")
    return data.edge_index, num_nodes
