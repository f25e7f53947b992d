"""The plain loop through time: one cell step after another, in ordinary autograd operations.

This is the definition that the fused scans are tested against, and what runs wherever they do not apply: in half
precision, under transforms of torch.func, with zoneout, recurrent dropout or layer normalisation on a CPU.
"""

import torch
from torch import Tensor

from ..cells import Cell, Gates, State, Weights
from .batch_schedule import BatchSchedule


def plain_scan(
    cell: Cell,
    x: Tensor,
    schedule: BatchSchedule,
    initial: State,
    weights: Weights,
    drop: Tensor | None = None,
    zoneout: tuple[float, bool] = (0.0, False),
) -> tuple[Tensor, State]:
    """Scan all steps with a batch that grows (see graphreel.rnn.sequence.packing).

    Args:
        cell: one step, from graphreel.rnn.cells.
        x: [sum of counts, I] the inputs of all steps.
        schedule: who takes part in which step.
        initial: each sequence's state [B, H] before its first step.
        drop: [B, H] mask for the recurrent products.
        zoneout: probability of keeping a unit of the state as it was (Krueger et al., 2017), and whether this is
            training; in evaluation the expectation is taken.

    Returns:
        h of all steps [sum of counts, H], and the state [B, H] after the last step.
    """
    outputs, _, state = _scan(cell, x, schedule, initial, weights, drop, zoneout)
    return torch.cat(outputs), state


def scan_gates(cell: Cell, x: Tensor, schedule: BatchSchedule, initial: State, weights: Weights) -> Gates:
    """The gates of all steps, by name [sum of counts, H], and the state: "h", and "c" where the cell has one."""
    _, gates, _ = _scan(cell, x, schedule, initial, weights, None, (0.0, False))
    return {name: torch.cat([step[name] for step in gates]) for name in gates[0]}


def _scan(
    cell: Cell,
    x: Tensor,
    schedule: BatchSchedule,
    initial: State,
    weights: Weights,
    drop: Tensor | None,
    zoneout: tuple[float, bool],
) -> tuple[list[Tensor], list[Gates], State]:
    outputs, all_gates = [], []
    state = tuple(part[:0] for part in initial)
    for step, x_t in enumerate(x.split(schedule.counts)):
        state = schedule.enter(step, state, initial)
        new, gates = cell(x_t, state, weights, None if drop is None else drop[: len(x_t)])
        state = new if zoneout[0] == 0 else tuple(_zoned_out(a, b, *zoneout) for a, b in zip(state, new, strict=True))
        outputs.append(state[0])
        all_gates.append(gates | dict(zip(("h", "c"), state, strict=False)))
    return outputs, all_gates, state


def _zoned_out(old: Tensor, new: Tensor, probability: float, training: bool) -> Tensor:
    if training:
        return torch.where(torch.rand_like(new) < probability, old, new)
    return probability * old + (1 - probability) * new
