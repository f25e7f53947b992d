"""GATv2's score of every edge, computed a chunk of edges at a time so that no features per edge are kept."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from graphreel.core.double_backward import differentiable_gradients

from .csr import CSRGraph

_NUMBERS_AT_ONCE = 1 << 18  # of a chunk's features: what stays in the cache
# up to here one product with a block-diagonal matrix is faster than a sum over each head's features
_FEW_HEADS = 16


def edge_scores(
    source: Tensor,
    target: Tensor,
    edge: Tensor | None,
    att: Tensor,
    edges: CSRGraph,
    negative_slope: float = 0.2,
    numbers_at_once: int = _NUMBERS_AT_ONCE,
) -> Tensor:
    r"""For each edge and head :math:`u_{ij} = a \cdot y_{ij}, \; y_{ij} = \mathrm{LeakyReLU}(l_j + r_i + w_{ij})`.

    The gradients read :math:`y_{ij}` again in place of keeping it: with :math:`v_{ij} = \partial L / \partial u_{ij}
    \, a \odot \mathrm{LeakyReLU}'`, those in l and r are sums of v over the edges that leave j and that enter i, and
    the one in a is :math:`\sum_{ij} \partial L / \partial u_{ij} \, y_{ij}`.

    Args:
        source: l, ``[sources, heads, C]``.
        target: r, ``[targets, heads, C]``.
        edge: w, ``[E, heads, C]`` in the by-target order of ``edges``, zero if None.
        att: a, ``[heads, C]``.
        negative_slope: Slope of LeakyReLU below zero.
        numbers_at_once: How many features of edges are there at a time.

    Returns:
        u, ``[E, heads]`` in the by-target order.
    """
    return cast(Tensor, _Scores.apply(source, target, edge, att, edges, negative_slope, numbers_at_once))


def edge_scores_by_edges(
    source: Tensor, target: Tensor, edge: Tensor | None, att: Tensor, edges: CSRGraph, negative_slope: float
) -> Tensor:
    """The same in operations that have gradients of any order."""
    z = source.index_select(0, edges.by_target.neighbor) + target.index_select(0, edges.target)
    return (F.leaky_relu(z if edge is None else z + edge, negative_slope) * att).sum(-1)


class _Scores(Function):
    @staticmethod
    def forward(
        ctx: Any,
        source: Tensor,
        target: Tensor,
        edge: Tensor | None,
        att: Tensor,
        edges: CSRGraph,
        slope: float,
        numbers: int,
    ) -> Tensor:
        score = source.new_empty(edges.num_edges, att.size(0))
        weights = _Weights(att)
        w = None if edge is None else edge.flatten(1)
        for chunk in _chunks(edges, numbers, target.flatten(1), source.flatten(1), w):
            score[chunk.start : chunk.end] = weights.sums(F.leaky_relu_(chunk.z, slope))
        ctx.edges, ctx.slope, ctx.numbers = edges, slope, numbers
        ctx.save_for_backward(source, target, edge, att)
        return score

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (source, target, edge, att), edges, slope = ctx.saved_tensors, ctx.edges, ctx.slope
        if torch.is_grad_enabled():  # a graph of the gradient is wanted
            found = differentiable_gradients(
                lambda l, r, w, a: [edge_scores_by_edges(l, r, w, a, edges, slope)], (source, target, edge, att), grads
            )
            return *found, None, None, None
        grad, weights = grads[0].contiguous(), _Weights(att)
        l, r, w = source.flatten(1), target.flatten(1), None if edge is None else edge.flatten(1)
        grad_l, grad_r, grad_att = torch.zeros_like(l), torch.zeros_like(r), torch.zeros_like(att)
        grad_w = None if w is None else torch.empty_like(w)
        for chunk in _chunks(edges, ctx.numbers, r, l, w):
            some = grad[chunk.start : chunk.end]
            v = torch.ops.aten.leaky_relu_backward(weights.spread(some), chunk.z, slope, False)
            grad_r[chunk.first : chunk.last] += chunk.selection @ v
            grad_att += weights.gradient(some, F.leaky_relu_(chunk.z, slope))
            if grad_w is not None:
                grad_w[chunk.start : chunk.end] = v
        position = edges.by_source.position
        grad = grad.index_select(0, position)
        for chunk in _chunks(edges.flipped, ctx.numbers, l, r, w, position):
            v = weights.spread(grad[chunk.start : chunk.end])
            v = torch.ops.aten.leaky_relu_backward(v, chunk.z, slope, False)
            grad_l[chunk.first : chunk.last] += chunk.selection @ v
        grad_edge = None if edge is None or grad_w is None else grad_w.view(edge.shape)
        return grad_l.view(source.shape), grad_r.view(target.shape), grad_edge, grad_att, None, None, None


class _Chunk(NamedTuple):
    """The edges ``start:end``, which enter the nodes ``first:last``.

    Attributes:
        z: ``[end - start, F]``, the sum of what stands at both ends and on the edge.
        selection: ``[last - first, end - start]``, sums the edges that enter a node.
    """

    start: int
    end: int
    first: int
    last: int
    z: Tensor
    selection: Tensor


def _chunks(
    edges: CSRGraph, numbers: int, own: Tensor, other: Tensor, on_edge: Tensor | None, position: Tensor | None = None
) -> Iterator[_Chunk]:
    """Cut the edges, sorted by the node that they enter.

    Args:
        numbers: Of features in a chunk.
        own: ``[targets, F]``.
        other: ``[sources, F]``.
        on_edge: ``[E, F]``, in the order of ``edges``, or in the one that ``position`` points into.
    """
    pointer, neighbor = edges.by_target.pointer, edges.by_target.neighbor
    size = max(1, numbers // max(1, own.size(1)))
    column = torch.arange(min(size, edges.num_edges), dtype=pointer.dtype)
    ones = own.new_ones(column.numel())
    for start in range(0, edges.num_edges, size):
        end = min(start + size, edges.num_edges)
        first, last = int(edges.target[start]), int(edges.target[end - 1]) + 1
        z = other.index_select(0, neighbor[start:end])
        z += own.index_select(0, edges.target[start:end])
        if on_edge is not None:
            z += on_edge[start:end] if position is None else on_edge.index_select(0, position[start:end])
        rows = pointer[first : last + 1].clamp(start, end) - start
        parts = (rows, column[: end - start], ones[: end - start], (last - first, end - start))
        yield _Chunk(start, end, first, last, z, torch.sparse_csr_tensor(*parts, check_invariants=False))


class _Weights:
    """The products with a ``[heads, C]`` of features ``[K, heads * C]``."""

    def __init__(self, att: Tensor) -> None:
        self.att = att
        few = att.size(0) <= _FEW_HEADS
        self.blocks = torch.block_diag(*att.unsqueeze(-1).unbind()) if few else None  # [heads * C, heads]

    def sums(self, y: Tensor) -> Tensor:
        """``a . y`` per head, ``[K, heads]``."""
        return y @ self.blocks if self.blocks is not None else (y.view(-1, *self.att.shape) * self.att).sum(-1)

    def spread(self, grad: Tensor) -> Tensor:
        """``grad a``, ``[K, heads * C]``."""
        return grad @ self.blocks.t() if self.blocks is not None else (grad.unsqueeze(-1) * self.att).flatten(1)

    def gradient(self, grad: Tensor, y: Tensor) -> Tensor:
        """The sum of ``grad y`` over edges, ``[heads, C]``."""
        if self.blocks is None:
            return (grad.unsqueeze(-1) * y.view(-1, *self.att.shape)).sum(0)
        whole = (grad.t() @ y).view(-1, *self.att.shape)  # [heads, heads, C], of which the diagonal is meant
        return whole.diagonal(dim1=0, dim2=1).t()
