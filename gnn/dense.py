"""The layers as their formulas over a dense adjacency matrix: O(N^2), to be read and to be compared with."""

import torch
import torch.nn.functional as F
from torch import Tensor


def dense_gcn(x: Tensor, adjacency: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Graph convolution, :math:`X' = \hat A X W^\top + b`.

    Args:
        x: ``[..., N, F]``.
        adjacency: :math:`\hat A[target, source]`, ``[N, N]``, taken as it is: see :func:`gnn.normalized_adjacency`.
        weight: W ``[C, F]``, the ``lin.weight`` of :class:`gnn.GCNConv`.
        bias: b ``[C]``.

    Returns:
        ``[..., N, C]``.
    """
    out = adjacency @ (x @ weight.t())
    return out if bias is None else out + bias


def dense_gat(
    x: Tensor,
    adjacency: Tensor,
    weight: Tensor,
    att_src: Tensor,
    att_dst: Tensor,
    bias: Tensor | None = None,
    negative_slope: float = 0.2,
    concat: bool = True,
) -> Tensor:
    r"""Graph attention, for each head :math:`h_i' = \sum_j \alpha_{ij} W h_j` with

    .. math::
        e_{ij} = \mathrm{LeakyReLU}(a_{src}^\top W h_j + a_{dst}^\top W h_i), \qquad
        \alpha_{ij} = \frac{A_{ij} \exp e_{ij}}{\sum_k A_{ik} \exp e_{ik}}.

    Args:
        x: ``[..., N, F]``.
        adjacency: A[target, source] ``[N, N]``, self-loops included, taken as it is: 0 is no edge, 2 a double edge.
        weight: W ``[H * C, F]``, the ``lin.weight`` of :class:`gnn.GATConv`.
        att_src: ``[1, H, C]`` or ``[H, C]``.
        att_dst: ``[1, H, C]`` or ``[H, C]``.
        bias: ``[H * C]``, or ``[C]`` where heads are averaged.
        negative_slope: Slope of LeakyReLU below zero.
        concat: Lay the heads side by side; False averages them.

    Returns:
        ``[..., N, H * C]`` or ``[..., N, C]``.
    """
    att_src, att_dst = att_src.view(att_src.shape[-2:]), att_dst.view(att_dst.shape[-2:])
    h = (x @ weight.t()).unflatten(-1, att_src.shape)
    source_score = (h * att_src).sum(-1)
    target_score = (h * att_dst).sum(-1)
    score = F.leaky_relu(target_score.unsqueeze(-2) + source_score.unsqueeze(-3), negative_slope)
    return _attend(score, adjacency, h, bias, concat)


def dense_gatv2(
    x: Tensor,
    adjacency: Tensor,
    weight_l: Tensor,
    weight_r: Tensor,
    att: Tensor,
    bias: Tensor | None = None,
    bias_l: Tensor | None = None,
    bias_r: Tensor | None = None,
    negative_slope: float = 0.2,
    concat: bool = True,
) -> Tensor:
    r"""Graph attention with a score that depends on both nodes at once (`Brody et al., 2022`_):

    .. math::
        e_{ij} = a^\top \mathrm{LeakyReLU}(W_l h_j + b_l + W_r h_i + b_r), \qquad
        h_i' = \sum_j \alpha_{ij} (W_l h_j + b_l)

    with the softmax of :func:`dense_gat`.

    .. _Brody et al., 2022: https://arxiv.org/abs/2105.14491

    Args:
        x: ``[..., N, F]``.
        adjacency: A[target, source] ``[N, N]``, self-loops included, taken as it is: 0 is no edge, 2 a double edge.
        weight_l: ``[H * C, F]``, the ``lin_l.weight`` of :class:`gnn.GATv2Conv`.
        weight_r: ``[H * C, F]``, its ``lin_r.weight``.
        att: ``[1, H, C]`` or ``[H, C]``.
        bias: ``[H * C]``, or ``[C]`` where heads are averaged.
        bias_l: ``[H * C]``, its ``lin_l.bias``.
        bias_r: ``[H * C]``, its ``lin_r.bias``.
        negative_slope: Slope of LeakyReLU below zero.
        concat: Lay the heads side by side; False averages them.

    Returns:
        ``[..., N, H * C]`` or ``[..., N, C]``.
    """
    att = att.view(att.shape[-2:])
    source = F.linear(x, weight_l, bias_l).unflatten(-1, att.shape)
    target = F.linear(x, weight_r, bias_r).unflatten(-1, att.shape)
    score = (att * F.leaky_relu(target.unsqueeze(-3) + source.unsqueeze(-4), negative_slope)).sum(-1)
    return _attend(score, adjacency, source, bias, concat)


def _attend(score: Tensor, adjacency: Tensor, h: Tensor, bias: Tensor | None, concat: bool) -> Tensor:
    """score ``[..., N, N, H]`` (target, source, head), h ``[..., N, H, C]``."""
    edges = adjacency.unsqueeze(-1)
    score = score.masked_fill(edges == 0, float("-inf"))
    # per target, not over all: with one maximum for all targets whole neighbourhoods would underflow
    lowest = torch.finfo(score.dtype).min
    highest = F.pad(score.detach(), (0, 0, 0, 1), value=lowest).amax(dim=-2, keepdim=True).clamp(min=lowest)
    weight = edges * (score - highest).exp()
    total = weight.sum(dim=-2, keepdim=True)
    alpha = weight / total.masked_fill(total == 0, 1.0)
    out = torch.einsum("...tsh,...shc->...thc", alpha, h)
    out = out.flatten(-2) if concat else out.mean(dim=-2)
    return out if bias is None else out + bias
