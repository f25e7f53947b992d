"""What the fused walks have in common: when they apply, and their gradients' gradients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from rnn.cells import Cell, State, Weights
from rnn.schedule import Schedule
from rnn.unroll import unroll
from rnn.workspace import Workspace


@dataclass(frozen=True)
class FusedCall:
    """The settings of one fused walk.

    Attributes:
        schedule: who takes part in which step.
        space: where its memory comes from.
        outputs: whether h of all steps is wanted, or only the final state.
        keep: whether a backward pass may follow.
    """

    schedule: Schedule
    space: Workspace
    outputs: bool
    keep: bool

    def steps(self, rows: Tensor, counts: tuple[int, ...]) -> Sequence[Tensor]:
        """Each step's part of a buffer; without a backward pass all steps use the same one."""
        return rows.split(counts) if self.keep else [rows[:n] for n in counts]


_FEWEST_STEPS = 4  # one step at batch 1: 65 us as a plain step, 235 us fused

FusedWalk = Callable[[FusedCall, Tensor, State, Weights], tuple[Tensor, ...]]


def can_fuse(schedule: Schedule, x: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether a fused walk gives the same, and is worth its preparations.

    The tensors must be ordinary ones of one floating type on the CPU, with no transformation looking on, and the steps
    more than a few.
    """
    tensors = (x, *others)
    return (
        len(schedule.counts) >= _FEWEST_STEPS
        and x.dtype in (torch.float32, torch.float64)
        and all(t.device.type == "cpu" and t.dtype == x.dtype and t.layout == torch.strided for t in tensors)
        and all(type(t) in (Tensor, torch.nn.Parameter) for t in tensors)
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and not any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)
    )


def differentiable_backward(
    cell: Cell,
    names: Sequence[str],
    call: FusedCall,
    grads: Sequence[Tensor | None],
    needs: Sequence[bool],
    x: Tensor,
    state: State,
    weights: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """The gradients of a fused walk by the plain loop, so that they can be differentiated again."""
    inputs = [x, *state, *weights]
    # Aliases, so that only this walk lies between them and its results, whatever the inputs have in common before it.
    aliases: list[Any] = [None if tensor is None else tensor.view_as(tensor) for tensor in inputs]
    first, last = 1, 1 + len(state)
    named = {name: weight for name, weight in zip(names, aliases[last:], strict=True) if weight is not None}
    y, final = unroll(cell, aliases[0], call.schedule, tuple(aliases[first:last]), named)
    outputs = [(y if call.outputs else y[:0]), *final]
    reached = [(output, grad) for output, grad in zip(outputs, grads, strict=True) if grad is not None]
    wanted = [alias for alias, need in zip(aliases, needs, strict=True) if need]
    found = iter(
        torch.autograd.grad(
            [output for output, _ in reached],
            wanted,
            [grad for _, grad in reached],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if need else None for need in needs]
