"""What validation says of a forecaster: how much of it and of its baselines to use, and how far values lie from it."""

import math

import torch
from torch import Tensor

STEPS, RATE = 200, 0.1
TINY, FLOOR = 1e-12, 0.3  # the least error that others are compared with: of all, and of a node as a share of all's
LEAST = -10.0  # logarithm of the least share that a forecast starts with
FAR = 100.0  # times the error of a node's best: a forecast so far off has no share, since any would move the node
CAUTION = 10.0, 60.0  # what a departure from the first shares costs for all nodes together, and for a node


def shares(errors: Tensor, observed: Tensor, power: int) -> Tensor:
    r"""Shares [forecasts, nodes] of several forecasts in one, for every node; they are positive and sum to 1.

    .. math:: \min_s \; n\, \frac{L(s)}{\min_k L_k} + c\, \mathrm{KL}(s \,\|\, s_0)

    first for all nodes together, from shares s_0 that fall exponentially with :math:`n L_k`, then for each node, from
    those of all: the n windows that share no target must speak clearly before a node has shares of its own. Nodes err
    alike, so that N of them count as the root of N. L is the mean of errors to the power.

    Args:
        errors: [forecasts, windows, horizon, nodes], in the same units for all nodes.
        observed: bool [windows, horizon, nodes].
        power: 2 for a forecast of the mean, 1 for one of the median.
    """
    errors = errors * observed
    count = observed.sum((0, 1)).clamp(min=1)
    each = (errors.abs() ** power).sum((1, 2))
    usual = (each.sum(1).min() / count.sum()).clamp(min=TINY)
    unit = torch.maximum((each / count).min(0).values, FLOOR * usual)
    far = each / count > FAR**power * unit

    def mixture(logits: Tensor) -> Tensor:
        if not far.any():
            return logits.softmax(0).expand(-1, len(count))
        return logits.expand(-1, len(count)).masked_fill(far, -1e4).softmax(0)

    def best(start: Tensor, unit: Tensor, weight: float, caution: float) -> Tensor:
        logits = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([logits], RATE)
        for _ in range(STEPS):
            mixed = torch.einsum("kn,kwhn->whn", mixture(logits), errors)
            cost = ((mixed.abs() ** power).sum((0, 1)) / unit).sum() / observed.size(1)
            away = (logits.softmax(0) * (logits.log_softmax(0) - start.log_softmax(0))).sum()
            optimizer.zero_grad()
            (weight * cost + caution * away).backward()
            optimizer.step()
        return logits.detach()

    with torch.enable_grad():
        weight = len(count) ** -0.5
        worse = (each.sum(1, keepdim=True) / usual - count.sum()) / observed.size(1)
        every = best((-weight * worse).clamp(min=LEAST), usual, weight, CAUTION[0])
        return mixture(best(every.expand(-1, len(count)), unit, 1.0, CAUTION[1]))


def band(errors: Tensor, observed: Tensor, usual: Tensor, coverage: float) -> Tensor:
    """How far from the forecast values lie at most, in a share `coverage` of all cases: [horizon, nodes].

    Split conformal prediction (Lei et al., 2018): for every step ahead the quantile of the validation part's errors,
    each in units of its node's usual one, so that all nodes together tell it even where validation is short. Of the n
    errors only those count for its correction by (n + 1) / n that tell of something else: windows that share no target,
    and N nodes, which err alike, as the root of N.

    Args:
        errors, observed: [windows, horizon, nodes].
        usual: [nodes].
    """
    found, apart = [], max(1.0, errors.size(0) / errors.size(1) * errors.size(2) ** 0.5)
    level = min(1.0, (apart + 1) / apart * coverage)
    for step in range(errors.size(1)):
        sizes = (errors[:, step].abs() / usual)[observed[:, step]].sort().values
        found.append(sizes[math.ceil(len(sizes) * level) - 1] if len(sizes) else torch.tensor(math.nan))
    return torch.stack(found)[:, None] * usual
