"""From an edge list to the normalised adjacency matrix of a graph convolution."""

import torch
from torch import Tensor

from .kernels.csr import CSRGraph, to_csr


def normalized_adjacency(
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
    num_nodes: int | None = None,
    *,
    improved: bool = False,
    add_self_loops: bool = True,
    flow: str = "source_to_target",
    dtype: torch.dtype | None = None,
    sparse: bool = False,
) -> Tensor:
    r"""The matrix of the graph convolution, :math:`\hat A = \tilde D^{-1/2} \tilde A \tilde D^{-1/2}`.

    :math:`\tilde A_{ts}` sums the weights of the edges from s to t (row = target, column = source), with self-loops:
    a missing diagonal entry becomes 1 (2 if improved), an existing loop keeps its weight, and of several loops of one
    node the last wins. :math:`\tilde D_{tt} = \sum_s \tilde A_{ts}`; where that
    is zero, :math:`\tilde D^{-1/2}` is zero.

    Args:
        edge_index: ``[2, E]``, row 0 the sources and row 1 the targets.
        edge_weight: ``[E]``, all ones if left out. The dense result is differentiable in it.
        num_nodes: The number of nodes N; the largest node number plus one if left out.
        improved: Fill the diagonal with 2 in place of 1.
        add_self_loops: False takes the edges as they are (loops that are there add up like any duplicate edge).
        flow: ``"target_to_source"`` exchanges the roles of the rows of ``edge_index``.
        dtype: Of the result: that of ``edge_weight``, or the default dtype, if left out.
        sparse: Return a sparse CSR tensor, duplicate edges summed, in place of a dense one.

    Returns:
        ``[N, N]``.

    Raises:
        ValueError: If ``edge_index`` is malformed or names a node outside 0..N-1, or the weights do not fit it.
    """
    if num_nodes is None:
        num_nodes = int(edge_index.max()) + 1 if edge_index.numel() else 0
    if dtype is None:
        dtype = torch.get_default_dtype() if edge_weight is None else edge_weight.dtype
    edges = to_csr(edge_index, num_nodes, self_loops=add_self_loops, flow=flow, name="the graph")
    if edge_weight is None:
        edge_weight = torch.ones(edge_index.size(1), dtype=dtype, device=edge_index.device)
    check_weight(edge_weight, edge_index.size(1))
    edge_weight = edge_weight.to(dtype)
    if sparse:
        values = normalize_values(edges, edge_weight, 2.0 if improved else 1.0)
        return _sum_duplicates(edges, values)
    weight = torch.cat([edge_weight, edge_weight.new_tensor([2.0 if improved else 1.0])])[edges.origin.long()]
    adjacency = weight.new_zeros(num_nodes, num_nodes).index_put(
        (edges.target.long(), edges.by_target.neighbor.long()), weight, accumulate=True
    )
    inverse_root = _inverse_root(adjacency.sum(dim=1))
    return inverse_root.view(-1, 1) * adjacency * inverse_root.view(1, -1)


def normalize_values(
    edges: CSRGraph, edge_weight: Tensor | None, fill: float = 1.0, dtype: torch.dtype | None = None
) -> Tensor:
    """The entries of the normalised adjacency over a CSR graph, ``[E]`` in their by-target order.

    Args:
        edges: The edges with their self-loops.
        edge_weight: ``[num_given]`` in the order of ``edge_index``, all ones (the loops too) if None.
        fill: The weight of an added loop.
        dtype: Of the result where ``edge_weight`` is None.
    """
    rows = edges.by_target
    if edge_weight is None:
        inverse_root = _inverse_root(rows.pointer.diff().to(dtype))
        values = inverse_root.index_select(0, edges.target)
    else:
        weight = weight_by_target(edges, edge_weight, fill)
        degree = weight.new_zeros(edges.num_targets).index_add(0, edges.target, weight)
        inverse_root = _inverse_root(degree)
        values = weight * inverse_root.index_select(0, edges.target)
    return values * inverse_root.index_select(0, rows.neighbor)


def weight_by_target(edges: CSRGraph, edge_weight: Tensor, fill: float = 1.0) -> Tensor:
    """Edge weights ``[num_given]`` in the order of ``edge_index``, put in the by-target order ``[E]``."""
    if edges.given is not None:
        edge_weight = torch.cat([edge_weight, edge_weight.new_tensor([fill])])
    return edge_weight.index_select(0, edges.origin)


def check_weight(edge_weight: Tensor, num_edges: int) -> None:
    """Raise a ValueError unless there is one weight per edge."""
    if edge_weight.numel() != num_edges:
        raise ValueError(
            f"edge_weight must hold one number for each of the {num_edges} edges, "
            f"but its shape is {list(edge_weight.shape)}"
        )


def _sum_duplicates(edges: CSRGraph, values: Tensor) -> Tensor:
    """Sparse CSR with at most one entry per target and source."""
    places = torch.stack([edges.target, edges.by_target.neighbor]).long()
    size = (edges.num_targets, edges.num_sources)
    return torch.sparse_coo_tensor(places, values, size, check_invariants=False).coalesce().to_sparse_csr()


def _inverse_root(degree: Tensor) -> Tensor:
    inverse_root = degree.pow(-0.5)
    return inverse_root.masked_fill(inverse_root == float("inf"), 0.0)
