"""Graph convolution over a list of edges in plain operations: what costs least where there are few edges."""

from typing import NamedTuple

import torch
from torch import Tensor

from .csr import find, split_loops


class EdgeList(NamedTuple):
    r"""The adjacency :math:`\mathrm{diag}(d)\,(A + \mathrm{diag}(l))\,\mathrm{diag}(d)` of an edge list.

    Attributes:
        edge_index: ``[2, E]``, the edges of A, or None for those given.
        weight: ``[E]``, those of A, ones if None.
        loops: ``[N]``, l, which is one if None and zero if there is no ``looped``.
        scale: ``[N]``, d, one if None.
        looped: Whether there are loops beside A.
    """

    edge_index: Tensor | None
    weight: Tensor | None
    loops: Tensor | None
    scale: Tensor | None
    looped: bool


def normalize_edge_list(
    edge_index: Tensor,
    weight: Tensor | None,
    num_nodes: int,
    add_self_loops: bool,
    fill: float,
    flow: str,
    dtype: torch.dtype,
) -> EdgeList:
    """The normalised adjacency, differentiable in ``weight``.

    Args:
        edge_index: ``[2, E]``, checked.
        weight: ``[E]``, ones if None.
        add_self_loops: Whether one loop per node takes the place of those in ``edge_index``; the last of several wins.
        fill: What a loop that is not given weighs, where there are weights.
        flow: ``"target_to_source"`` exchanges the two rows of ``edge_index``.
    """
    loops, kept = None, None
    if add_self_loops:
        kept, given = split_loops(edge_index)
        if weight is not None:
            loops = weight.new_full((num_nodes,), fill)
            if given is not None and kept is not None:
                loops = _last_loops(loops, edge_index[0], given, weight)
                weight = weight.index_select(0, kept)
        if kept is not None:
            edge_index = edge_index.index_select(1, kept)
    target = edge_index[1 if flow == "source_to_target" else 0]
    if weight is None:
        degree = torch.bincount(target, minlength=num_nodes).to(dtype)
        if add_self_loops:
            degree += 1.0
    else:
        degree = (weight.new_zeros(num_nodes) if loops is None else loops).index_add(0, target, weight)
    scale = degree.pow(-0.5)
    if weight is not None or not add_self_loops:
        scale = scale.masked_fill(scale == torch.inf, 0.0)
    return EdgeList(None if kept is None else edge_index, weight, loops, scale, add_self_loops)


def _last_loops(loops: Tensor, node: Tensor, given: Tensor, weight: Tensor) -> Tensor:
    """``loops`` with the weight of the last loop of each node that has one."""
    node = node.index_select(0, given).long()
    last = torch.full_like(loops, -1, dtype=torch.long).scatter_reduce_(0, node, given, "amax")
    there = find(last >= 0)
    return loops.index_copy(0, there, weight.index_select(0, last.index_select(0, there)))


def convolve_edge_list(h: Tensor, edge_index: Tensor, edges: EdgeList, flow: str, bias: Tensor | None) -> Tensor:
    """The adjacency times ``h`` ``[..., N, F]``, plus ``bias``; one product per node in place of one per edge."""
    ends = edge_index if edges.edge_index is None else edges.edge_index
    source, target = (ends[0], ends[1]) if flow == "source_to_target" else (ends[1], ends[0])
    scale = None if edges.scale is None else edges.scale.unsqueeze(-1)
    if scale is not None:
        h = h * scale
    messages = h.index_select(-2, source)
    if edges.weight is not None:
        messages = messages * edges.weight.unsqueeze(-1)
    own = h if edges.looped else torch.zeros_like(h)
    if edges.loops is not None:
        own = h * edges.loops.unsqueeze(-1)
    out = own.index_add(-2, target, messages)
    if scale is None:
        return out if bias is None else out + bias
    return out * scale if bias is None else torch.addcmul(bias, out, scale)
