"""The report's peephole LSTM as one autograd function over all steps.

Only the memory recurs, so a step is one product and three elementwise operations:

    Z = [c_{t-1} | x_t | 1] [V | W | b]',   (i, f, o) = sigmoid(Z),   c_t = f c_{t-1} + i g_t

The candidates g of all steps are one product before the loop. The output gate and h feed nothing back: where only the
final state is wanted, o is computed for the last step alone, which leaves half of an LSTM's recurrent product.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnn.cells import State, Weights, peephole_uva_cell
from rnn.fused import FusedCall, differentiable_backward
from rnn.products import times_transposed, weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_NAMES = ("weight_ih", "weight_ch", "bias_ih", "bias_hh")


class _Buffers:
    """Views of a walk's memory: what enters the product, the gates, the candidates, o and tanh(c) where h is wanted."""

    def __init__(self, call: FusedCall, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        self.gate_count = 3 if call.outputs else 2
        shapes = (rows + batch, width), (kept, self.gate_count * hidden), (rows, hidden), (rows, hidden)
        self.memory, (all_x, self.all_gates, self.all_g, all_tanh) = call.space.take(shapes, dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        self.c = [x[:, :hidden] for x in self.x]
        self.gates = call.steps(self.all_gates, counts)
        self.g = self.all_g.split(counts)
        self.tanh = all_tanh.split(counts)
        self.last_o = all_tanh.new_empty(batch, hidden)

    def by_gate(self, step: int) -> Sequence[Tensor]:
        gates = self.gates[step]
        return gates.view(len(gates), self.gate_count, -1).unbind(1)


def _tanh(x: Tensor, out: Tensor) -> Tensor:
    """tanh(x) = 2 sigmoid(2x) - 1, several times faster than tanh on a CPU."""
    return torch.mul(x, 2, out=out).sigmoid_().mul_(2).sub_(1)


def _columns(weights: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """The stacked weights [4H, H + I + 1] of i, f, o and, without the recurrent columns, of g."""
    weight_ih, weight_ch, bias_ih, bias_hh = weights
    hidden = weight_ch.shape[1]
    x_columns = weight_ih if bias_ih is None else torch.cat((weight_ih, (bias_ih + bias_hh).unsqueeze(1)), dim=1)
    i_f, g, o = x_columns.split((2 * hidden, hidden, hidden))
    return torch.cat((weight_ch, torch.cat((i_f, o))), dim=1), g.contiguous()


def _forward(call: FusedCall, x: Tensor, c: Tensor, weights: Sequence[Any], all_y: Tensor) -> _Buffers:
    """Walk and write h of all steps, or with call.outputs=False of the last one, into `all_y`."""
    hidden, counts, forks = c.shape[1], call.schedule.counts, call.schedule.forks
    stacked, candidate = _columns(weights)
    buffers = _Buffers(call, hidden, stacked.shape[1], x.dtype)
    from_x = buffers.all_x[:, hidden:]
    from_x[:, : x.shape[1]] = x
    if weights[2] is not None:
        from_x[:, -1] = 1
    torch.sigmoid(times_transposed(from_x.contiguous(), candidate), out=buffers.all_g)
    y = all_y.split(counts) if call.outputs else [all_y[: counts[-1]]]
    recurrent = stacked if call.outputs else stacked[: 2 * hidden]
    n = 0
    for t, count in enumerate(counts):
        before, after = buffers.c[t], buffers.c[t + 1][:count]
        if n < count:
            before[n:] = c[n:count]
        if t in forks:
            forks[t].apply_(before)
        n = count
        torch.sigmoid(times_transposed(buffers.x[t], recurrent), out=buffers.gates[t])
        i, f, *o = buffers.by_gate(t)
        torch.mul(f, before, out=after).addcmul_(i, buffers.g[t])
        if o:
            torch.mul(_tanh(after, buffers.tanh[t]), o[0], out=y[t])
    if not call.outputs:
        torch.sigmoid(times_transposed(buffers.x[-2], stacked[2 * hidden :]), out=buffers.last_o)
        torch.mul(_tanh(buffers.c[-1], buffers.tanh[-1]), buffers.last_o, out=y[-1])
    return buffers


def _backward(
    call: FusedCall,
    grads: Sequence[Tensor | None],
    x: Tensor,
    c: Tensor,
    weights: Sequence[Any],
    buffers: _Buffers,
    needs_x: bool,
) -> tuple[Tensor | None, ...]:
    weight_ih, weight_ch, bias_ih, _ = weights
    hidden, inputs, counts, forks = c.shape[1], x.shape[1], call.schedule.counts, call.schedule.forks
    grad_y, grad_h, grad_c = grads
    dh = torch.zeros_like(c) if grad_h is None else grad_h
    dc = torch.zeros_like(c) if grad_c is None else grad_c.clone(memory_format=torch.contiguous_format)
    recurrent = weight_ch[: buffers.gate_count * hidden].t().contiguous()
    d_last_o = None
    if not call.outputs:
        d_last_o = _sigmoid_backward(dh * buffers.tanh[-1], buffers.last_o, grad_input=torch.empty_like(dc))
        dc += torch.ops.aten.tanh_backward(dh * buffers.last_o, buffers.tanh[-1])
    grad_y_steps = None if grad_y is None or not call.outputs else grad_y.split(counts)
    dc0 = torch.empty_like(dc)
    work, product = torch.empty_like(buffers.all_gates[: call.schedule.batch]), torch.empty_like(dc)
    for t in range(len(counts) - 1, -1, -1):
        n = counts[t]
        if len(dc) > n:
            dc0[n : len(dc)] = dc[n:]
            dc = dc[:n]
        dz, partial, tanh, g = work[:n], product[:n], buffers.tanh[t], buffers.g[t]
        d_i, d_f, *d_o = dz.view(n, buffers.gate_count, hidden).unbind(1)
        i, f, *o = buffers.by_gate(t)
        if o:
            dy = torch.zeros_like(dc) if grad_y_steps is None else grad_y_steps[t]
            dy = dy + dh if t == len(counts) - 1 else dy
            torch.mul(dy, tanh, out=d_o[0])
            torch.mul(dy, o[0], out=partial)
            dc.add_(_tanh_backward(partial, tanh, grad_input=partial))
        torch.mul(dc, g, out=d_i)
        torch.mul(dc, buffers.c[t], out=d_f)
        torch.mul(dc, i, out=partial)
        _sigmoid_backward(partial, g, grad_input=g)
        dc.mul_(f)
        gradient = _sigmoid_backward(dz, buffers.gates[t], grad_input=buffers.gates[t])
        dc.add_(times_transposed(gradient, recurrent))
        if d_last_o is not None and t == len(counts) - 1:
            dc.add_(torch.mm(d_last_o, weight_ch[2 * hidden :]))
        if t in forks:
            forks[t].backward_(dc)
    dc0[: len(dc)] = dc
    gates = weight_gradient(buffers.all_gates, buffers.all_x)
    if d_last_o is not None:
        gates = torch.cat((gates, weight_gradient(d_last_o, buffers.x[-2])))
    candidate = weight_gradient(buffers.all_g, buffers.all_x[:, hidden:].contiguous())
    from_x = torch.cat((gates[: 2 * hidden, hidden:], candidate, gates[2 * hidden :, hidden:]))
    bias = None if bias_ih is None else from_x[:, -1].contiguous()
    dx = _input_gradient(buffers, d_last_o, weight_ih) if needs_x else None
    return dx, None, dc0, from_x[:, :inputs], gates[:, :hidden], bias, bias


def _input_gradient(buffers: _Buffers, d_last_o: Tensor | None, weight_ih: Tensor) -> Tensor:
    hidden = weight_ih.shape[0] // 4
    i_f, g, o = weight_ih.split((2 * hidden, hidden, hidden))
    from_gates = i_f if d_last_o is not None else torch.cat((i_f, o))
    dx = times_transposed(buffers.all_gates, from_gates.t().contiguous())
    dx += times_transposed(buffers.all_g, g.t().contiguous())
    if d_last_o is not None:
        dx[-len(d_last_o) :].addmm_(d_last_o, o)
    return dx


class FusedUva(torch.autograd.Function):
    """(x, h_0, c_0, weights) -> (h of all steps or of none, h_T, c_T); rnn.unroll is the same in plain operations."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, call: FusedCall, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.call = call
        ctx.save_for_backward(x, h, c, *weights)
        y = x.new_empty(call.schedule.rows if call.outputs else len(c), c.shape[1])
        buffers = _forward(call, x, c, weights, y)
        final = y[-len(c) :].clone(), buffers.c[-1].clone()
        if call.keep:
            ctx.buffers = buffers
        else:
            call.space.give_back(buffers.memory)
        return y if call.outputs else y[:0], *final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, h, c, *weights = ctx.saved_tensors
        needs = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return None, *differentiable_backward(peephole_uva_cell, _NAMES, ctx.call, grads, needs, x, (h, c), weights)
        buffers, ctx.buffers = ctx.buffers, None
        if buffers is None:  # an earlier backward through the same graph has used them up
            buffers = _forward(ctx.call, x, c, weights, x.new_empty(ctx.call.schedule.rows, c.shape[1]))
        results = _backward(ctx.call, grads, x, c, weights, buffers, needs[0])
        ctx.call.space.give_back(buffers.memory)
        return None, *(result if need else None for result, need in zip(results, needs, strict=True))


def fused_uva(call: FusedCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), h_T and c_T."""
    return FusedUva.apply(call, x.contiguous(), *state, *(weights.get(name) for name in _NAMES))
