"""A softmax over the edges that enter each target."""

import torch
from torch import Tensor

from .csr import CSRGraph
from .spmm import EdgeMatrix

# Scores within this range need no maximum taken off: neither their exponentials nor a sum of a million of them comes
# near the ends of float32.
_SAFE_SCORE = 60.0


def segment_softmax(edges: CSRGraph, score: Tensor) -> Tensor:
    r"""``exp(score_ij - c_i) / sum_k exp(score_ik - c_i)`` for each edge, without a graph.

    It is the same for every :math:`c_i`, which is zero where all scores are small, else the target's maximum: a
    maximum over all targets would take whole neighbourhoods below the smallest number (scores 0, 0 in one and 200 in
    another).

    Args:
        score: ``[E]`` in the by-target order; overwritten by the result.
    """
    if score.numel() and not is_small(score):
        highest = torch.segment_reduce(score, "max", offsets=edges.wide.pointer, unsafe=True)
        score -= highest.index_select(0, edges.target)
    total = EdgeMatrix(edges, score.exp_()).row_sums()
    return score.div_(total.index_select(0, edges.target))


def is_small(score: Tensor) -> bool:
    """Whether the exponentials of the scores need no maximum taken off."""
    low, high = (float(end) for end in score.aminmax())
    return low >= -_SAFE_SCORE and high <= _SAFE_SCORE  # NaN compares false, and so goes the careful way
