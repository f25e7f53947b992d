"""Attention whose score is a sum, over a CSR graph: sparse products in place of features per edge."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from graphreel.core.double_backward import differentiable_gradients
from graphreel.core.dropout import dropout_factors

from .block_diagonal import block_diagonal
from .csr import CSRGraph
from .edge_list_attention import attend_edge_list
from .segment_softmax import segment_softmax
from .spmm import EdgeMatrix, multiply, sampled_product, sum_by_source

# The heads of a small graph, where a call costs more than its numbers, become one block-diagonal graph. Heads whose
# edges would leave the cache are taken one by one.
_EDGES_AT_ONCE = 1 << 18
# up to here the zeros of the block-diagonal matrix cost less than they save
_FEW_HEADS = 16


def attend(
    h: Tensor,
    source_score: Tensor | None,
    target_score: Tensor | None,
    edge_score: Tensor | None,
    edges: CSRGraph,
    negative_slope: float = 0.2,
    dropout: float = 0.0,
    attention: Tensor | None = None,
    want_weights: bool = False,
    edges_at_once: int = _EDGES_AT_ONCE,
) -> tuple[Tensor, Tensor | None]:
    r"""Sum the neighbours' features, weighed by a softmax over each target's edges, head by head.

    .. math::
        o_i = \sum_j \alpha_{ij} h_j, \qquad \alpha_{ij} = \frac{\exp e_{ij}}{\sum_k \exp e_{ik}}, \qquad
        e_{ij} = \mathrm{LeakyReLU}(s_j + t_i + u_{ij})

    With :math:`b_{ij} = \alpha_{ij} \, \mathrm{LeakyReLU}'`, :math:`g_i = \partial L / \partial o_i` and
    :math:`d_i = g_i \cdot o_i`, the gradients are sparse products too:

    .. math::
        \frac{\partial L}{\partial h} = A^\top g, \quad
        \frac{\partial L}{\partial t_i} = g_i \cdot (B h)_i - d_i (B 1)_i, \quad
        \frac{\partial L}{\partial s_j} = h_j \cdot (B^\top g)_j - (B^\top d)_j, \quad
        \frac{\partial L}{\partial u_{ij}} = b_{ij} (g_i \cdot h_j - d_i).

    Dropout multiplies :math:`\alpha` by 0 or 1 / (1 - dropout) in the sum over h, and so :math:`\alpha` and b where
    they stand beside g or h in the gradients. Where the weights are wanted and enter the loss too, their gradient is
    added to :math:`g_i \cdot h_j`, for each edge.

    Args:
        h: ``[sources, heads, C]``.
        source_score: s, ``[sources, heads]``, zero if None; one of s, u and a is given.
        target_score: t, ``[targets, heads]``, zero if None.
        edge_score: u, ``[E, heads]`` in the by-target order of ``edges``, zero if None.
        negative_slope: Slope of LeakyReLU below zero.
        dropout: Probability of dropping a weight.
        attention: a, ``[heads, C, 2]``, in place of s and t where sources and targets are the same nodes: they are its
            products with h, see :func:`node_scores`.
        want_weights: Return the weights, after dropout, as well.
        edges_at_once: The heads are taken in groups of no more edges than these, all heads of a group together.

    Returns:
        o, ``[targets, heads, C]``, and the weights ``[E, heads]`` in the by-target order, or None.
    """
    heads = h.size(1)
    size = max(1, edges_at_once // max(1, edges.num_edges))
    parts = (h, source_score, target_score, edge_score)
    if size >= heads:
        return _attend_at_once(parts, attention, edges, negative_slope, dropout, want_weights)
    split = [None if part is None else part.split(size, 1) for part in parts]
    some = None if attention is None else attention.split(size)
    groups = (
        ([None if part is None else part[k] for part in split], None if some is None else some[k])
        for k in range(-(-heads // size))
    )
    results = [_attend_at_once(*group, edges, negative_slope, dropout, want_weights) for group in groups]
    weights = torch.cat([cast(Tensor, weight) for _, weight in results], 1) if want_weights else None
    return torch.cat([out for out, _ in results], 1), weights


def _attend_at_once(
    parts: Sequence[Tensor | None],
    attention: Tensor | None,
    edges: CSRGraph,
    slope: float,
    dropout: float,
    want_weights: bool,
) -> tuple[Tensor, Tensor | None]:
    """The heads of h, s, t, u, a as one head over the block-diagonal graph."""
    h, s, t, u = parts
    assert h is not None
    heads = h.size(1)
    graph = block_diagonal(edges, heads)
    if u is not None:
        u = u.reshape(-1) if heads == 1 else u.reshape(-1).index_select(0, graph.by_target.position)
    s, t = (None if part is None else part.reshape(-1) for part in (s, t))
    out, weight = cast(tuple[Tensor, Tensor], _Attend.apply(h.contiguous(), s, t, u, attention, graph, slope, dropout))
    out = out.view(edges.num_targets, *h.shape[1:])
    if not want_weights:
        return out, None
    if heads > 1:
        weight = torch.empty_like(weight).index_copy(0, graph.by_target.position.long(), weight)
    return out, weight.view(-1, heads)


def node_scores(h: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
    """The products of h ``[N, heads, C]`` with the two sides of a ``[heads, C, 2]``, each ``[N, heads]``."""
    if attention.size(0) > _FEW_HEADS:
        source, target = ((h * side).sum(-1) for side in attention.unbind(-1))
        return source, target
    source, target = (h.flatten(1) @ _blocks(attention)).view(h.size(0), 2, attention.size(0)).unbind(1)
    return source, target


def _blocks(attention: Tensor) -> Tensor:
    """a as a block-diagonal ``[heads * C, 2 * heads]``: one product is several times faster than products and sums."""
    heads, width, sides = attention.shape
    diagonal = torch.eye(heads, dtype=attention.dtype, device=attention.device).view(heads, 1, 1, heads)
    return (attention.unsqueeze(-1) * diagonal).view(heads * width, sides * heads)


def _through_scores(h: Tensor, attention: Tensor, grads: Sequence[Tensor], grad_h: Tensor) -> Tensor:
    """Add to ``grad_h`` what the gradients of :func:`node_scores` give, and return the gradient in a."""
    heads, width, sides = attention.shape
    grad = torch.stack([part.view(-1, heads) for part in grads], 1)  # [N, 2, heads]
    if heads > _FEW_HEADS:
        for side in range(sides):
            grad_h += grad[:, side].unsqueeze(-1) * attention[:, :, side]
        return torch.stack([(h * grad[:, side].unsqueeze(-1)).sum(0) for side in range(sides)], -1)
    grad, flat = grad.flatten(1), grad_h.flatten(1)
    flat.addmm_(grad, _blocks(attention).t())
    whole = (h.flatten(1).t() @ grad).view(heads, width, sides, heads)  # of which the diagonal of heads is meant
    return whole.diagonal(dim1=0, dim2=3).permute(2, 0, 1)


def attend_by_edges(
    h: Tensor,
    source_score: Tensor | None,
    target_score: Tensor | None,
    edge_score: Tensor | None,
    edges: CSRGraph,
    negative_slope: float = 0.2,
    factor: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same as :func:`attend` in operations that have gradients of any order, without or with a dimension of heads.

    Args:
        factor: ``[E]`` or ``[E, heads]``, what dropout multiplies each weight by.
    """
    source, target = edges.by_target.neighbor, edges.target.long()
    given = [edge_score] if edge_score is not None else []
    ends = ((source_score, source), (target_score, target))
    given += [part.index_select(0, end) for part, end in ends if part is not None]
    score = F.leaky_relu(sum(given[1:], given[0]), negative_slope)
    out, weight, total = attend_edge_list(h, score, source, target, edges.num_targets, factor=factor)
    return out, weight / total.index_select(0, target)


class _Attend(Function):
    """One head of a graph that may be block-diagonal: h ``[sources, C]``, s ``[sources]``, t ``[targets]``, u ``[E]``.

    h comes, and its gradient goes, with its heads apart: ``[nodes, heads, C]``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        s: Tensor | None,
        t: Tensor | None,
        u: Tensor | None,
        a: Tensor | None,
        edges: CSRGraph,
        slope: float,
        dropout: float,
    ) -> tuple[Tensor, Tensor]:
        given = (h, s, t, u, a)
        if a is not None:
            s, t = (part.reshape(-1) for part in node_scores(h, a))
        h = h.view(-1, h.size(-1))
        score = h.new_zeros(edges.num_edges) if s is None else s.index_select(0, edges.by_target.neighbor)
        if t is not None:
            score += t.index_select(0, edges.target)
        if u is not None:
            score += u
        weight = segment_softmax(edges, F.leaky_relu(score, slope))
        factor = dropout_factors(weight.shape, dropout, h.dtype) if dropout else None
        signed = None
        if any(ctx.needs_input_grad):
            # weight where the score is above zero, else -weight (0 - score is +0 at both zeros), written over the score
            signed = torch.copysign(weight, torch.sub(score.new_zeros(()), score, out=score), out=score).neg_()
        if factor is not None:
            weight *= factor
        out = EdgeMatrix(edges, weight) @ h
        if signed is not None:
            ctx.edges, ctx.slope = edges, slope
            ctx.save_for_backward(*given, out, signed, factor)
            ctx.set_materialize_grads(False)
        return out, weight

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        h, s, t, u, a, out, signed, factor = ctx.saved_tensors
        g, grad_weight = grads
        g = torch.zeros_like(out) if g is None else g
        edges, slope = ctx.edges, ctx.slope
        if torch.is_grad_enabled():  # a graph of the gradient is wanted

            def by_edges(h: Tensor, s: Tensor | None, t: Tensor | None, u: Tensor | None, a: Tensor | None) -> Any:
                if a is not None:
                    s, t = (part.reshape(-1) for part in node_scores(h, a))
                return attend_by_edges(h.reshape(-1, h.size(-1)), s, t, u, edges, slope, factor)

            return *differentiable_gradients(by_edges, (h, s, t, u, a), (g, grad_weight)), None, None, None
        given = (edges, slope, signed, factor, h.view(-1, h.size(-1)), g.contiguous(), out)
        if u is None and grad_weight is None:
            grad_h, *others = _gradients(*given)
        else:
            grad_h, *others = _gradients_by_edge(*given, grad_weight)
        grad_h = grad_h.view(h.shape)
        grad_a = None if a is None else _through_scores(h, a, others[:2], grad_h)
        wanted = zip((grad_h, *others, grad_a), ctx.needs_input_grad, strict=False)
        return *(grad if needed else None for grad, needed in wanted), None, None, None


def _gradients(
    edges: CSRGraph, slope: float, signed: Tensor, factor: Tensor | None, h: Tensor, g: Tensor, out: Tensor
) -> tuple[Any, ...]:
    """The gradients in h, s and t, see :func:`attend`."""
    rows, one = edges.by_source, g.new_ones(g.size(1))
    buffer = g * out  # the dot products of rows go through one buffer, which stays in the cache
    d = buffer @ one
    b = F.leaky_relu(signed, -slope)
    lost_target = EdgeMatrix(edges, b).row_sums() * d
    lost = None
    if factor is not None:  # by source b alone is wanted in B^T d only, which costs less than to put it in that order
        lost = b * d.index_select(0, edges.target)
        b *= factor
        signed = signed * factor
    grad_target = (multiply(EdgeMatrix(edges, b).csr(), h, buffer).mul_(g) @ one).sub_(lost_target)

    signed = signed.index_select(0, rows.position)
    b = F.leaky_relu(signed, -slope)
    matrix = EdgeMatrix(edges, b, transposed=True)
    lost_source = matrix @ d if lost is None else sum_by_source(edges, lost)
    if edges.num_sources != edges.num_targets:
        buffer = torch.empty_like(h)
    grad_source = (multiply(matrix.csr(), g, buffer).mul_(h) @ one).sub_(lost_source)
    return EdgeMatrix(edges, signed.abs_(), transposed=True) @ g, grad_source, grad_target, None


def _gradients_by_edge(
    edges: CSRGraph,
    slope: float,
    signed: Tensor,
    factor: Tensor | None,
    h: Tensor,
    g: Tensor,
    out: Tensor,
    grad_weight: Tensor | None,
) -> tuple[Any, ...]:
    """The gradients in h, s, t and u."""
    grad_edge = sampled_product(EdgeMatrix(edges, signed).csr(), g, h)
    weight = signed.abs()
    if grad_weight is not None:
        grad_edge += grad_weight
    if factor is not None:
        grad_edge *= factor
        weight *= factor
    d = (g * out) @ g.new_ones(g.size(1))
    if grad_weight is not None:
        d += EdgeMatrix(edges, weight * grad_weight).row_sums()
    grad_edge -= d.index_select(0, edges.target)
    grad_edge *= F.leaky_relu(signed, -slope)
    grad_h = EdgeMatrix(edges, weight.index_select(0, edges.by_source.position), transposed=True) @ g
    return grad_h, sum_by_source(edges, grad_edge), EdgeMatrix(edges, grad_edge).row_sums(), grad_edge
