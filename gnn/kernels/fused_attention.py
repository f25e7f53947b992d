"""Graph attention on a GPU by fused kernels: no number is kept per edge, but for features of edges.

What a layer asks for is first checked here: whatever the kernels do not do, messages do. See triton_attention.py.
"""

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from graphreel.core.double_backward import differentiable_gradients
from graphreel.core.guard import Guard, on_device, runs_triton
from graphreel.core.transforms import is_batched

from .attention import attend_by_edges
from .csr import CSRGraph, to_csr
from .gatv2_scores import edge_scores_by_edges

_WIDEST = 1024  # features of a head: a block of four edges fills the registers of a program
_INT32_MAX = 2**31 - 1


def fused_attention_serves(h_source: Tensor, h_target: Tensor) -> bool:
    """Whether the kernels can be launched for float32 h ``[nodes, ..., heads, C]``, and agree on its device."""
    device, (*rows, width) = h_source.device, h_source.shape
    if {h_source.dtype, h_target.dtype} != {torch.float32} or not runs_triton(device):
        return False
    programs = max(rows[0], h_target.size(0)) * prod(rows[1:])
    return 0 < width <= _WIDEST and 0 < programs < _INT32_MAX and ATTENTION.passes(device)


def fused_attention(
    value: Tensor,
    source: Tensor | None,
    target: Tensor,
    edge: Tensor | None,
    att: Tensor | None,
    edges: CSRGraph,
    negative_slope: float,
) -> Tensor:
    r"""Sum the neighbours' features, weighed by a softmax over each target's edges; differentiable any number of times.

    The score is GAT's :math:`\mathrm{LeakyReLU}(s_j + t_i + u_{ij})` or, with a, GATv2's
    :math:`a \cdot \mathrm{LeakyReLU}(h_j + r_i + w_{ij})`; the gradients are those of kernels/attention.py and
    kernels/gatv2_scores.py.

    Args:
        value: h, ``[sources, heads, C]``.
        source: s, ``[sources, heads]``; None with a.
        target: t, ``[targets, heads]``, or with a r, ``[targets, heads, C]``.
        edge: u, ``[E, heads]`` in the by-target order of ``edges``, or with a w, ``[E, heads, C]``; zero if None.
        att: a, ``[heads, C]``.
        negative_slope: Slope of LeakyReLU below zero.

    Returns:
        ``[targets, heads, C]``.
    """
    return cast(Tensor, _Attention.apply(value, source, target, edge, att, edges, negative_slope))


def attention_by_messages(
    value: Tensor,
    source: Tensor | None,
    target: Tensor,
    edge: Tensor | None,
    att: Tensor | None,
    edges: CSRGraph,
    negative_slope: float,
) -> Tensor:
    """The same in plain operations over the edges."""
    if att is None:
        return attend_by_edges(value, source, target, edge, edges, negative_slope)[0]
    score = edge_scores_by_edges(value, target, edge, att, edges, negative_slope)
    return attend_by_edges(value, None, None, score, edges, 1.0)[0]


class _Attention(Function):
    @staticmethod
    def forward(
        ctx: Any,
        value: Tensor,
        source: Tensor | None,
        target: Tensor,
        edge: Tensor | None,
        att: Tensor | None,
        edges: CSRGraph,
        slope: float,
    ) -> Tensor:
        parts = [None if part is None else part.contiguous() for part in (value, source, target, edge, att)]
        heads, width = value.shape[1:]
        out, lse = value.new_empty(edges.num_targets, heads, width), value.new_empty(edges.num_targets, heads)
        _launch("forward", edges.num_targets, parts, slope, *edges.by_target[:2], out, lse)
        ctx.edges, ctx.slope = edges, slope
        ctx.save_for_backward(*parts, out, lse)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *parts, out, lse = ctx.saved_tensors
        value, source, target, edge, att = parts
        edges, slope = ctx.edges, ctx.slope
        if torch.is_grad_enabled() or is_batched(grads):  # a graph of the gradient is wanted, or many at once
            found = differentiable_gradients(
                lambda v, s, t, e, a: [attention_by_messages(v, s, t, e, a, edges, slope)],
                (value, source, target, edge, att),
                grads,
            )
            return *found, None, None
        grad, delta = grads[0].contiguous(), torch.empty_like(lse)
        grad_target, grad_edge = torch.empty_like(target), None if edge is None else torch.empty_like(edge)
        grad_att = None if att is None else torch.empty_like(target)
        by_target = (out, lse, grad, delta, grad_target, grad_edge, grad_att)
        _launch("backward_by_target", edges.num_targets, parts, slope, *edges.by_target[:2], *by_target)
        grad_value, grad_source = torch.empty_like(value), None if source is None else torch.empty_like(source)
        by_source = (lse, grad, delta, grad_value, grad_source)
        _launch("backward_by_source", edges.num_sources, parts, slope, *edges.by_source, *by_source)
        given = (grad_value, grad_source, grad_target, grad_edge, None if grad_att is None else grad_att.sum(0))
        return *(part if need else None for part, need in zip(given, ctx.needs_input_grad, strict=False)), None, None


def _launch(name: str, rows: int, parts: list[Tensor | None], slope: float, *others: Tensor | None) -> None:
    """Run a kernel with a program for each row and head."""
    value, edge, att = parts[0], parts[3], parts[4]
    assert value is not None
    heads, width = value.shape[1:]
    if rows == 0:
        return
    # a kernel reads no tensor that is missing, but wants an address
    given = [value if part is None else part for part in (*parts, *others)]
    options = {"H": heads, "C": width, "SLOPE": slope, "DYNAMIC": att is not None, "EDGE": edge is not None}
    with on_device(value.device):
        kernels()[name][(rows * heads,)](*given, **options, **block_sizes(width), enable_fp_fusion=True)


def block_sizes(width: int) -> dict[str, int]:
    """How many edges and features a program takes at a time, and by how many warps: about 16 numbers a thread."""
    features = max(8, 1 << (width - 1).bit_length())
    edges = max(4, min(32, 1024 // features))
    return {"BLOCK_E": edges, "BLOCK_C": features, "num_warps": max(1, min(8, edges * features // 512))}


@cache
def kernels() -> dict[str, Any]:
    """The kernels by name; importing Triton takes a while, and it is not everywhere."""
    from . import triton_attention as found

    return {name: getattr(found, name) for name in ("forward", "backward_by_target", "backward_by_source")}


def _check(device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """What the kernels and the messages give for both scores, on a graph with a hub, a duplicate, and idle nodes."""
    generator, nodes, heads, width = torch.Generator("cpu").manual_seed(0), 10, 2, 5
    edge_index = torch.randint(8, (2, 50), generator=generator, device="cpu")
    edge_index[1, :36] = 7
    edge_index[:, 40] = edge_index[:, 41]
    edges = to_csr(edge_index.to(device), nodes)

    def draw(*shape: int) -> Tensor:
        # whatever the caller's defaults are
        drawn = torch.randn(shape, generator=generator, device="cpu", dtype=torch.float32)
        return drawn.to(device).requires_grad_()

    results: tuple[list[Tensor], list[Tensor]] = ([], [])
    ways: tuple[Callable[..., Tensor], ...] = (fused_attention, attention_by_messages)
    for form in ((heads,), (heads, width)):
        parts = [draw(nodes, heads, width), None, draw(nodes, *form), draw(edges.num_edges, *form), draw(heads, width)]
        if form == (heads,):
            parts[1], parts[4] = draw(nodes, heads), None
        above = draw(nodes, heads, width).detach()
        leaves = [part for part in parts if part is not None]
        for way, found in zip(ways, results, strict=True):
            out = way(*parts, edges, 0.2)
            found += [out.detach(), *torch.autograd.grad(out, leaves, above)]
    return results


ATTENTION = Guard("the fused kernel of graph attention", "message passing", _check)
