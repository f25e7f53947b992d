"""Nodes pooled by frame, or ordered along their tracks, without a loop."""

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

POOLS = ("mean", "max", "attention", "concat", "people")


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


def attend_people(
    x: Tensor, group: Tensor, groups: int, place: Tensor, joints: int, score: nn.Module
) -> tuple[Tensor, Tensor]:
    r"""Lay each person's joints side by side, and pool the people of a group by attention:

    .. math:: \sum_m \alpha_m p_m, \qquad \alpha = \mathrm{softmax}_m(w^\top p_m + b),

    over those of whom a joint is there. In which order people come does not matter, nor how many there are.

    Args:
        x, group, groups: as for `pool_nodes`.
        place: [nodes]; joint j of person m is m * joints + j.
        score: takes p [..., joints * features] to [..., 1].

    Returns:
        rows [groups, joints * features], zeros where nobody is, and the weight [nodes] that each node's person has,
        shared among the joints that are there.
    """
    people = int(place.max()) // joints + 1 if len(place) else 1
    person = group * people + place // joints
    rows = concatenate_nodes(x, person, groups * people, place % joints, joints)[0].view(groups, people, -1)
    counts = torch.bincount(person, minlength=groups * people)
    there = (counts > 0).view(groups, people)
    scores = score(rows).squeeze(-1).masked_fill(~there, torch.finfo(x.dtype).min)
    weights = scores.softmax(1) * there
    shares = weights.flatten() / counts.clamp(min=1)
    return torch.einsum("gm,gmf->gf", weights, rows), shares[person]


def follow_tracks(frame: Tensor, track: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Order nodes by track and, within a track, by frame.

    Returns:
        order [nodes]; lengths [tracks with nodes], how many frames each is seen in; the names of these tracks.
    """
    order = (track * frames + frame).argsort()
    names, lengths = torch.unique_consecutive(track[order], return_counts=True)
    return order, lengths, names
