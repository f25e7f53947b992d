"""Copies of one graph as one larger graph without edges between them."""

import torch
from torch import Tensor

from gnn.sorted_edges import Compressed, SortedEdges

__all__ = ["side_by_side"]


def side_by_side(edges: SortedEdges, copies: int) -> SortedEdges:
    """The block-diagonal graph whose node ``k * N + i`` is node i of copy k, remembered with ``edges``.

    One sparse product over it serves ``copies`` heads, each with its own weights.
    """
    if copies == 1:
        return edges
    return edges.once(("side by side", copies), lambda: _repeat(edges, copies))


def _repeat(edges: SortedEdges, copies: int) -> SortedEdges:
    narrow = copies * max(edges.num_edges, edges.num_sources, edges.num_targets) < 2**31 - 1
    dtype = edges.target.dtype if narrow else torch.long
    copy = torch.arange(copies, dtype=dtype, device=edges.target.device).view(-1, 1)

    def repeat(part: Tensor, step: int) -> Tensor:
        return (part.to(dtype) + copy * step).view(-1)

    def repeat_rows(rows: Compressed, neighbors: int) -> Compressed:
        ends = repeat(rows.pointer[1:], edges.num_edges)
        pointer = torch.cat([ends.new_zeros(1), ends])
        return Compressed(pointer, repeat(rows.neighbor, neighbors), repeat(rows.position, edges.num_edges))

    return SortedEdges(
        edges.num_sources * copies,
        edges.num_targets * copies,
        repeat_rows(edges.by_target, edges.num_sources),
        None,
        edges.num_edges * copies,
        {
            "by_source": repeat_rows(edges.by_source, edges.num_targets),
            "target": repeat(edges.target, edges.num_targets),
        },
    )
