"""The numerator of a softmax over each target's edges."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gnn.sorted_edges import SortedEdges

__all__ = ["exponentials", "target_maximum"]

# Scores within this range need no maximum taken off: neither their exponentials nor a sum of a million of them, nor a
# gradient divided by it, comes near the ends of float32.
_SAFE_SCORE = 20.0


def exponentials(
    edges: SortedEdges,
    source_score: Tensor,
    target_score: Tensor | None,
    edge_score: Tensor | None,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    r"""``exp(LeakyReLU(s_j + t_i + u_ij) - c_i)`` for each edge, and ``s_j + t_i + u_ij``.

    A softmax is the same for every :math:`c_i`. It is zero where all scores are small, else the target's maximum: a
    maximum over all targets would take whole neighbourhoods below the smallest number (scores 0, 0 in one and 200 in
    another).

    Args:
        edges: The graph.
        source_score: s ``[sources]``.
        target_score: t ``[targets]``, zero if None.
        edge_score: u ``[E]`` in the by-target order, zero if None.
        negative_slope: Slope of LeakyReLU below zero.
    """
    score = source_score.index_select(0, edges.by_target.neighbor)
    if target_score is not None:
        score += target_score.index_select(0, edges.target)
    if edge_score is not None:
        score += edge_score
    weight = F.leaky_relu(score, negative_slope)
    if not _small(weight, source_score, target_score, edge_score, negative_slope):
        weight -= target_maximum(edges, weight).index_select(0, edges.target)
    return weight.exp_(), score


def target_maximum(edges: SortedEdges, values: Tensor) -> Tensor:
    """The largest value on each target's edges, ``[targets]``; minus infinity where there is no edge."""
    return torch.segment_reduce(values, "max", offsets=edges.wide.pointer, unsafe=True)


def _small(weight: Tensor, source: Tensor, target: Tensor | None, edge: Tensor | None, negative_slope: float) -> bool:
    if not weight.numel() or abs(negative_slope) > 1.0:
        return not weight.numel()
    parts = [part for part in (source, target, edge) if part is not None]
    # NaN compares false, and so goes the careful way
    return sum(float(torch.linalg.vector_norm(part, float("inf"))) for part in parts) <= _SAFE_SCORE
