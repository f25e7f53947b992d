"""Nodes pooled by frame, or ordered along their tracks, without a loop."""

import torch
from torch import Tensor
from torch_geometric.utils import scatter, softmax

POOLS = ("mean", "max", "attention", "concat")


def pool_nodes(x: Tensor, group: Tensor, groups: int, pool: str, scores: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pool the rows of x by group: rows [groups, features], and the weight [nodes] that each node had in its group.

    A group without nodes gets zeros. `attention` weighs by a softmax of `scores` [nodes] within each group; of `max`
    the weights differ by feature: those of the mean are given.
    """
    counts = torch.bincount(group, minlength=groups).clamp(min=1)
    if pool == "attention":
        assert scores is not None
        weights = softmax(scores, group, num_nodes=groups)
        return scatter(x * weights[:, None], group, dim=0, dim_size=groups, reduce="sum"), weights
    weights = counts.reciprocal().to(x.dtype)[group]
    return scatter(x, group, dim=0, dim_size=groups, reduce=pool), weights


def concatenate_nodes(x: Tensor, group: Tensor, groups: int, place: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Lay the rows of each group side by side, each in its place: [groups, places * features], zeros where none is."""
    rows = x.new_zeros(groups * places, x.size(1)).index_put((group * places + place,), x)
    counts = torch.bincount(group, minlength=groups).clamp(min=1)
    return rows.view(groups, -1), counts.reciprocal().to(x.dtype)[group]


def follow_tracks(frame: Tensor, track: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Order nodes by track and, within a track, by frame.

    Returns:
        order [nodes]; lengths [tracks with nodes], how many frames each is seen in; the names of these tracks.
    """
    order = (track * frames + frame).argsort()
    names, lengths = torch.unique_consecutive(track[order], return_counts=True)
    return order, lengths, names
