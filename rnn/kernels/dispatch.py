"""One layer in one direction: fused where that is possible, in plain operations where not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from graphreel.core.transforms import is_transforming

from ..cells import State, Weights
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.scan import plain_scan
from .buffer_pool import BufferPool
from .frame import Kernel, ScanCall, fused_scan

PATHS = ("fastest", "fused", "plain")
_FEWEST_STEPS = 4  # one step at batch 1: 65 us as a plain step, 235 us fused

_path = "fastest"


@contextmanager
def scan_path(name: str) -> Iterator[None]:
    """Within the block, in all threads: "plain" operations alone, "fused" wherever possible, or what is "fastest"."""
    global _path
    if name not in PATHS:
        raise ValueError(f"name must be one of {', '.join(PATHS)}, but got {name!r}")
    before, _path = _path, name
    try:
        yield
    finally:
        _path = before


def scan(
    kernel: Kernel,
    buffer_pool: BufferPool,
    x: Tensor,
    schedule: BatchSchedule,
    initial: State,
    weights: Weights,
    outputs: bool = True,
) -> tuple[Tensor, State]:
    """Scan all steps (see graphreel.rnn.sequence.scan).

    Args:
        kernel: the cell, in plain operations and fused.
        buffer_pool: where the fused scan's memory comes from.
        outputs: False where only the final state is wanted; h of all steps may then be left out.

    Returns:
        h of all steps [sum of counts, H], and the state [B, H] after the last step.
    """
    others = (*initial, *weights.values())
    few = len(schedule.counts) < _FEWEST_STEPS and _path != "fused"
    if _path == "plain" or few or kernel.forward is None or not _can_fuse(x, others):
        return plain_scan(kernel.cell, x, schedule, initial, weights)
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *others))
    return fused_scan(kernel, ScanCall(schedule, buffer_pool, outputs, keep), x, initial, weights)


def _can_fuse(x: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether all are ordinary tensors of one floating type on the CPU, with no transformation looking on."""
    tensors = (x, *others)
    return (
        x.dtype in (torch.float32, torch.float64)
        and all(t.device.type == "cpu" and t.dtype == x.dtype and t.layout == torch.strided for t in tensors)
        and all(type(t) in (Tensor, torch.nn.Parameter) for t in tensors)
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not is_transforming()
        and not is_in_torch_dispatch_mode()
        and not any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)
    )
