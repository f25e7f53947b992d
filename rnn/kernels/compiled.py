"""Recurrent layers under torch.compile: all steps of a layer are one operator, compiled once for all lengths."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphreel.core.dropout import dropout
from graphreel.core.opaque import opaque, seeded
from graphreel.core.transforms import is_compiled

from ..cells import State
from ..sequence.packing import full_packing, span_packing, spans_of
from .buffer_pool import BufferPool
from .dispatch import by_torch, prefers_torch, scan
from .gru import GRU_KERNEL
from .gru_uva import GRU_UVA
from .lstm import LSTM_KERNEL, PEEPHOLE_GERS
from .peephole_uva import PEEPHOLE_UVA
from .rnn import RNN_RELU, RNN_TANH

_ALL = (RNN_TANH, RNN_RELU, LSTM_KERNEL, GRU_KERNEL, GRU_UVA, PEEPHOLE_GERS, PEEPHOLE_UVA)
_KERNELS = {kernel.cell.__name__: kernel for kernel in _ALL}
_pool = BufferPool(4)


def compiled_stack(
    layer: Any, x: Tensor, states: State | None, lengths: Tensor | Sequence[int] | None, padding_side: str
) -> tuple[Tensor, State] | None:
    """All layers and directions of a Recurrent over x [T, B, I]: h of the last one [T, B, .], and the final states.

    None where nothing is compiled, or the cell has plain operations alone.
    """
    if not is_compiled() or layer.kernel.forward is None or torch.is_autocast_enabled(x.device.type):
        return None
    if layer.zoneout and layer.training and x.device.type != "cpu":
        return None  # what is drawn within an operator does not repeat there
    finals: list[list[Tensor]] = []
    lengths = lengths if lengths is None or isinstance(lengths, Tensor) else torch.tensor(lengths)
    for depth in range(layer.num_layers):
        outputs = []
        for reverse in range(layer.num_directions):
            weights = layer._dropped(layer.layer_weights(depth, reverse))
            if states is None:
                initial = [x.new_zeros(x.shape[1], layer.hidden_size) for _ in layer.state_names]
            else:
                initial = [part[depth * layer.num_directions + reverse] for part in states]
            drop = seed = None
            if layer.recurrent_dropout and layer.training:
                drop = dropout(torch.ones_like(initial[0]), layer.recurrent_dropout)
            if layer.zoneout and layer.training:
                seed = torch.randint(2**62, ())
            names, spans = " ".join(weights), (lengths, padding_side, bool(reverse))
            options = (drop, layer.zoneout, layer.training, seed)
            y, *final = _scan(layer.cell.__name__, names, x, initial, list(weights.values()), *spans, *options)
            outputs.append(y)
            finals.append(final)
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        if depth + 1 < layer.num_layers:
            x = dropout(x, layer.dropout, layer.training)
    return x, tuple(torch.stack(parts) for parts in zip(*finals, strict=True))


def _shapes(_: str, __: str, x: Tensor, initial: Sequence[Tensor], *___: Any) -> list[Tensor]:
    return [x.new_empty(*x.shape[:2], initial[0].shape[1]), *(x.new_empty(part.shape) for part in initial)]


@opaque("scan", _shapes)
def _scan(
    cell: str,
    names: str,
    x: Tensor,
    initial: Sequence[Tensor],
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    padding_side: str,
    reverse: bool,
    drop: Tensor | None,
    zoneout: float,
    training: bool,
    seed: Tensor | None,
) -> list[Tensor]:
    """One layer in one direction over x [T, B, I]: h of all steps [T, B, H], and its final state [B, H]."""
    kernel, (steps, batch, width) = _KERNELS[cell], x.shape
    named = dict(zip(names.split(), weights, strict=True))
    changed = drop is not None or zoneout > 0 or "norm" in names
    op = None if changed or lengths is not None or batch == 0 else kernel.torch_op
    if op is not None and prefers_torch(op, x, initial[0].shape[1]):
        given = (x.flip(0) if reverse else x, tuple(part[None] for part in initial), weights)
        y, final = by_torch(op, *given, "bias_ih" in named, 1, False)
        return [y.flip(0) if reverse else y, *(part[0] for part in final)]
    if lengths is None:
        packing = full_packing(steps, batch, x.device, 2)[reverse]
    else:
        packing = span_packing(*spans_of(lengths, steps, batch, padding_side), steps, x.device)[reverse]
    rows, state = packing.gather(x.reshape(steps * batch, width)), tuple(packing.sort(part) for part in initial)
    with seeded(seed):
        y, final = scan(kernel, _pool, rows, packing.schedule, state, named, True, drop, (zoneout, training))
    return [packing.scatter(y).view(steps, batch, -1), *(packing.unsort(part) for part in final)]
