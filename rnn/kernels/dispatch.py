"""One layer in one direction: fused where that is possible, in plain operations where not."""

import torch
from torch import Tensor

from ..cells import Cell, State, Weights
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.scan import plain_scan
from .buffer_pool import BufferPool
from .frame import FusedScan, ScanCall, can_fuse


def scan(
    cell: Cell,
    fused: FusedScan | None,
    buffer_pool: BufferPool,
    x: Tensor,
    schedule: BatchSchedule,
    initial: State,
    weights: Weights,
    outputs: bool = True,
) -> tuple[Tensor, State]:
    """Scan all steps (see graphreel.rnn.sequence.scan).

    Args:
        cell: one step, from rnn/cells.py.
        fused: the same over all steps, or None.
        buffer_pool: where the fused scan's memory comes from.
        outputs: False where only the final state is wanted; h of all steps may then be left out.

    Returns:
        h of all steps [sum of counts, H], and the state [B, H] after the last step.
    """
    if fused is None or not can_fuse(schedule, x, (*initial, *weights.values())):
        return plain_scan(cell, x, schedule, initial, weights)
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *initial, *weights.values()))
    y, *final = fused(ScanCall(schedule, buffer_pool, outputs, keep), x, initial, weights)
    return y, tuple(final)
