"""Attention over a list of edges in plain operations, which have gradients of any order."""

from torch import Tensor

from graphreel.core.dropout import dropout

from .segment_softmax import is_small


def attention_of(score: Tensor, target: Tensor, num_targets: int) -> tuple[Tensor, Tensor]:
    r"""A softmax over each target's edges, not divided yet: :math:`\exp(e_{ij} - c_i)` and its sum over j.

    Args:
        score: ``[E, ...]``.
        target: ``[E]``.

    Returns:
        ``[E, ...]``, and the sums ``[num_targets, ...]``, one for a target without edges.
    """
    zero = score.new_zeros(num_targets, *score.shape[1:])
    if score.numel() and not is_small(score.detach()):
        index = target.long().view(-1, *[1] * (score.dim() - 1)).expand_as(score)
        highest = zero.scatter_reduce(0, index, score.detach(), "amax", include_self=False)
        score = score - highest.index_select(0, target)
    weight = score.exp()
    total = zero.index_add(0, target, weight)
    return weight, total.masked_fill(total == 0.0, 1.0)


def attend_edge_list(
    h: Tensor,
    score: Tensor,
    source: Tensor,
    target: Tensor,
    num_targets: int,
    p: float = 0.0,
    factor: Tensor | None = None,
    sent: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum the neighbours' features, weighed by a softmax of the scores over each target's edges.

    Args:
        h: ``[sources, ..., C]``.
        score: ``[E, ...]``.
        source: ``[E]``.
        target: ``[E]``.
        p: Probability of dropping a weight.
        factor: What dropout multiplies each weight by, like ``score``, in place of drawing it.
        sent: ``h`` of each edge's source, where it is at hand.

    Returns:
        ``[num_targets, ..., C]``, and the weights as :func:`attention_of` gives them, after dropout.
    """
    weight, total = attention_of(score, target, num_targets)
    weight = dropout(weight, p) if factor is None else weight * factor
    messages = weight.unsqueeze(-1) * (h.index_select(0, source) if sent is None else sent)
    out = h.new_zeros(num_targets, *h.shape[1:]).index_add(0, target, messages)
    return out / total.unsqueeze(-1), weight, total
