"""One layer in one direction: fused where that is possible, in plain operations where not."""

import torch
from torch import Tensor

from rnn.cells import Cell, State, Weights
from rnn.fused import FusedCall, FusedWalk, can_fuse
from rnn.schedule import Schedule
from rnn.unroll import unroll
from rnn.workspace import Workspace


def walk(
    cell: Cell,
    fused: FusedWalk | None,
    space: Workspace,
    x: Tensor,
    schedule: Schedule,
    initial: State,
    weights: Weights,
    outputs: bool = True,
) -> tuple[Tensor, State]:
    """Walk through all steps (see rnn.unroll).

    Args:
        cell: one step, from rnn.cells.
        fused: the same over all steps, or None.
        space: where the fused walk's memory comes from.
        outputs: False where only the final state is wanted; h of all steps may then be left out.

    Returns:
        h of all steps [sum of counts, H], and the state [B, H] after the last step.
    """
    if fused is None or not can_fuse(schedule, x, (*initial, *weights.values())):
        return unroll(cell, x, schedule, initial, weights)
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *initial, *weights.values()))
    y, *final = fused(FusedCall(schedule, space, outputs, keep), x, initial, weights)
    return y, tuple(final)
