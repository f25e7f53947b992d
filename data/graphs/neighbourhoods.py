"""How often each kind of neighbourhood comes in a graph: the colours of Weisfeiler and Lehman, counted."""

import torch
from torch import Tensor

_ROUNDS, _BUCKETS = 2, 256
NEIGHBOURHOODS = _ROUNDS * _BUCKETS
_PRIME = 2**31 - 1


def neighbourhood_counts(x: Tensor, edge_index: Tensor, batch: Tensor, graphs: int) -> Tensor:
    """Counts [graphs, 2 * 256] of the colours that nodes have after one and after two rounds.

    A node's first colour is its row of x; each round joins it to the multiset of its neighbours' colours (Shervashidze
    et al., "Weisfeiler-Lehman Graph Kernels", JMLR 2011). No network that passes messages once or twice tells more
    graphs apart (Xu et al., 2019). Colours are hashed, alike in every graph and every run.

    Args:
        x: [N, F], rounded to eighths.
        edge_index: [2, E].
        batch: [N], the graph of each node.
    """
    weights = torch.arange(1, x.size(1) + 1, device=x.device) * 2654435761 % _PRIME
    colour = ((x * 8).round().long() * weights).sum(1) % _PRIME
    counts = []
    for _ in range(_ROUNDS):
        given = _mixed(_mixed(colour[edge_index[0]]) + 17)
        near = torch.zeros_like(colour).index_add_(0, edge_index[1], given) % _PRIME
        colour = _mixed(colour * 31 + near)
        bucket = batch * _BUCKETS + colour % _BUCKETS
        counts.append(bucket.bincount(minlength=graphs * _BUCKETS).view(graphs, _BUCKETS))
    return torch.cat(counts, dim=1).float()


def _mixed(colour: Tensor) -> Tensor:
    return ((colour * 1103515245 + 12345) % _PRIME) ^ (colour >> 7)
