"""What one seed trains, and one step of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from graphreel.training import ranks
from graphreel.training.errors import NotFinite
from graphreel.training.parallel import parallel


class Stateful(Protocol):
    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Any) -> Any: ...


@dataclass
class Task:
    """What one seed trains.

    Attributes:
        model: the weights that are trained, checkpointed, and set back to the best ones at the end.
        optimizer: its optimiser.
        batch: step number (from 0) -> batch. It depends on the seed and the step alone, so that a resumed run reads
            what an uninterrupted one would have read. Each of several ranks reads its `ranks.share` of it.
        loss: batch -> scalar loss, in training mode; of several ranks each has a summand of it, by `ranks.mean`.
        validate: () -> figures on the validation part, in eval mode without gradients.
        scheduler: stepped after every optimiser step; the experiment's settings choose it.
        carried: further state that must survive a resume, by name (a hidden state carried between batches, say).
        averaged: running mean of the model's weights, from `average_of`. Where there is one, its weights are those that
            are validated, kept as the best and tested.
        whole: every rank reads the whole batch, and has a share of what is learned from it alone.
        seed: whose it is.
        step: steps that are done.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batch: Callable[[int], Any]
    loss: Callable[[Any], Tensor]
    validate: Callable[[], dict[str, float]]
    scheduler: Any = None
    carried: dict[str, Stateful] = field(default_factory=dict)
    averaged: AveragedModel | None = None
    whole: bool = False
    seed: int = 0
    step: int = 0

    @property
    def result(self) -> nn.Module:
        """The model as it would be used if training ended now."""
        return self.model if self.averaged is None else self.averaged.module

    @cached_property
    def summand(self) -> Callable[[Any], Tensor]:
        """`loss`, whose gradients are added up over the ranks."""
        return parallel(self.model, self.loss, self.whole)


def train_step(task: Task, step: int, parameters: Sequence[Tensor], clip_norm: float | None, whose: str) -> float:
    """One step of the optimiser, the step-th from 0, on those parameters; returns the loss.

    All ranks take the same step, by the gradient of all their shares.

    Raises:
        NotFinite: the loss is not finite, or the optimiser overflows; `whose` training it was is said.
    """
    loss = task.summand(task.batch(step))
    value = ranks.summed(loss.item())[0] / ranks.size()
    if not math.isfinite(value):
        raise NotFinite(
            f"the training loss became {value} at step {step + 1} of {whose}: "
            "try a smaller --lr, or look for extreme values in the data"
        )
    task.optimizer.zero_grad()
    loss.backward()
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, clip_norm)
    try:
        task.optimizer.step()
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise NotFinite(f"the optimiser overflowed at step {step + 1} of {whose}: try a smaller --lr") from None
    if task.scheduler is not None:
        task.scheduler.step()
    if task.averaged is not None:
        task.averaged.update_parameters(task.model)
    task.step = step + 1
    return value
