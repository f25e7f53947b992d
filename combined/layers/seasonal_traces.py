"""What a state that is carried through a series remembers of it without being trained: its level and its season."""

from collections.abc import Sequence

import torch
from torch import Tensor

RATES = (0.5, 0.8, 0.95)
FORGET = 0.3
TRACES = 6 * len(RATES)  # features of `seasonal_traces`


def seasonal_traces(x: Tensor, season: int, rates: Sequence[float] = RATES, forget: float = FORGET) -> Tensor:
    r"""Levels of every node and of the network's mean, and what each was at this time of earlier seasons.

    .. math::
        l_t = r\, l_{t-1} + (1 - r)\, x_t, \qquad
        s_{t + m} = s_t + \max\bigl(\gamma, 1 / n_t\bigr)\, (l_t - s_t),

    for every rate r: the level, and, as in Holt and Winters' exponential smoothing (1960), the level to be expected at
    the same time of the next season, m steps later; n_t counts the seasons so far. Of both there is, for every step,
    :math:`[l_t, s_t, s_{t+1}]`: where things stand, where they usually stand, and where they usually go next. Nothing
    looks ahead: what comes out for a step depends on that step and those before.

    Shapes: x [steps, nodes] -> [steps, nodes, 6 * rates]. What is expected before the first season is over is 0.

    Args:
        x: the series, missing values filled in.
        season: m, the steps of a season.
        rates: r of each level, from 0 (the value itself) to below 1.
        forget: gamma, the least share by which the last season changes what is expected of the next.

    Raises:
        ValueError: a season of fewer than 2 steps, or a rate or share out of range.
    """
    if season < 2:
        raise ValueError(f"season must be at least 2 steps, got {season}")
    if not rates or not all(0 <= rate < 1 for rate in rates):
        raise ValueError(f"rates must lie from 0 to below 1, got {list(rates)}")
    if not 0 <= forget <= 1:
        raise ValueError(f"forget must lie between 0 and 1, got {forget}")
    steps, nodes = x.shape
    read = torch.stack([x, x.mean(1, keepdim=True).expand_as(x)], dim=-1)[..., None]  # [steps, nodes, 2, 1]
    rate = torch.tensor(rates, dtype=x.dtype)
    level = x.new_zeros(steps, nodes, 2, len(rates))
    state = level.new_zeros(nodes, 2, len(rates))
    for step in range(steps):
        state = rate * state + (1 - rate) * read[step]
        level[step] = state
    expected = level.new_zeros(steps + season, nodes, 2, len(rates))
    for start in range(0, steps, season):
        now = slice(start, min(start + season, steps))
        share = max(forget, 1 / (start // season + 1))
        old = expected[now]
        expected[now.start + season : now.stop + season] = old + share * (level[now] - old)
    return torch.stack([level, expected[:steps], expected[1 : steps + 1]], dim=-1).flatten(2)
