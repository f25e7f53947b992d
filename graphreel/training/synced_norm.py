"""Batch normalisation over the batches of all ranks; torch's SyncBatchNorm is for GPUs alone."""

from typing import Any

import torch
import torch.distributed as group
from torch import Tensor, nn

from graphreel.training import ranks


class _Summed(torch.autograd.Function):
    """The sum over the ranks, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # type: ignore[override]
        total = own.clone()
        group.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _Summed.forward(ctx, gradient)


class SyncedNorm(nn.BatchNorm1d):
    """torch.nn.BatchNorm1d, whose mean and variance in training are those of the shares of all ranks together.

    Shapes: x [rows, features] or [rows, features, steps]. As many ranks as there are must call it; one whose share
    counts nothing adds nothing. A single row is normalised by the running figures, which it leaves as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        over = [dim for dim in range(x.dim()) if dim != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        counts = x.new_full((1,), x.numel() / x.size(1))
        sums = _Summed.apply(ranks.weight() * torch.cat([x.sum(over), counts]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        variance = _Summed.apply(ranks.weight() * (x - mean.view(shape)).square().sum(over)) / count
        running: Any = (self.running_mean, self.running_var)
        if count <= 1:
            mean, variance = running
        else:
            with torch.no_grad():
                self.num_batches_tracked += 1  # type: ignore[operator, assignment]
                for old, new in zip(running, (mean, variance * count / (count - 1)), strict=True):
                    old.lerp_(new, self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)


def synchronize(model: nn.Module) -> None:
    """Make every batch norm of a model one of all ranks; its weights stay those that an optimiser has."""
    for module in model.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = SyncedNorm
