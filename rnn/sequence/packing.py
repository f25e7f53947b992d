"""Sequences of different lengths side by side, aligned at their ends.

A recurrent layer scans through time with a batch that grows: the longest sequences start first, shorter ones join when
their first step comes, and all of them end at the last step. No step is spent on padding, the state after the last
step is every sequence's final state, and padding on the right, padding on the left, a PackedSequence and the reverse
direction are all the same scan over differently chosen rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .batch_schedule import BatchSchedule


@dataclass(frozen=True)
class Packing:
    """Which row of the input every step reads.

    Attributes:
        schedule: who takes part in which step; the batch grows from step to step.
        rows: [sum of counts] row of the flat input [rows, features] that each step's members read, in the order of
            steps; None where that is 0, 1, 2, ...
        order: [B] the sequence of the caller's batch at each place of the scan, longest first; None where unchanged.
        num_rows: rows of the flat input.
    """

    schedule: BatchSchedule
    rows: Tensor | None
    order: Tensor | None
    num_rows: int

    def gather(self, flat: Tensor) -> Tensor:
        """Rows of the input [rows, F] in the order of the scan [sum of counts, F]."""
        return flat if self.rows is None else flat.index_select(0, self.rows)

    def scatter(self, scanned: Tensor) -> Tensor:
        """The inverse of gather: outputs back at their rows [rows, F], zero at padding."""
        if self.rows is None:
            return scanned
        return scanned.new_zeros(self.num_rows, scanned.shape[1]).index_copy(0, self.rows, scanned)

    def sort(self, state: Tensor) -> Tensor:
        """States [B, H] from the caller's order into that of the scan."""
        return state if self.order is None else state.index_select(0, self.order)

    def unsort(self, state: Tensor) -> Tensor:
        """States [B, H] from the order of the scan into the caller's."""
        return state if self.order is None else state.index_select(0, self.order.argsort())


def full_packing(steps: int, batch: int, device: torch.device, directions: int = 2) -> tuple[Packing, ...]:
    """Packings (forward, reverse, or the first alone) of a time-major rectangle [T * B, F] without padding."""
    schedule, num_rows = BatchSchedule((batch,) * steps), steps * batch
    forward = Packing(schedule, None, None, num_rows)
    if directions == 1:
        return (forward,)
    backward = torch.arange(num_rows, device=device).view(steps, batch).flip(0).flatten()
    return forward, Packing(schedule, backward, None, num_rows)


def span_packing(first: Tensor, lengths: Tensor, steps: int, device: torch.device) -> tuple[Packing, ...]:
    """Packings (forward, reverse) of a rectangle [T * B, F] where sequence b fills lengths[b] steps from first[b]."""
    batch = len(lengths)
    if bool((lengths == steps).all()):
        return full_packing(steps, batch, device)
    lengths, order = lengths.sort(descending=True, stable=True)
    first = first[order]

    def row(time: Tensor, place: Tensor) -> Tensor:
        return (first[place] + time) * batch + order[place]

    return _packing(lengths, order, row, steps * batch, device)


def sequence_packing(batch_sizes: Tensor, order: Tensor | None, device: torch.device) -> tuple[Packing, Packing]:
    """Packings (forward, reverse) of the rows of a PackedSequence."""
    offsets = batch_sizes.cumsum(0) - batch_sizes
    lengths = (batch_sizes[:, None] > torch.arange(int(batch_sizes[0]), device="cpu")).sum(0)
    return _packing(lengths, order, lambda time, place: offsets[time] + place, int(batch_sizes.sum()), device)


def _packing(
    lengths: Tensor, order: Tensor | None, row: Callable[[Tensor, Tensor], Tensor], num_rows: int, device: torch.device
) -> tuple[Packing, Packing]:
    """`lengths` falls from place to place; `row(time, place)` is the flat row of a sequence's own step `time`."""
    steps = int(lengths[0])
    start = steps - lengths
    under_way = start[None, :] <= torch.arange(steps, device="cpu")[:, None]
    schedule = BatchSchedule(tuple(under_way.sum(1).tolist()))
    step, place = under_way.nonzero(as_tuple=True)
    time = step - start[place]
    order = None if order is None else order.to(device)
    forward, backward = row(time, place).to(device), row(lengths[place] - 1 - time, place).to(device)
    return Packing(schedule, forward, order, num_rows), Packing(schedule, backward, order, num_rows)


def spans_of(lengths: Tensor | Sequence[int], steps: int, batch: int, padding_side: str) -> tuple[Tensor, Tensor]:
    """First step and number of steps of each sequence, on the CPU."""
    expected = f"lengths must be {batch} integers, one per sequence"
    try:
        spans = torch.as_tensor(lengths, device="cpu")
    except (OverflowError, RuntimeError, TypeError, ValueError):
        raise ValueError(f"{expected}, but got {lengths!r}") from None
    if spans.shape != (batch,) or spans.is_floating_point() or spans.is_complex() or spans.dtype == torch.bool:
        raise ValueError(f"{expected}, but got {spans.dtype} of shape {tuple(spans.shape)}")
    spans = spans.long()
    if batch and not 1 <= int(spans.min()) <= int(spans.max()) <= steps:
        worst = int(spans.min()) if int(spans.min()) < 1 else int(spans.max())
        raise ValueError(f"lengths must lie between 1 and the number of steps {steps}, but got {worst}")
    return (torch.zeros_like(spans) if padding_side == "right" else steps - spans), spans
