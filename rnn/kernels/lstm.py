"""The LSTM, with or without Gers' peepholes, as one autograd function over all steps.

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

from ..cells import State, Weights, lstm_cell, peephole_gers_cell
from .buffer_pool import Matrices
from .frame import Kernel, ScanCall, bias_gradients, first_rows, fused_scan, gradient_at_end
from .matmul import matmul_with, weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class _Buffers:
    """Views of a scan's memory, step by step: what enters the product, the memory, the gates, q.

    The state that a step starts from is `h` and `c`, the one that it writes `new_h` and `new_c`.
    """

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (rows + batch, width), (kept + batch, hidden), (kept, 4 * hidden), (kept, hidden)
        all_x, all_c, self.all_gates, all_q = matrices(shapes, dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        self.h = all_x[:, :hidden].split((*counts, batch))
        self.c = call.steps(all_c, (*counts, batch))
        self.new_h, self.new_c = first_rows(self.h[1:], counts), first_rows(self.c[1:], counts)
        self.gates = call.steps(self.all_gates, counts)
        self.q = call.steps(all_q, counts)
        by_gate = self.all_gates.view(kept, 4, hidden).unbind(1)
        self.by_gate = list(zip(*(call.steps(gate, counts) for gate in by_gate), strict=True))


def _scaled(weights: Tensor, factor: float) -> Tensor:
    """A copy of stacked weights [4H, .] with g's rows multiplied."""
    hidden = len(weights) // 4
    scaled = weights.clone()
    scaled[2 * hidden : 3 * hidden] *= factor
    return scaled


def _stack(weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None) -> Tensor:
    """[U | W | b] as [4H, H + I + 1], with g's rows times -2."""
    columns = [weight_hh, weight_ih]
    if bias_ih is not None and bias_hh is not None:
        columns.append((bias_ih + bias_hh).unsqueeze(1))
    stacked, hidden = torch.cat(columns, dim=1), weight_hh.shape[1]
    stacked[2 * hidden : 3 * hidden] *= -2
    return stacked


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> tuple[Tensor, State, _Buffers]:
    (h, _), (weight_ih, weight_hh, bias_ih, bias_hh, peephole) = state, weights
    hidden, schedule = h.shape[1], call.schedule
    stacked = _stack(weight_ih, weight_hh, bias_ih, bias_hh)
    matmul = matmul_with(stacked, schedule.rows)
    buffers = call.buffers(_Buffers, hidden, stacked.shape[1], x.dtype)
    buffers.all_x[:, hidden : hidden + x.shape[1]] = x
    if bias_ih is not None:
        buffers.all_x[:, -1] = 1
    minus_two = x.new_full((), -2)  # a Python number would be converted in every step
    with torch.inference_mode():  # which saves a fifth of what a small operation costs
        for t, n in enumerate(schedule.counts):
            h_t, c_t, new_c = buffers.h[t], buffers.c[t], buffers.new_c[t]
            gates, (i, f, s, o) = buffers.gates[t], buffers.by_gate[t]
            schedule.enter_(t, (h_t, c_t), state)
            z = matmul(buffers.x[t], out=gates)
            if peephole is None:
                torch.sigmoid(z, out=gates)
            else:
                z[:, : 2 * hidden].view(n, 2, hidden).addcmul_(c_t.unsqueeze(1), peephole[:2])
                torch.sigmoid(z[:, : 3 * hidden], out=gates[:, : 3 * hidden])
            # without a backward pass c_t and new_c are the same memory, and s is not read again
            entering = torch.addcmul(i, i, s, value=-2, out=new_c if call.keep else s)
            torch.addcmul(entering, f, c_t, out=new_c)
            if peephole is not None:
                torch.sigmoid(z[:, 3 * hidden :].addcmul_(new_c, peephole[2]), out=o)
            q = torch.mul(new_c, minus_two, out=buffers.q[t]).sigmoid_()
            torch.addcmul(o, o, q, value=-2, out=buffers.new_h[t])
    y = torch.cat(buffers.new_h) if call.outputs else h.new_empty(0, hidden)
    return y, (buffers.h[-1].clone(), buffers.c[-1].clone()), buffers


def _backward(
    call: ScanCall,
    grads: Sequence[Tensor | None],
    x: Tensor,
    state: State,
    weights: Sequence[Any],
    buffers: _Buffers,
    needs_x: bool,
    needs_state: bool,
) -> tuple[Tensor | None, ...]:
    (h, _), (weight_ih, weight_hh, *biases, peephole) = state, weights
    hidden, inputs, schedule = h.shape[1], x.shape[1], call.schedule
    counts = schedule.counts
    grad_y, grad_h, grad_c = grads
    grad_y_steps = call.by_step(grad_y)
    recurrent = matmul_with(_scaled(weight_hh, 4).t(), schedule.rows)
    dh = gradient_at_end(grad_h, h)
    dc = gradient_at_end(grad_c, h)
    dh0, dc0 = torch.empty_like(dh), torch.empty_like(dc)
    dz, work = torch.empty_like(buffers.all_gates[: schedule.batch]), torch.empty_like(dh)
    d_i, d_f, d_s, d_o = dz.view(-1, 4, hidden).unbind(1)
    peephole_sums = h.new_zeros(0 if peephole is None else 3, schedule.batch, hidden)
    with torch.inference_mode():
        for t in range(len(counts) - 1, -1, -1):
            n, c_t, q = counts[t], buffers.c[t], buffers.q[t]
            gates, (i, f, s, o) = buffers.gates[t], buffers.by_gate[t]
            if len(dh) > n:
                dh0[n : len(dh)], dc0[n : len(dc)] = dh[n:], dc[n:]
                dh, dc, dz, work, d_i, d_f, d_s, d_o = (part[:n] for part in (dh, dc, dz, work, d_i, d_f, d_s, d_o))
            if grad_y_steps is not None:
                dh.add_(grad_y_steps[t])
            torch.addcmul(dh, dh, q, value=-2, out=d_o)
            dc.addcmul_(o, _sigmoid_backward(dh, q, grad_input=work), value=4)
            if peephole is not None:
                dc.addcmul_(_sigmoid_backward(d_o, o, grad_input=work), peephole[2])
                peephole_sums[2, :n].addcmul_(work, buffers.new_c[t])
            torch.addcmul(dc, dc, s, value=-2, out=d_i)
            torch.mul(dc, c_t, out=d_f)
            torch.mul(dc, i, out=d_s)
            dc.mul_(f)
            _sigmoid_backward(dz, gates, grad_input=gates)
            if peephole is not None:
                two = gates[:, : 2 * hidden].view(n, 2, hidden).unbind(1)
                for gate in range(2):
                    dc.addcmul_(two[gate], peephole[gate])
                    peephole_sums[gate, :n].addcmul_(two[gate], c_t)
            if t or needs_state:
                dh = recurrent(gates, out=dh)
            if t in schedule.forks:
                schedule.forks[t].backward_(dh)
                schedule.forks[t].backward_(dc)
    dh0[: len(dh)], dc0[: len(dc)] = dh, dc
    all_dz = buffers.all_gates
    dx = matmul_with(_scaled(weight_ih, 4).t(), schedule.rows)(all_dz) if needs_x else None
    stacked = weight_gradient(all_dz, buffers.all_x)
    stacked[2 * hidden : 3 * hidden] *= 4
    peepholes = None if peephole is None else peephole_sums.sum(1)
    d_weights = stacked[:, hidden : hidden + inputs], stacked[:, :hidden]
    return dx, dh0, dc0, *d_weights, *bias_gradients(stacked[:, -1], *biases), peepholes


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_peephole")
_PLAIN = Kernel(lstm_cell, _NAMES, _forward, _backward)
_GERS = Kernel(peephole_gers_cell, _NAMES, _forward, _backward)


def fused_lstm(call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), h_T and c_T; with Gers' peepholes if weights has them."""
    return fused_scan(_GERS if "weight_peephole" in weights else _PLAIN, call, x, state, weights)
