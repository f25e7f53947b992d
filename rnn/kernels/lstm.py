"""The LSTM, with or without Gers' peepholes, over all steps.

Forward, a step is one product and a few elementwise operations in buffers made beforehand:

    Z = [h_{t-1} | x_t | 1] [U | W | b]',   (i, f, s, o) = sigmoid(Z),   c_t = f c_{t-1} + i (1 - 2s)

with one sigmoid over all four gates: g = tanh(z) = 1 - 2 sigmoid(-2z) = 1 - 2s, and the factor -2 is in g's rows of the
weights. Likewise h_t = o - 2 o q with q = sigmoid(-2 c_t), since tanh takes several times as long as a sigmoid on some
processors. Backward, the gates' buffer is overwritten by the gradient of Z, and the weights' gradient is one product
over all steps at its end.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..cells import State, lstm_cell, peephole_gers_cell
from . import frame
from .buffer_pool import Matrices
from .frame import Backward, Forward, Gradients, Kernel, ScanCall, sigmoid_backward
from .matmul import matmul_with, weight_gradient


class _Buffers(frame.Buffers):
    """What enters the product, the memory c, the gates, and q."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (rows + batch, width), (kept + batch, hidden), (kept, 4 * hidden), (kept, hidden)
        all_x, all_c, self.all_gates, all_q = matrices(shapes, dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        h, self.c = all_x[:, :hidden].split((*counts, batch)), call.steps(all_c, (*counts, batch))
        self.state = h, self.c
        self.new_h, self.new_c = frame.first_rows(h[1:], counts), frame.first_rows(self.c[1:], counts)
        self.gates = call.steps(self.all_gates, counts)
        self.q = call.steps(all_q, counts)
        by_gate = self.all_gates.view(kept, 4, hidden).unbind(1)
        self.by_gate = list(zip(*(call.steps(gate, counts) for gate in by_gate), strict=True))


def _scaled(weights: Tensor, factor: float) -> Tensor:
    """A copy of stacked weights [4H, .] with g's rows multiplied."""
    scaled = weights.clone()
    scaled.unflatten(0, (4, -1))[2] *= factor
    return scaled


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> Forward:
    hidden, peephole = state[0].shape[1], weights[4]
    two, three = 2 * hidden, 3 * hidden
    joined = frame.joined_weights(weights)
    joined[two:three] *= -2
    matmul = matmul_with(joined, call.schedule.rows)
    buffers = call.buffers(_Buffers, hidden, joined.shape[1], x.dtype)
    frame.fill(buffers.all_x, hidden, x)
    minus_two = x.new_full((), -2)  # a Python number would be converted in every step

    def step(t: int) -> None:
        c_t, new_c, gates, (i, f, s, o) = buffers.c[t], buffers.new_c[t], buffers.gates[t], buffers.by_gate[t]
        z = matmul(buffers.x[t], out=gates)
        if peephole is None:
            torch.sigmoid(z, out=gates)
        else:
            z[:, :two].view(len(z), 2, hidden).addcmul_(c_t.unsqueeze(1), peephole[:2])
            torch.sigmoid(z[:, :three], out=gates[:, :three])
        # without a backward pass c_t and new_c are the same memory, and s is not read again
        entering = torch.addcmul(i, i, s, value=-2, out=new_c if call.keep else s)
        torch.addcmul(entering, f, c_t, out=new_c)
        if peephole is not None:
            torch.sigmoid(z[:, three:].addcmul_(new_c, peephole[2]), out=o)
        q = torch.mul(new_c, minus_two, out=buffers.q[t]).sigmoid_()
        torch.addcmul(o, o, q, value=-2, out=buffers.new_h[t])

    return Forward(buffers, step)


def _backward(call: ScanCall, x: Tensor, weights: Sequence[Any], buffers: _Buffers, needs_x: bool) -> Backward:
    weight_ih, weight_hh, *_, peephole = weights
    hidden, rows, batch = weight_hh.shape[1], call.schedule.rows, call.schedule.batch
    recurrent = matmul_with(_scaled(weight_hh, 4).t(), rows)
    dz = torch.empty_like(buffers.all_gates[:batch])
    work = [dz, x.new_empty(batch, hidden), *dz.view(batch, 4, hidden).unbind(1)]
    peephole_sums = x.new_zeros(0 if peephole is None else 3, batch, hidden)

    def step(t: int, d_state: Gradients, work: Sequence[Tensor], recurs: bool) -> Gradients:
        (dh, dc), (dz, free, d_i, d_f, d_s, d_o) = d_state, work
        c_t, q, gates, (i, f, s, o) = buffers.c[t], buffers.q[t], buffers.gates[t], buffers.by_gate[t]
        torch.addcmul(dh, dh, q, value=-2, out=d_o)
        dc.addcmul_(o, sigmoid_backward(dh, q, grad_input=free), value=4)
        if peephole is not None:
            dc.addcmul_(sigmoid_backward(d_o, o, grad_input=free), peephole[2])
            peephole_sums[2, : len(dc)].addcmul_(free, buffers.new_c[t])
        torch.addcmul(dc, dc, s, value=-2, out=d_i)
        torch.mul(dc, c_t, out=d_f)
        torch.mul(dc, i, out=d_s)
        dc.mul_(f)
        sigmoid_backward(dz, gates, grad_input=gates)
        if peephole is not None:
            for gate in range(2):
                d_gate = gates[:, gate * hidden : (gate + 1) * hidden]
                dc.addcmul_(d_gate, peephole[gate])
                peephole_sums[gate, : len(dc)].addcmul_(d_gate, c_t)
        return [recurrent(gates, out=dh) if recurs else dh, dc]

    def gradients() -> tuple[Tensor | None, ...]:
        dx = matmul_with(_scaled(weight_ih, 4).t(), rows)(buffers.all_gates) if needs_x else None
        joined = weight_gradient(buffers.all_gates, buffers.all_x)
        joined[2 * hidden : 3 * hidden] *= 4
        return dx, *frame.split_gradient(joined, weights), None if peephole is None else peephole_sums.sum(1)

    return Backward(work, step, gradients)


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_peephole")
LSTM_KERNEL = Kernel(lstm_cell, _NAMES, _forward, _backward, "lstm")
PROJECTED_LSTM = Kernel(lstm_cell, torch_op="lstm")
PEEPHOLE_GERS = Kernel(peephole_gers_cell, _NAMES, _forward, _backward)
