"""The GRU in torch.nn's form as one autograd function over all steps.

    A = x [W | b_x]' of all steps at once,   (r, z) = sigmoid(A_rz + h_{t-1} U_rz'),   q = h_{t-1} U_n' + b_q,
    n = tanh(A_n + r q),   h_t = (1 - z) n + z h_{t-1}

The buffer of A becomes that of the gates r, z, n step by step, and backward that of their gradients; that of q becomes
its gradient, so that the weights' gradients are products over all steps at the end.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnn.cells import State, Weights, gru_torch_cell
from rnn.fused import Formula, FusedCall, first_rows, gradient_at_end, walk_fused
from rnn.products import product_with, tanh, weight_gradient
from rnn.workspace import Matrices

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class _Buffers:
    """Views of a walk's memory, step by step: the gates r, z, n; q; the state h that a step starts from, and new_h."""

    def __init__(self, call: FusedCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (rows, 2 * hidden), (rows, hidden), (kept, hidden), (rows + batch, hidden)
        self.all_rz, self.all_n, self.all_q, all_h = matrices(shapes, dtype)
        self.all_h = all_h[:rows]
        self.rz, self.n = self.all_rz.split(counts), self.all_n.split(counts)
        self.r, self.z = (gate.split(counts) for gate in self.all_rz.view(rows, 2, hidden).unbind(1))
        self.q = call.steps(self.all_q, counts)
        self.h = all_h.split((*counts, batch))
        self.new_h = first_rows(self.h[1:], counts)


def _forward(call: FusedCall, x: Tensor, state: State, weights: Sequence[Any]) -> tuple[Tensor, State, _Buffers]:
    (h,), (weight_ih, weight_hh, bias_ih, bias_hh) = state, weights
    hidden, schedule = h.shape[1], call.schedule
    buffers = call.buffers(_Buffers, hidden, x.shape[1], x.dtype)
    for part, rows in ((buffers.all_rz, slice(2 * hidden)), (buffers.all_n, slice(2 * hidden, 3 * hidden))):
        projected = product_with(weight_ih[rows], len(x))(x, out=part)
        if projected is not part:
            part.copy_(projected)
        if bias_ih is not None:
            part += bias_ih[rows]
    if bias_hh is not None:
        buffers.all_rz += bias_hh[: 2 * hidden]
    product = product_with(weight_hh, schedule.rows)
    from_h, changed = torch.empty(len(h), 3 * hidden, dtype=h.dtype), torch.empty_like(h)
    before = 0
    with torch.inference_mode():
        for t, n in enumerate(schedule.counts):
            h_t, r, z, candidate, q = buffers.h[t], buffers.r[t], buffers.z[t], buffers.n[t], buffers.q[t]
            if before < n:
                h_t[before:] = h[before:n]
                before = n
            if t in schedule.forks:
                schedule.forks[t].apply_(h_t)
            recurrent = product(h_t, out=from_h[:n])
            buffers.rz[t].add_(recurrent[:, : 2 * hidden]).sigmoid_()
            if bias_hh is None:
                q.copy_(recurrent[:, 2 * hidden :])
            else:
                torch.add(recurrent[:, 2 * hidden :], bias_hh[2 * hidden :], out=q)
            torch.addcmul(candidate, r, q, out=changed[:n])
            tanh(changed[:n], out=candidate)
            torch.lerp(candidate, h_t, z, out=buffers.new_h[t])
    y = torch.cat(buffers.new_h) if call.outputs else h.new_empty(0, hidden)
    return y, (buffers.h[-1].clone(),), buffers


def _backward(
    call: FusedCall,
    grads: Sequence[Tensor | None],
    x: Tensor,
    state: State,
    weights: Sequence[Any],
    buffers: _Buffers,
    needs_x: bool,
) -> tuple[Tensor | None, ...]:
    (h,), (weight_ih, weight_hh, bias_ih, bias_hh) = state, weights
    hidden, counts, forks = h.shape[1], call.schedule.counts, call.schedule.forks
    grad_y, grad_h = grads
    grad_y_steps = call.by_step(grad_y)
    recurrent = weight_hh[: 2 * hidden].t(), weight_hh[2 * hidden :].t()
    from_rz, from_q = (product_with(weight, call.schedule.rows) for weight in recurrent)
    dh = gradient_at_end(grad_h, h)
    dh0, work = torch.empty_like(dh), torch.empty_like(dh)
    d_rz = dh.new_empty(len(dh), 2 * hidden)
    d_r, d_z = d_rz.view(-1, 2, hidden).unbind(1)
    with torch.inference_mode():
        for t in range(len(counts) - 1, -1, -1):
            n, h_t, candidate, q = counts[t], buffers.h[t], buffers.n[t], buffers.q[t]
            rz, r, z = buffers.rz[t], buffers.r[t], buffers.z[t]
            if len(dh) > n:
                dh0[n : len(dh)] = dh[n:]
                dh, work, d_rz, d_r, d_z = (part[:n] for part in (dh, work, d_rz, d_r, d_z))
            if grad_y_steps is not None:
                dh.add_(grad_y_steps[t])
            torch.mul(dh, torch.sub(h_t, candidate, out=work), out=d_z)
            torch.addcmul(dh, dh, z, value=-1, out=work)
            dh.mul_(z)
            _tanh_backward(work, candidate, grad_input=candidate)
            torch.mul(candidate, q, out=d_r)
            torch.mul(candidate, r, out=q)
            _sigmoid_backward(d_rz, rz, grad_input=rz)
            dh.add_(from_rz(rz, out=work))
            dh.add_(from_q(q, out=work))
            if t in forks:
                forks[t].backward_(dh)
    dh0[: len(dh)] = dh
    d_rz, d_n, d_q = buffers.all_rz, buffers.all_n, buffers.all_q
    dx = None
    if needs_x:
        dx = product_with(weight_ih[: 2 * hidden].t(), len(x))(d_rz)
        dx += product_with(weight_ih[2 * hidden :].t(), len(x))(d_n)
    d_weight_ih = torch.cat((weight_gradient(d_rz, x), weight_gradient(d_n, x)))
    d_weight_hh = torch.cat((weight_gradient(d_rz, buffers.all_h), weight_gradient(d_q, buffers.all_h)))
    sum_rz = None if bias_ih is None and bias_hh is None else d_rz.sum(0)
    d_bias_ih = None if bias_ih is None or sum_rz is None else torch.cat((sum_rz, d_n.sum(0)))
    d_bias_hh = None if bias_hh is None or sum_rz is None else torch.cat((sum_rz, d_q.sum(0)))
    return dx, dh0, d_weight_ih, d_weight_hh, d_bias_ih, d_bias_hh


_FORMULA = Formula(gru_torch_cell, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), _forward, _backward)


def fused_gru(call: FusedCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), and h_T."""
    return walk_fused(_FORMULA, call, x, state, weights)
