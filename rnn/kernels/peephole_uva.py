"""The report's peephole LSTM over all steps.

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

from ..cells import State, peephole_uva_cell
from . import frame
from .buffer_pool import Matrices
from .frame import Backward, Forward, Gradients, Kernel, ScanCall, sigmoid_backward
from .matmul import matmul_with, weight_gradient


class _Buffers(frame.Buffers):
    """What enters the product, the gates, the candidates, and o and q, at the last step alone without outputs."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        gates = 3 if call.outputs else 2
        shapes = (rows + batch, width), (kept, gates * hidden), (rows, hidden), (rows, hidden), (batch, hidden)
        all_x, self.all_gates, self.all_g, all_q, self.last_o = matrices(shapes, dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        self.c = all_x[:, :hidden].split((*counts, batch))
        self.state, self.new_c = (self.c,), frame.first_rows(self.c[1:], counts)
        self.gates = call.steps(self.all_gates, counts)
        self.g, self.q = self.all_g.split(counts), all_q.split(counts)
        by_gate = self.all_gates.view(kept, gates, hidden).unbind(1)
        self.by_gate = list(zip(*(call.steps(gate, counts) for gate in by_gate), strict=True))


def _joined(weights: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """[V | W | b] of i, f, o, and, without the recurrent columns, of g."""
    weight_ih, weight_ch, bias_ih, bias_hh = weights
    hidden = weight_ch.shape[1]
    of_x = weight_ih if bias_ih is None else torch.cat((weight_ih, (bias_ih + bias_hh).unsqueeze(1)), dim=1)
    i_f, g, o = of_x.split((2 * hidden, hidden, hidden))
    return torch.cat((weight_ch, torch.cat((i_f, o))), dim=1), g.contiguous()


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> Forward:
    hidden, rows = state[1].shape[1], call.schedule.rows
    joined, candidate = _joined(weights)
    buffers = call.buffers(_Buffers, hidden, joined.shape[1], x.dtype)
    frame.fill(buffers.all_x, hidden, x)
    entering = buffers.all_x[:, hidden:].contiguous()
    torch.sigmoid(matmul_with(candidate, rows)(entering, out=buffers.all_g), out=buffers.all_g)
    matmul = matmul_with(joined if call.outputs else joined[: 2 * hidden], rows)
    minus_two = x.new_full((), -2)  # a Python number would be converted in every step
    y = x.new_empty(rows if call.outputs else call.schedule.batch, hidden)
    by_step = y.split(call.schedule.counts) if call.outputs else []

    def step(t: int) -> None:
        new_c, gates, (i, f, *o) = buffers.new_c[t], buffers.gates[t], buffers.by_gate[t]
        torch.sigmoid(matmul(buffers.x[t], out=gates), out=gates)
        torch.mul(f, buffers.c[t], out=new_c).addcmul_(i, buffers.g[t])
        if o:
            q = torch.mul(new_c, minus_two, out=buffers.q[t]).sigmoid_()
            torch.addcmul(o[0], o[0], q, value=-2, out=by_step[t])

    def results() -> tuple[Tensor, State]:
        end = buffers.c[-1].clone()
        if call.outputs:
            return y, (y[-len(end) :].clone(), end)
        o = torch.sigmoid(matmul_with(joined[2 * hidden :])(buffers.x[-2]), out=buffers.last_o)
        q = torch.mul(end, minus_two, out=buffers.q[-1]).sigmoid_()
        return y[:0], (torch.addcmul(o, o, q, value=-2, out=y), end)

    return Forward(buffers, step, results=results)


def _backward(call: ScanCall, x: Tensor, weights: Sequence[Any], buffers: _Buffers, needs_x: bool) -> Backward:
    weight_ih, weight_ch, *biases = weights
    hidden, batch = weight_ch.shape[1], call.schedule.batch
    two = 2 * hidden
    recurrent = matmul_with(weight_ch[: buffers.all_gates.shape[1]].t(), len(x))
    d_last_o = None if call.outputs else x.new_empty(batch, hidden)
    dz = torch.empty_like(buffers.all_gates[:batch])
    work = [dz, x.new_empty(batch, hidden), *dz.view(batch, -1, hidden).unbind(1)]

    def step(t: int, d_state: Gradients, work: Sequence[Tensor], recurs: bool) -> Gradients:
        (dh, dc), (dz, free, d_i, d_f, *d_o) = d_state, work
        g, q, gates, (i, f, *of_o) = buffers.g[t], buffers.q[t], buffers.gates[t], buffers.by_gate[t]
        if dh is not None:
            o = of_o[0] if of_o else buffers.last_o
            d_gate = torch.addcmul(dh, dh, q, value=-2, out=d_o[0] if of_o else None)
            dc.addcmul_(o, sigmoid_backward(dh, q, grad_input=free), value=4)
            if d_last_o is not None:
                sigmoid_backward(d_gate, o, grad_input=d_last_o)
        elif d_o:
            d_o[0].zero_()
        torch.mul(dc, g, out=d_i)
        torch.mul(dc, buffers.c[t], out=d_f)
        torch.mul(dc, i, out=free)
        sigmoid_backward(free, g, grad_input=g)
        dc.mul_(f)
        sigmoid_backward(dz, gates, grad_input=gates)
        if recurs:
            dc.add_(recurrent(gates, out=free))
        if d_last_o is not None and dh is not None:
            dc.add_(torch.mm(d_last_o, weight_ch[two:]))
        return [None, dc]

    def gradients() -> tuple[Tensor | None, ...]:
        gates = weight_gradient(buffers.all_gates, buffers.all_x)
        if d_last_o is not None:
            gates = torch.cat((gates, weight_gradient(d_last_o, buffers.x[-2])))
        candidate = weight_gradient(buffers.all_g, buffers.all_x[:, hidden:].contiguous())
        from_x = torch.cat((gates[:two, hidden:], candidate, gates[two:, hidden:]))
        d_biases = frame.bias_gradients(from_x[:, -1], biases)
        dx = _input_gradient(buffers, d_last_o, weight_ih) if needs_x else None
        return dx, from_x[:, : x.shape[1]], gates[:, :hidden], *d_biases

    return Backward(work, step, gradients)


def _input_gradient(buffers: _Buffers, d_last_o: Tensor | None, weight_ih: Tensor) -> Tensor:
    hidden = weight_ih.shape[0] // 4
    i_f, g, o = weight_ih.split((2 * hidden, hidden, hidden))
    from_gates = i_f if d_last_o is not None else torch.cat((i_f, o))
    dx = matmul_with(from_gates.t(), len(buffers.all_gates))(buffers.all_gates)
    dx += matmul_with(g.t(), len(buffers.all_g))(buffers.all_g)
    if d_last_o is not None:
        dx[-len(d_last_o) :].addmm_(d_last_o, o)
    return dx


PEEPHOLE_UVA = Kernel(peephole_uva_cell, ("weight_ih", "weight_ch", "bias_ih", "bias_hh"), _forward, _backward)
