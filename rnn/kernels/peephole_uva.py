"""The report's peephole LSTM as one autograd function over all steps.

Only the memory recurs, so a step is one product and three elementwise operations:

    Z = [c_{t-1} | x_t | 1] [V | W | b]',   (i, f, o) = sigmoid(Z),   c_t = f c_{t-1} + i g_t

and h_t = o tanh(c_t) = o - 2 o q with q = sigmoid(-2 c_t), since tanh takes several times as long on some processors.
The candidates g of all steps are one product before the loop. The output gate and h feed nothing back: where only the
final state is wanted, o is computed for the last step alone, which leaves half of an LSTM's recurrent product.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..cells import State, Weights, peephole_uva_cell
from .buffer_pool import Matrices
from .frame import Kernel, ScanCall, bias_gradients, first_rows, fused_scan, gradient_at_end
from .matmul import matmul_with, weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class _Buffers:
    """Views of a scan's memory: what enters the product, the gates, the candidates, o and q where h is wanted.

    The memory that a step starts from is `c`, the one that it writes `new_c`.
    """

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        gates = 3 if call.outputs else 2
        shapes = (rows + batch, width), (kept, gates * hidden), (rows, hidden), (rows, hidden), (batch, hidden)
        all_x, self.all_gates, self.all_g, all_q, self.last_o = matrices(shapes, dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        self.c = all_x[:, :hidden].split((*counts, batch))
        self.new_c = first_rows(self.c[1:], counts)
        self.gates = call.steps(self.all_gates, counts)
        self.g = self.all_g.split(counts)
        self.q = all_q.split(counts)
        by_gate = self.all_gates.view(kept, gates, hidden).unbind(1)
        self.by_gate = list(zip(*(call.steps(gate, counts) for gate in by_gate), strict=True))


def _columns(weights: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """The stacked weights [4H, H + I + 1] of i, f, o and, without the recurrent columns, of g."""
    weight_ih, weight_ch, bias_ih, bias_hh = weights
    hidden = weight_ch.shape[1]
    x_columns = weight_ih if bias_ih is None else torch.cat((weight_ih, (bias_ih + bias_hh).unsqueeze(1)), dim=1)
    i_f, g, o = x_columns.split((2 * hidden, hidden, hidden))
    return torch.cat((weight_ch, torch.cat((i_f, o))), dim=1), g.contiguous()


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> tuple[Tensor, State, _Buffers]:
    c, schedule = state[1], call.schedule
    hidden, counts = c.shape[1], schedule.counts
    stacked, candidate = _columns(weights)
    buffers = call.buffers(_Buffers, hidden, stacked.shape[1], x.dtype)
    from_x = buffers.all_x[:, hidden:]
    from_x[:, : x.shape[1]] = x
    if weights[2] is not None:
        from_x[:, -1] = 1
    torch.sigmoid(matmul_with(candidate, len(x))(from_x.contiguous(), out=buffers.all_g), out=buffers.all_g)
    all_y = x.new_empty(schedule.rows if call.outputs else len(c), hidden)
    y = all_y.split(counts) if call.outputs else [all_y]
    matmul = matmul_with(stacked if call.outputs else stacked[: 2 * hidden], len(x))
    minus_two = x.new_full((), -2)  # a Python number would be converted in every step
    with torch.inference_mode():
        for t in range(len(counts)):
            c_t, new_c, gates = buffers.c[t], buffers.new_c[t], buffers.gates[t]
            schedule.enter_(t, (c_t,), (c,))
            torch.sigmoid(matmul(buffers.x[t], out=gates), out=gates)
            i, f, *o = buffers.by_gate[t]
            torch.mul(f, c_t, out=new_c).addcmul_(i, buffers.g[t])
            if o:
                q = torch.mul(new_c, minus_two, out=buffers.q[t]).sigmoid_()
                torch.addcmul(o[0], o[0], q, value=-2, out=y[t])
    if not call.outputs:
        torch.sigmoid(matmul_with(stacked[2 * hidden :])(buffers.x[-2]), out=buffers.last_o)
        q = torch.mul(buffers.c[-1], minus_two, out=buffers.q[-1]).sigmoid_()
        torch.addcmul(buffers.last_o, buffers.last_o, q, value=-2, out=all_y)
    final = all_y[-len(c) :].clone(), buffers.c[-1].clone()
    return (all_y if call.outputs else all_y[:0]), final, buffers


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
    c, (weight_ih, weight_ch, *biases) = state[1], weights
    hidden, inputs, counts, forks = c.shape[1], x.shape[1], call.schedule.counts, call.schedule.forks
    grad_y, grad_h, grad_c = grads
    dh = torch.zeros_like(c) if grad_h is None else grad_h
    dc = gradient_at_end(grad_c, c)
    recurrent = matmul_with(weight_ch[: buffers.all_gates.shape[1]].t(), len(x))
    d_last_o = None
    if not call.outputs:
        q, last_o = buffers.q[-1], buffers.last_o
        d_last_o = _sigmoid_backward(torch.addcmul(dh, dh, q, value=-2), last_o, grad_input=torch.empty_like(dc))
        dc.addcmul_(last_o, torch.ops.aten.sigmoid_backward(dh, q), value=4)
    grad_y_steps = call.by_step(grad_y)
    dc0 = torch.empty_like(dc)
    dz, work = torch.empty_like(buffers.all_gates[: call.schedule.batch]), torch.empty_like(dc)
    by_gate = list(dz.view(len(dz), -1, hidden).unbind(1))
    with torch.inference_mode():
        for t in range(len(counts) - 1, -1, -1):
            n, g, q = counts[t], buffers.g[t], buffers.q[t]
            gates, (i, f, *o) = buffers.gates[t], buffers.by_gate[t]
            if len(dc) > n:
                dc0[n : len(dc)] = dc[n:]
                dc, dz, work, *by_gate = (part[:n] for part in (dc, dz, work, *by_gate))
            d_i, d_f, *d_o = by_gate
            if o:
                dy = torch.zeros_like(dc) if grad_y_steps is None else grad_y_steps[t]
                dy = dy + dh if t == len(counts) - 1 else dy
                torch.addcmul(dy, dy, q, value=-2, out=d_o[0])
                dc.addcmul_(o[0], _sigmoid_backward(dy, q, grad_input=work), value=4)
            torch.mul(dc, g, out=d_i)
            torch.mul(dc, buffers.c[t], out=d_f)
            torch.mul(dc, i, out=work)
            _sigmoid_backward(work, g, grad_input=g)
            dc.mul_(f)
            _sigmoid_backward(dz, gates, grad_input=gates)
            if t or needs_state:
                dc.add_(recurrent(gates, out=work))
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
    dx = _input_gradient(buffers, d_last_o, weight_ih) if needs_x else None
    return dx, None, dc0, from_x[:, :inputs], gates[:, :hidden], *bias_gradients(from_x[:, -1], *biases)


def _input_gradient(buffers: _Buffers, d_last_o: Tensor | None, weight_ih: Tensor) -> Tensor:
    hidden = weight_ih.shape[0] // 4
    i_f, g, o = weight_ih.split((2 * hidden, hidden, hidden))
    from_gates = i_f if d_last_o is not None else torch.cat((i_f, o))
    dx = matmul_with(from_gates.t(), len(buffers.all_gates))(buffers.all_gates)
    dx += matmul_with(g.t(), len(buffers.all_g))(buffers.all_g)
    if d_last_o is not None:
        dx[-len(d_last_o) :].addmm_(d_last_o, o)
    return dx


_KERNEL = Kernel(peephole_uva_cell, ("weight_ih", "weight_ch", "bias_ih", "bias_hh"), _forward, _backward)


def fused_uva(call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), h_T and c_T."""
    return fused_scan(_KERNEL, call, x, state, weights)
