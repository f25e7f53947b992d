"""A loss whose gradients are those of all ranks."""

import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from graphreel.training import ranks
from graphreel.training.synced_norm import synchronize


class _Summand(nn.Module):
    def __init__(self, model: nn.Module, loss: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(batch) * ranks.size()  # since DistributedDataParallel averages


def parallel(model: nn.Module, loss: Callable[[Any], Tensor], whole: bool = False) -> Callable[[Any], Tensor]:
    """A loss, of which each rank has a summand, whose gradients DistributedDataParallel adds up over the ranks.

    Args:
        whole: all of the batch goes through the model on every rank, so that its batch norms need no others.
    """
    if ranks.size() == 1:
        return loss
    if not whole:
        synchronize(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newest torch has another name for broadcast_buffers
        return DistributedDataParallel(_Summand(model, loss), broadcast_buffers=False, find_unused_parameters=True)
