"""Which way a layer is scanned: by torch.nn's own operator, fused, or in plain operations. All rules stand here.

The figures are milliseconds of one layer's call on one thread of an EPYC, torch's operator against the fused scan.
"""

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
from .gpu_scan import gpu_scan, gpu_scan_serves

PATHS = ("fastest", "torch", "fused", "plain", "triton")
_FEWEST_STEPS = 4  # one step at batch 1: 65 us as a plain step, 235 us fused
_MANY_STEPS = 40
_LARGE_STEP = 2**15  # units of a batch
_LARGE_LSTM = 800_000  # units of all steps of a batch
_WIDE_LSTM = 256
_WIDE_GRU = 256
_FEW_PACKED_STEPS = 16

_path = "fastest"


@contextmanager
def scan_path(name: str) -> Iterator[None]:
    """Choose within the block, in all threads: by "torch"'s operators, "fused" or by "triton" (a GPU's kernels) where
    that is possible, by "plain" operations alone, or what is "fastest"."""
    global _path
    if name not in PATHS:
        raise ValueError(f"name must be one of {', '.join(PATHS)}, but got {name!r}")
    before, _path = _path, name
    try:
        yield
    finally:
        _path = before


def prefers_torch(torch_op: str, x: Tensor, hidden: int, fused: bool = True, sizes: Tensor | None = None) -> bool:
    """Whether torch's operator is the way for a whole layer over x [T, B, I] that asks for nothing else.

    `sizes` are the batch_sizes where x are the rows of sequences of different length.

    Exporters and autocast see that operator as they see it in torch.nn's layer, and so does another device; compilers,
    transforms of torch.func and modes that look at single operations get the plain ones.
    """
    if _path != "fastest":
        return _path == "torch"
    if sizes is not None and fused and x.device.type == "cpu":
        plain = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if not plain or not _packed_is_faster(torch_op, len(sizes), int(sizes[0]), hidden, torch.is_grad_enabled()):
            return False
    if is_transforming():
        if torch.compiler.is_compiling():  # inductor knows no oneDNN layer with a backward pass
            return bool(getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)())
        return torch.jit.is_tracing()
    if is_in_torch_dispatch_mode():
        return False
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or not fused or sizes is not None:
        return True
    return x.dtype == torch.float32 and _torch_is_faster(torch_op, len(x), x.shape[1], hidden, torch.is_grad_enabled())


def _packed_is_faster(torch_op: str, steps: int, batch: int, hidden: int, training: bool) -> bool:
    """T=5 to 100, B=4 to 128, H=32 to 256: where sequences are short, or nothing is trained and steps are small."""
    if training:  # torch's over ours, LSTM, GRU, RNN: T=12 B=32 H=64 .94, 1.0, .88, T=20 1.2, 1.1, 1.0
        return steps <= _FEW_PACKED_STEPS
    if torch_op == "lstm":  # T=60 B=64 H=128 .87, T=100 B=64 H=256 1.14
        return batch * hidden < _LARGE_STEP // 2
    return torch_op != "gru" or hidden <= _WIDE_GRU  # T=100 B=64 H=256 .87, T=60 B=64 H=512 1.2; RNN .8, 1.0


def _torch_is_faster(torch_op: str, steps: int, batch: int, hidden: int, training: bool) -> bool:
    """The rules, from a grid of T = 10, 100, B = 1 .. 256, H = 32 .. 512 (python -m benchmarks.rnn --only grid)."""
    if steps < _FEWEST_STEPS:
        return True
    if torch_op == "lstm":  # by oneDNN: T=100 B=16 H=128 4.1 against 7.9; training T=100 B=256 H=128 299 against 204
        return not training or steps * batch * hidden < _LARGE_LSTM or hidden > _WIDE_LSTM
    if not training:  # T=100 B=16 H=32 2.1 against 4.4, T=100 B=64 H=512 187 against 146
        return batch * hidden < _LARGE_STEP
    # T=10 B=64 H=32 2.1 against 2.2, T=100 B=1 H=32 9.8 against 6.9, T=10 B=64 H=512 57 against 48
    return steps < _MANY_STEPS and batch * hidden < _LARGE_STEP // 2


def by_torch(
    torch_op: str, x: Tensor, state: State, weights: Sequence[Tensor], bias: bool, layers: int, bidirectional: bool,
    batch_sizes: Tensor | None = None, dropout: float = 0.0,
) -> tuple[Tensor, State]:  # fmt: skip
    """A stack of layers over x [T, B, I], or over packed rows: h of the last one, the final states."""
    gpu = x.device.type == "cuda"
    state = tuple(part.contiguous() for part in state) if gpu else state
    hx, op = state if len(state) == 2 else state[0], getattr(torch, torch_op)
    train = gpu and (dropout > 0 or torch.is_grad_enabled())  # cuDNN keeps what a backward pass reads in training alone
    if batch_sizes is not None:
        y, *final = op(x, batch_sizes, hx, weights, bias, layers, dropout, train, bidirectional)
        return y, tuple(final)
    plain = torch_op == "lstm" and not gpu and len(x) == 1 and state[0].shape == state[1].shape and not bidirectional
    if plain and not is_transforming() and not torch.is_autocast_enabled("cpu"):
        return _one_lstm_step(x[0], state, weights, layers)
    y, *final = op(x, hx, weights, bias, layers, dropout, train, bidirectional, False)
    return y, tuple(final)


def _one_lstm_step(h: Tensor, state: State, weights: Sequence[Tensor], layers: int) -> tuple[Tensor, State]:
    """By torch's cell: B=1 H=128 .04 against .13, B=1 H=512 .5 against 7.6, for oneDNN lays out its weights anew."""
    each, states = len(weights) // layers, []
    for layer in range(layers):
        h, c = torch.lstm_cell(h, [part[layer] for part in state], *weights[each * layer : each * (layer + 1)])
        states.append((h, c))
    return h[None], tuple(torch.stack(parts) for parts in zip(*states, strict=True))


def scan(
    kernel: Kernel,
    buffer_pool: BufferPool,
    x: Tensor,
    schedule: BatchSchedule,
    initial: State,
    weights: Weights,
    outputs: bool = True,
    drop: Tensor | None = None,
    zoneout: tuple[float, bool] = (0.0, False),
) -> tuple[Tensor, State]:
    """Scan all steps (see graphreel.rnn.sequence.scan).

    Args:
        kernel: the cell, in plain operations and fused.
        buffer_pool: where the fused scan's memory comes from.
        outputs: False where only the final state is wanted; h of all steps may then be left out.
        drop, zoneout: as in plain_scan.

    Returns:
        h of all steps [sum of counts, H], and the state [B, H] after the last step.
    """
    others = (*initial, *weights.values())
    if _by_triton(x, others) and gpu_scan_serves(kernel.cell, x, schedule, initial, weights, drop):
        return gpu_scan(kernel.cell, x, schedule, initial, weights, zoneout)
    few = len(schedule.counts) < _FEWEST_STEPS and _path != "fused"
    changed = drop is not None or zoneout[0] > 0 or any(name.startswith("norm") for name in weights)
    if _path == "plain" or few or changed or kernel.forward is None or not _can_fuse(x, others):
        return plain_scan(kernel.cell, x, schedule, initial, weights, drop, zoneout)
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *others))
    return fused_scan(kernel, ScanCall(schedule, buffer_pool, outputs, keep), x, initial, weights)


def _by_triton(x: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether the kernels for a GPU are the way, if there are any."""
    wanted = _path == "triton" or (x.device.type == "cuda" and _path in ("fastest", "fused"))
    return wanted and _is_plain(x, others)


def _can_fuse(x: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether all are ordinary tensors of one floating type on the CPU, with no transformation looking on."""
    on_cpu = all(t.device.type == "cpu" for t in (x, *others))
    return on_cpu and x.dtype in (torch.float32, torch.float64) and _is_plain(x, others)


def _is_plain(x: Tensor, others: Sequence[Tensor]) -> bool:
    tensors = (x, *others)
    return (
        all(t.dtype == x.dtype and t.layout == torch.strided for t in tensors)
        and all(type(t) in (Tensor, torch.nn.Parameter) for t in tensors)
        and x.numel() > 0
        and not torch.is_autocast_enabled(x.device.type)
        and not is_transforming()
        and not is_in_torch_dispatch_mode()
        and not any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)
    )
