"""A whole stack of layers by torch.nn's own operator, where that can do it and is not slower."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from graphreel.core.transforms import is_transforming

from ..cells import State
from ..kernels.dispatch import by_torch, prefers_torch
from ..sequence.packing import spans_of
from .parameter_names import plain_names

Found = tuple[Tensor, State] | None


def torch_stack(
    layer: Any, x: Tensor, states: State | None, lengths: Tensor | Sequence[int] | None, padding_side: str
) -> Found:
    """h of the last layer over x [T, B, I] and the final states, or None where torch's operator is not the way."""
    steps, batch = x.shape[:2]
    if lengths is None:
        return _stack(layer, x, states, batch, None)
    slower = x.device.type != "cuda" and (torch.is_grad_enabled() or x.device.type != "cpu")
    if padding_side == "left" or slower or not batch or is_transforming():
        return None
    _, spans = spans_of(lengths, steps, batch, padding_side)
    rows = pack_padded_sequence(x, spans, enforce_sorted=False)
    found = packed_stack(layer, rows, states)
    return found and (pad_packed_sequence(rows._replace(data=found[0]), total_length=steps)[0], found[1])


def packed_stack(layer: Any, rows: PackedSequence, states: State | None) -> Found:
    """The same of a PackedSequence: h of its rows."""
    sizes = rows.batch_sizes
    batch = int(sizes[0])
    ordered = states and tuple(_permuted(part, rows.sorted_indices) for part in states)
    if int(sizes[-1]) < batch:
        found = _stack(layer, rows.data, ordered, batch, sizes)
    else:  # all are of one length
        found = _stack(layer, rows.data.unflatten(0, (len(sizes), batch)), ordered, batch, None)
        found = found and (found[0].flatten(0, 1), found[1])
    return found and (found[0], tuple(_permuted(part, rows.unsorted_indices) for part in found[1]))


def _stack(layer: Any, x: Tensor, states: State | None, batch: int, sizes: Tensor | None) -> Found:
    op, fused = layer.kernel.torch_op, layer.kernel.forward is not None
    if op is None or layer.layer_norm or layer.zoneout or batch == 0:
        return None
    dropout = layer.dropout if layer.num_layers > 1 and layer.training else 0.0
    if layer.training and (layer.recurrent_dropout or layer.weight_dropout):
        return None
    if (dropout and x.device.type != "cuda") or not prefers_torch(op, x, layer.hidden_size, fused, sizes):
        return None
    held = layer._parameters
    names = plain_names(layer.bias, op == "lstm" and not fused, layer.num_layers, layer.num_directions)
    weights: list[Any] = [held[name] if name in held else getattr(layer, name) for name in names]
    states = states or layer.zeros(x, layer.num_layers * layer.num_directions, batch)
    return by_torch(op, x, states, weights, layer.bias, layer.num_layers, layer.bidirectional, sizes, dropout)


def _permuted(state: Tensor, order: Tensor | None) -> Tensor:
    return state if order is None else state.index_select(1, order)
