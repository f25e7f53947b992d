"""The LSTM, with or without Gers' peepholes, as one autograd function over all steps.

Forward, a step is one product and seven elementwise operations in buffers made beforehand:

    Z = [h_{t-1} | x_t | 1] [U | W | b]',   (i, f, s, o) = sigmoid(Z)

with one sigmoid over all four gates: tanh(z) = 2 sigmoid(2z) - 1 costs a tenth of tanh on a CPU, and the factor 2 is
in g's rows of the weights. The memory is kept doubled, m = 2c, for the same reason: g = 2s - 1,
m_t = f m_{t-1} + i (4s - 2), h_t = o (2 sigmoid(m_t) - 1). Backward, the gates' buffer is overwritten by the gradient
of Z, and the weights' gradient is one product over all steps at its end.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnn.cells import State, Weights, lstm_cell, peephole_gers_cell
from rnn.fused import FusedCall, differentiable_backward
from rnn.products import times_transposed, weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_peephole")


class _Buffers:
    """Views of a walk's memory, step by step: what enters the product, the doubled memory, the gates, tanh(c)."""

    def __init__(self, call: FusedCall, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (rows + batch, width), (kept + batch, hidden), (kept, 4 * hidden), (kept, hidden)
        self.memory, (all_x, all_m, self.all_gates, all_tanh) = call.space.take(shapes, dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        self.h = [x[:, :hidden] for x in self.x]
        self.m = call.steps(all_m, (*counts, batch))
        self.gates = call.steps(self.all_gates, counts)
        self.tanh = call.steps(all_tanh, counts)
        by_gate = (gates.view(len(gates), 4, hidden).unbind(1) for gates in self.gates)
        self.i, self.f, self.s, self.o = zip(*by_gate, strict=True)


def _scaled(weights: Tensor, factor: float) -> Tensor:
    """A copy of stacked weights [4H, .] with g's rows multiplied."""
    hidden = len(weights) // 4
    scaled = weights.clone()
    scaled[2 * hidden : 3 * hidden] *= factor
    return scaled


def _stack(weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None) -> Tensor:
    columns = [weight_hh, weight_ih]
    if bias_ih is not None and bias_hh is not None:
        columns.append((bias_ih + bias_hh).unsqueeze(1))
    return _scaled(torch.cat(columns, dim=1), 2)


def _forward(call: FusedCall, x: Tensor, h: Tensor, c: Tensor, weights: Sequence[Any]) -> _Buffers:
    weight_ih, weight_hh, bias_ih, bias_hh, peephole = weights
    hidden, schedule = h.shape[1], call.schedule
    stacked = _stack(weight_ih, weight_hh, bias_ih, bias_hh)
    buffers = _Buffers(call, hidden, stacked.shape[1], x.dtype)
    buffers.all_x[:, hidden : hidden + x.shape[1]] = x
    if bias_ih is not None:
        buffers.all_x[:, -1] = 1
    halves = None if peephole is None else peephole / 2
    minus_one, minus_two = x.new_tensor(-1.0), x.new_tensor(-2.0)
    doubled_g = torch.empty_like(h)
    n = 0
    for t, count in enumerate(schedule.counts):
        if n < count:
            buffers.h[t][n:] = h[n:count]
            torch.mul(c[n:count], 2, out=buffers.m[t][n:])
        if t in schedule.forks:
            schedule.forks[t].apply_(buffers.h[t])
            schedule.forks[t].apply_(buffers.m[t])
        n = count
        i, f, s, o, tanh = buffers.i[t], buffers.f[t], buffers.s[t], buffers.o[t], buffers.tanh[t]
        m, g, new = buffers.m[t], doubled_g[:n], buffers.m[t + 1][:n]
        z = times_transposed(buffers.x[t], stacked)
        if halves is None:
            torch.sigmoid(z, out=buffers.gates[t])
        else:
            z[:, : 2 * hidden].view(n, 2, hidden).addcmul_(m.unsqueeze(1), halves[:2])
            torch.sigmoid(z[:, : 3 * hidden], out=buffers.gates[t][:, : 3 * hidden])
        torch.add(minus_two, s, alpha=4, out=g)
        torch.mul(f, m, out=new).addcmul_(i, g)
        if halves is not None:
            torch.sigmoid(z[:, 3 * hidden :].addcmul_(new, halves[2]), out=o)
        torch.sigmoid(new, out=tanh)
        torch.add(minus_one, tanh, alpha=2, out=tanh)
        torch.mul(o, tanh, out=buffers.h[t + 1][:n])
    return buffers


def _backward(
    call: FusedCall, grads: Sequence[Tensor | None], h: Tensor, weights: Sequence[Any], buffers: _Buffers, needs_x: bool
) -> tuple[Tensor | None, ...]:
    weight_ih, weight_hh, bias_ih, _, peephole = weights
    hidden, inputs, schedule = h.shape[1], weight_ih.shape[1], call.schedule
    counts = schedule.counts
    grad_y, grad_h, grad_c = grads
    grad_y_steps = None if grad_y is None or not call.outputs else grad_y.split(counts)
    recurrent = _scaled(weight_hh, 8).t().contiguous()
    halves = None if peephole is None else peephole / 2
    minus_two = h.new_tensor(-2.0)
    dh = torch.zeros_like(h) if grad_h is None else grad_h.clone(memory_format=torch.contiguous_format)
    dm = torch.zeros_like(h) if grad_c is None else grad_c.contiguous() / 2
    dh0, dm0 = torch.empty_like(dh), torch.empty_like(dm)
    work, product = torch.empty_like(buffers.all_gates[: schedule.batch]), torch.empty_like(dh)
    peephole_sums = h.new_zeros(0 if peephole is None else 3, schedule.batch, hidden)
    for t in range(len(counts) - 1, -1, -1):
        n = counts[t]
        i, f, s, o, tanh, m = buffers.i[t], buffers.f[t], buffers.s[t], buffers.o[t], buffers.tanh[t], buffers.m[t]
        dz, partial = work[:n], product[:n]
        d_i, d_f, d_g, d_o = dz.view(n, 4, hidden).unbind(1)
        if len(dh) > n:
            dh0[n : len(dh)], dm0[n : len(dm)] = dh[n:], dm[n:]
            dh, dm = dh[:n], dm[:n]
        if grad_y_steps is not None:
            dh.add_(grad_y_steps[t])
        torch.mul(dh, tanh, out=d_o)
        torch.mul(dh, o, out=partial)
        dm.add_(_tanh_backward(partial, tanh, grad_input=partial), alpha=0.5)
        if halves is not None:
            dm.addcmul_(_sigmoid_backward(d_o, o, grad_input=partial), halves[2])
            peephole_sums[2, :n].addcmul_(partial, buffers.m[t + 1][:n])
        torch.add(minus_two, s, alpha=4, out=partial)
        torch.mul(dm, partial, out=d_i)
        torch.mul(dm, m, out=d_f)
        torch.mul(dm, i, out=d_g)
        dm.mul_(f)
        gradient = _sigmoid_backward(dz, buffers.gates[t], grad_input=buffers.gates[t])
        if halves is not None:
            two = gradient[:, : 2 * hidden].view(n, 2, hidden).unbind(1)
            for gate in range(2):
                dm.addcmul_(two[gate], halves[gate])
                peephole_sums[gate, :n].addcmul_(two[gate], m)
        dh = times_transposed(gradient, recurrent)
        if t in schedule.forks:
            schedule.forks[t].backward_(dh)
            schedule.forks[t].backward_(dm)
    dh0[: len(dh)], dm0[: len(dm)] = dh, dm
    dz = buffers.all_gates
    dx = times_transposed(dz, _scaled(weight_ih, 8).t().contiguous()) if needs_x else None
    stacked = weight_gradient(dz, buffers.all_x)
    stacked[2 * hidden : 3 * hidden] *= 8
    bias = None if bias_ih is None else stacked[:, -1].contiguous()
    peepholes = None if peephole is None else peephole_sums.sum(1) / 2
    return dx, dh0, dm0 * 2, stacked[:, hidden : hidden + inputs], stacked[:, :hidden], bias, bias, peepholes


class FusedLSTM(torch.autograd.Function):
    """(x, h_0, c_0, weights) -> (h of all steps or of none, h_T, c_T); rnn.unroll is the same in plain operations."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, call: FusedCall, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.call = call
        ctx.save_for_backward(x, h, c, *weights)
        buffers = _forward(call, x, h, c, weights)
        y = x.new_empty(0, h.shape[1])
        if call.outputs:
            y = torch.cat([after[:n] for n, after in zip(call.schedule.counts, buffers.h[1:], strict=True)])
        final = buffers.h[-1].clone(), buffers.m[-1] / 2
        if call.keep:
            ctx.buffers = buffers
        else:
            call.space.give_back(buffers.memory)
        return y, *final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, h, c, *weights = ctx.saved_tensors
        needs = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            cell = lstm_cell if weights[-1] is None else peephole_gers_cell
            return None, *differentiable_backward(cell, _NAMES, ctx.call, grads, needs, x, (h, c), weights)
        buffers, ctx.buffers = ctx.buffers, None
        if buffers is None:  # an earlier backward through the same graph has used them up
            buffers = _forward(ctx.call, x, h, c, weights)
        results = _backward(ctx.call, grads, h, weights, buffers, needs[0])
        ctx.call.space.give_back(buffers.memory)
        return None, *(result if need else None for result, need in zip(results, needs, strict=True))


def fused_lstm(call: FusedCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), h_T and c_T; with Gers' peepholes if weights has them."""
    return FusedLSTM.apply(call, x.contiguous(), *state, *(weights.get(name) for name in _NAMES))
