"""Attention whose score is a sum, over sorted edges: sparse products in place of features per edge."""

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from gnn.dropout import dropout_factors
from gnn.edge_softmax import exponentials
from gnn.side_by_side import side_by_side
from gnn.sorted_edges import SortedEdges
from gnn.sparse_product import multiply, sampled_product

__all__ = ["attend", "attend_by_edges"]

# The heads of a small graph, where a call costs more than its numbers, are laid side by side as one graph. Heads whose
# edges would leave the cache are taken one by one.
_EDGES_AT_ONCE = 1 << 18


def attend(
    h: Tensor,
    source_score: Tensor,
    target_score: Tensor | None,
    edge_score: Tensor | None,
    edges: SortedEdges,
    negative_slope: float = 0.2,
    dropout: float = 0.0,
) -> Tensor:
    r"""Sum the neighbours' features, weighed by a softmax over each target's edges, head by head.

    .. math::
        o_i = \sum_j \alpha_{ij} h_j, \qquad \alpha_{ij} = \frac{p_{ij}}{\sum_k p_{ik}}, \qquad
        p_{ij} = \exp \mathrm{LeakyReLU}(s_j + t_i + u_{ij})

    With :math:`b_{ij} = p_{ij} \, \mathrm{LeakyReLU}'`, :math:`g_i = \partial L / \partial o_i / \sum_k p_{ik}` and
    :math:`d_i = g_i \cdot o_i`, the gradients are sparse products too:

    .. math::
        \frac{\partial L}{\partial h} = P^\top g, \quad
        \frac{\partial L}{\partial t_i} = g_i \cdot (B h)_i - d_i (B 1)_i, \quad
        \frac{\partial L}{\partial s_j} = h_j \cdot (B^\top g)_j - (B^\top d)_j, \quad
        \frac{\partial L}{\partial u_{ij}} = b_{ij} (g_i \cdot h_j - d_i).

    Dropout multiplies p by 0 or 1 / (1 - dropout) in the sum over h (and p, b beside g in its gradients), not in the
    denominator.

    Args:
        h: ``[sources, heads, C]``.
        source_score: s, ``[sources, heads]``.
        target_score: t, ``[targets, heads]``, zero if None.
        edge_score: u, ``[E, heads]`` in the by-target order of ``edges``, zero if None.
        edges: The graph.
        negative_slope: Slope of LeakyReLU below zero.
        dropout: Probability of dropping a weight.

    Returns:
        o, ``[targets, heads, C]``.
    """
    return cast(Tensor, _Attend.apply(h, source_score, target_score, edge_score, edges, negative_slope, dropout))


def attend_by_edges(
    h: Tensor,
    source_score: Tensor,
    target_score: Tensor | None,
    edge_score: Tensor | None,
    edges: SortedEdges,
    negative_slope: float = 0.2,
    factor: Tensor | None = None,
) -> Tensor:
    """The same as :func:`attend` in operations that have gradients of any order.

    Args:
        factor: ``[heads, E]``, what dropout multiplies each weight by.
    """
    source, target = edges.by_target.neighbor, edges.target.long()
    score = source_score.index_select(0, source)
    if target_score is not None:
        score = score + target_score.index_select(0, target)
    if edge_score is not None:
        score = score + edge_score
    score = F.leaky_relu(score, negative_slope)
    zero = score.new_zeros(edges.num_targets, score.size(1))
    highest = zero.scatter_reduce(0, target.view(-1, 1).expand_as(score), score.detach(), "amax", include_self=False)
    weight = (score - highest.index_select(0, target)).exp()
    weight = weight / zero.index_add(0, target, weight).index_select(0, target)
    if factor is not None:
        weight = weight * factor.t()
    messages = weight.unsqueeze(-1) * h.index_select(0, source)
    return h.new_zeros(edges.num_targets, *h.shape[1:]).index_add(0, target, messages)


class _Attend(Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        source_score: Tensor,
        target_score: Tensor | None,
        edge_score: Tensor | None,
        edges: SortedEdges,
        negative_slope: float,
        dropout: float,
    ) -> Tensor:
        features = _heads_first(h)
        scores = (None if part is None else _heads_first(part) for part in (source_score, target_score, edge_score))
        factor = dropout_factors(torch.Size((h.size(1), edges.num_edges)), dropout, h.dtype) if dropout else None
        outs, totals, kept = [], [], []
        for graph, some_h, some_factor, s, t, u in _groups(edges, features, factor, *scores):
            weight, score = exponentials(graph, s, t, u, negative_slope)
            matrix = _Matrix(graph, weight)
            total = matrix.row_sums().clamp_min_(torch.finfo(h.dtype).tiny)  # zero for a target without edges
            if any(ctx.needs_input_grad):
                # weight where the score is above zero, else -weight (0 - score is +0 at both zeros)
                kept.append(torch.copysign(weight, torch.rsub(score, 0.0)).neg_())
            if some_factor is not None:
                weight *= some_factor
            outs.append((matrix @ some_h).div_(total.unsqueeze(-1)))
            totals.append(total)
        out = _join(outs, h.size(1))
        if kept:
            ctx.edges, ctx.negative_slope = edges, negative_slope
            signed, total = _join(kept, h.size(1)), _join(totals, h.size(1))
            ctx.save_for_backward(h, source_score, target_score, edge_score, features, out, total, signed, factor)
        return out.transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        *inputs, features, out, total, signed, factor = ctx.saved_tensors
        if torch.is_grad_enabled():  # a graph of the gradient is wanted
            return *_differentiable(inputs, ctx.edges, ctx.negative_slope, factor, grad), None, None, None
        g = torch.div(grad.transpose(0, 1), total.unsqueeze(-1), out=torch.empty_like(out))
        d = (g * out).sum(-1)
        gradients = _gradients if inputs[3] is None else _gradients_by_edge
        groups = _groups(ctx.edges, signed, factor, features, g, d)
        parts = zip(*(gradients(graph, ctx.negative_slope, *some) for graph, *some in groups), strict=True)
        joined = (_join(part, out.size(0)).transpose(0, 1) for part in parts)
        found = [part if kept is not None else None for kept, part in zip(inputs, joined, strict=False)]
        return *found, *[None] * (7 - len(found))


def _gradients(
    graph: SortedEdges, slope: float, signed: Tensor, factor: Tensor | None, h: Tensor, g: Tensor, d: Tensor
) -> tuple[Tensor, ...]:
    """The gradients in h, s and t of some heads, see :func:`attend`."""
    matrix = _Matrix(graph, F.leaky_relu(signed, -slope))
    lost = matrix.row_sums() * d
    if factor is not None:
        matrix.values *= factor
    grad_target = (matrix @ h).mul_(g).sum(-1).sub_(lost)

    position = graph.by_source.position
    signed = signed.index_select(0, position)
    matrix = _Matrix(graph, F.leaky_relu(signed, -slope), transposed=True)
    lost = matrix @ d
    signed.abs_()
    if factor is not None:
        factor = factor.index_select(0, position)
        matrix.values *= factor
        signed *= factor
    grad_source = (matrix @ g).mul_(h).sum(-1).sub_(lost)
    return _Matrix(graph, signed, transposed=True) @ g, grad_source, grad_target


def _gradients_by_edge(
    graph: SortedEdges, slope: float, signed: Tensor, factor: Tensor | None, h: Tensor, g: Tensor, d: Tensor
) -> tuple[Tensor, ...]:
    """The gradients in h, s, t and u of some heads."""
    position = graph.by_source.position
    grad_edge = sampled_product(_Matrix(graph, signed).csr(), g, h)
    weight = signed.abs()
    if factor is not None:
        grad_edge *= factor
        weight *= factor
    grad_edge -= d.index_select(0, graph.target)
    grad_edge *= F.leaky_relu(signed, -slope)
    grad_target = _Matrix(graph, grad_edge).row_sums()
    grad_source = _Matrix(graph, grad_edge.index_select(0, position), transposed=True).row_sums()
    grad_h = _Matrix(graph, weight.index_select(0, position), transposed=True) @ g
    return grad_h, grad_source, grad_target, grad_edge


def _differentiable(
    inputs: list[Tensor | None], edges: SortedEdges, slope: float, factor: Tensor | None, grad: Tensor
) -> list[Tensor | None]:
    """The gradients in the inputs, with a graph of their own."""
    h, s, t, u = inputs
    assert h is not None and s is not None
    wanted = [part for part in inputs if part is not None and part.requires_grad]
    out = attend_by_edges(h, s, t, u, edges, slope, factor)
    found = iter(torch.autograd.grad(out, wanted, grad, create_graph=True))
    return [next(found) if part is not None and part.requires_grad else None for part in inputs]


class _Matrix:
    """A sparse matrix [targets, sources] with one value per edge in the by-target order, or its transpose."""

    def __init__(self, graph: SortedEdges, values: Tensor, transposed: bool = False) -> None:
        self.values = values
        self.rows = graph.by_source if transposed else graph.by_target
        shape = (graph.num_targets, graph.num_sources)
        self.shape = shape[::-1] if transposed else shape

    def csr(self) -> Tensor:
        return torch.sparse_csr_tensor(
            self.rows.pointer, self.rows.neighbor, self.values, self.shape, check_invariants=False
        )

    def __matmul__(self, dense: Tensor) -> Tensor:
        return multiply(self.csr(), dense.view(*dense.shape[:2], *[1] * (2 - dense.dim()))).view(
            self.shape[0], *dense.shape[1:]
        )

    def row_sums(self) -> Tensor:
        return self @ self.values.new_ones(self.shape[1])


def _groups(edges: SortedEdges, *parts: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Groups of heads: the graph as often side by side, their ``[group * n, ...]`` of each part ``[heads, n, ...]``."""
    heads = next(part.size(0) for part in parts if part is not None)
    size = max(1, min(heads, _EDGES_AT_ONCE // max(1, edges.num_edges)))
    for first in range(0, heads, size):
        graph = side_by_side(edges, min(size, heads - first))
        yield graph, *(None if part is None else part[first : first + size].flatten(0, 1) for part in parts)


def _heads_first(part: Tensor) -> Tensor:
    return part.transpose(0, 1).contiguous()


def _join(parts: tuple[Tensor, ...] | list[Tensor], heads: int) -> Tensor:
    """The groups' results ``[group * n, ...]`` as ``[heads, n, ...]``."""
    whole = parts[0] if len(parts) == 1 else torch.cat(parts)
    return whole.view(heads, whole.size(0) // heads, *whole.shape[1:])
