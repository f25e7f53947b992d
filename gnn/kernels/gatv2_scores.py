"""GATv2's score of every edge, computed a chunk of edges at a time so that no features per edge are kept."""

from collections.abc import Iterator
from typing import Any, cast

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
        for part, _, _, z in _chunks(edges, numbers, target.flatten(1), source.flatten(1), w):
            score[part] = weights.sums(F.leaky_relu_(z, slope))
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
        for part, sources, targets, z in _chunks(edges, ctx.numbers, r, l, w):
            v = torch.ops.aten.leaky_relu_backward(weights.spread(grad[part]), z, slope, False)
            grad_l.index_add_(0, sources, v)  # with int64 alone it is faster than a sparse product
            grad_r.index_add_(0, targets, v)
            grad_att += weights.gradient(grad[part], F.leaky_relu_(z, slope))
            if grad_w is not None:
                grad_w[part] = v
        grad_edge = None if edge is None or grad_w is None else grad_w.view(edge.shape)
        return grad_l.view(source.shape), grad_r.view(target.shape), grad_edge, grad_att, None, None, None


def _chunks(
    edges: CSRGraph, numbers: int, own: Tensor, other: Tensor, on_edge: Tensor | None
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Cut the edges into chunks of so many features: which edges, their sources and targets, and what they sum up to.

    Args:
        numbers: Of features in a chunk.
        own: ``[targets, F]``.
        other: ``[sources, F]``.
        on_edge: ``[E, F]``, in the order of ``edges``.
    """
    size = max(1, numbers // max(1, own.size(1)))
    for start in range(0, edges.num_edges, size):
        part = slice(start, min(start + size, edges.num_edges))
        source, target = edges.by_target.neighbor[part].long(), edges.target[part].long()
        z = other.index_select(0, source)
        z += own.index_select(0, target)
        if on_edge is not None:
            z += on_edge[part]
        yield part, source, target, z


class _Weights:
    """The products with a ``[heads, C]`` of features ``[K, heads * C]``."""

    def __init__(self, att: Tensor) -> None:
        self.att = att
        few = att.size(0) <= _FEW_HEADS
        self.blocks = torch.block_diag(*att.unsqueeze(-1).unbind()) if few else None  # [heads * C, heads]

    def sums(self, y: Tensor) -> Tensor:
        """``a . y`` per head, ``[K, heads]``, written over y: five times faster than a product with so few columns."""
        heads, width = self.att.shape
        return (y.mul_(self.att.reshape(-1)).view(-1, width) @ y.new_ones(width)).view(-1, heads)

    def spread(self, grad: Tensor) -> Tensor:
        """``grad a``, ``[K, heads * C]``."""
        return grad @ self.blocks.t() if self.blocks is not None else (grad.unsqueeze(-1) * self.att).flatten(1)

    def gradient(self, grad: Tensor, y: Tensor) -> Tensor:
        """The sum of ``grad y`` over edges, ``[heads, C]``."""
        if self.blocks is None:
            return (grad.unsqueeze(-1) * y.view(-1, *self.att.shape)).sum(0)
        whole = (grad.t() @ y).view(-1, *self.att.shape)  # [heads, heads, C], of which the diagonal is meant
        return whole.diagonal(dim1=0, dim2=1).t()
