"""Copies of one graph as one larger graph without edges between them: one product serves all heads."""

import torch
from torch import Tensor

from .csr import Compressed, CSRGraph


def block_diagonal(edges: CSRGraph, copies: int) -> CSRGraph:
    """The graph whose node ``i * copies + k`` is node i of copy k, remembered with ``edges``.

    Features ``[N, heads, C]`` are its features ``[N * heads, C]`` as they stand in memory. For numbers per edge
    ``[E, heads]`` in the by-target order of ``edges``, ``by_target.position`` says which of them, flattened, belongs to
    each edge of the larger graph in its own by-target order; with one copy the graph is ``edges`` itself, and they are
    in order.
    """
    if copies == 1:
        return edges
    return edges.once(("block_diagonal", copies), lambda: _block_diagonal(edges, copies))


def _block_diagonal(edges: CSRGraph, copies: int) -> CSRGraph:
    narrow = copies * max(edges.num_edges, edges.num_sources, edges.num_targets) < 2**31 - 1
    dtype = edges.target.dtype if narrow else torch.long
    copy = torch.arange(copies, dtype=dtype, device=edges.target.device)
    by_target = edges.by_target
    place = _places(by_target, edges.target, copy)
    target = _spread(place, edges.target.to(dtype).view(-1, 1) * copies + copy)
    neighbor = _spread(place, by_target.neighbor.to(dtype).view(-1, 1) * copies + copy)
    position = _spread(place, torch.arange(place.numel(), dtype=dtype, device=place.device))
    lengths = by_target.pointer.to(dtype).diff().repeat_interleave(copies)
    rows = Compressed(torch.cat([lengths.new_zeros(1), lengths.cumsum(0, dtype=dtype)]), neighbor, position)
    sizes = (copies * edges.num_sources, copies * edges.num_targets)
    return CSRGraph(*sizes, rows, None, copies * edges.num_edges, {"target": target})


def _places(rows: Compressed, row: Tensor, copy: Tensor) -> Tensor:
    """``[E, copies]``: where each edge of each copy stands, when row i is followed by its copies before row i + 1."""
    pointer = rows.pointer.to(copy.dtype)
    start, length = (part.index_select(0, row) for part in (pointer, pointer.diff()))
    edge = torch.arange(row.numel(), dtype=copy.dtype, device=copy.device)
    return (start * (copy.numel() - 1) + edge).view(-1, 1) + length.view(-1, 1) * copy


def _spread(place: Tensor, values: Tensor) -> Tensor:
    return torch.empty_like(place).view(-1).scatter_(0, place.view(-1).long(), values.view(-1))
