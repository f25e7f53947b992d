"""The GRU in the form of the report's course as one autograd function over all steps.

    r, z = sigmoid([h_{t-1} | x_t | 1] [U | W | b]'),   n = tanh([r h_{t-1} | x_t | 1] [U_n | W_n | b_n]'),
    h_t = h_{t-1} + z (n - h_{t-1})

What enters the two products is kept side by side, so that the inputs cost little beside the states where they are
narrow, and the gradients of U, W and b are one product each. The buffers of the gates become those of their gradients
on the way back. Products over many steps are taken in stretches, which are still in the cache.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..cells import State, Weights, gru_uva_cell
from .buffer_pool import Matrices
from .frame import Kernel, ScanCall, bias_gradients, first_rows, fused_scan, gradient_at_end
from .matmul import matmul_with, tanh, weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class _Buffers:
    """Views of a scan's memory: what enters the products (h or r h, then x and 1), the gates r and z, and n.

    The state that a step starts from is `h`, the one that it writes `new_h`.
    """

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (rows + batch, width), (rows, width), (kept, 2 * hidden), (kept, hidden)
        self.all_hx, self.all_rhx, self.all_rz, self.all_n = matrices(shapes, dtype)
        self.hx, self.rhx = self.all_hx.split((*counts, batch)), self.all_rhx.split(counts)
        self.h = self.all_hx[:, :hidden].split((*counts, batch))
        self.new_h, self.rh = first_rows(self.h[1:], counts), self.all_rhx[:, :hidden].split(counts)
        self.rz, self.n = call.steps(self.all_rz, counts), call.steps(self.all_n, counts)


def _columns(weights: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """The stacked weights [H + I + 1 columns] of r and z, and of n; without biases, without the last column."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    parts = [weight_hh, weight_ih] + ([] if bias_ih is None else [(bias_ih + bias_hh).unsqueeze(1)])
    stacked, hidden = torch.cat(parts, dim=1), weight_hh.shape[1]
    return stacked[: 2 * hidden], stacked[2 * hidden :]


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> tuple[Tensor, State, _Buffers]:
    (h,), schedule = state, call.schedule
    hidden = h.shape[1]
    of_rz, of_n = _columns(weights)
    buffers = call.buffers(_Buffers, hidden, of_n.shape[1], x.dtype)
    for entering in (buffers.all_hx[: schedule.rows], buffers.all_rhx):
        entering[:, hidden : hidden + x.shape[1]] = x
        if weights[2] is not None:
            entering[:, -1] = 1
    to_rz, to_n = (matmul_with(part, schedule.rows) for part in (of_rz, of_n))
    with torch.inference_mode():
        for t in range(len(schedule.counts)):
            h_t, rz, n = buffers.h[t], buffers.rz[t], buffers.n[t]
            schedule.enter_(t, (h_t,), state)
            torch.sigmoid(to_rz(buffers.hx[t], out=rz), out=rz)
            r, z = rz.chunk(2, dim=1)
            torch.mul(r, h_t, out=buffers.rh[t])
            tanh(to_n(buffers.rhx[t], out=n), out=n)
            torch.lerp(h_t, n, z, out=buffers.new_h[t])
    y = torch.cat(buffers.new_h) if call.outputs else h.new_empty(0, hidden)
    return y, (buffers.h[-1].clone(),), buffers


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
    (h,), (_, weight_hh, *biases), schedule = state, weights, call.schedule
    hidden, counts, forks = h.shape[1], schedule.counts, schedule.forks
    grad_y, grad_h = grads
    grad_y_steps = call.by_step(grad_y)
    from_rz, from_n = (matmul_with(part.t(), schedule.rows) for part in weight_hh.split((2 * hidden, hidden)))
    dh = gradient_at_end(grad_h, h)
    dh0, work, d_rz = torch.empty_like(dh), torch.empty_like(dh), dh.new_empty(len(dh), 2 * hidden)
    d_stacked = h.new_zeros(3 * hidden, buffers.all_hx.shape[1])
    with torch.inference_mode():
        for steps, rows in reversed(schedule.stretches()):
            for t in reversed(steps):
                count, h_t, rz, n = counts[t], buffers.h[t], buffers.rz[t], buffers.n[t]
                r, z = rz.chunk(2, dim=1)
                if len(dh) > count:
                    dh0[count : len(dh)] = dh[count:]
                    dh, work, d_rz = (part[:count] for part in (dh, work, d_rz))
                if grad_y_steps is not None:
                    dh.add_(grad_y_steps[t])
                d_r, d_z = d_rz.chunk(2, dim=1)
                torch.mul(dh, torch.sub(n, h_t, out=work), out=d_z)
                torch.mul(dh, z, out=work)
                dh.sub_(work)
                d_n = _tanh_backward(work, n, grad_input=n)
                d_rh = from_n(d_n, out=work)
                torch.mul(d_rh, h_t, out=d_r)
                dh.addcmul_(d_rh, r)
                _sigmoid_backward(d_rz, rz, grad_input=rz)
                if t or needs_state:
                    dh.add_(from_rz(rz, out=work))
                if t in forks:
                    forks[t].backward_(dh)
            d_stacked[: 2 * hidden].add_(weight_gradient(buffers.all_rz[rows], buffers.all_hx[rows]))
            d_stacked[2 * hidden :].add_(weight_gradient(buffers.all_n[rows], buffers.all_rhx[rows]))
    dh0[: len(dh)] = dh
    dx = _input_gradient(buffers, weights[0]) if needs_x else None
    d_hh, d_ih = d_stacked[:, :hidden], d_stacked[:, hidden : hidden + x.shape[1]]
    return dx, dh0, d_ih, d_hh, *bias_gradients(d_stacked[:, -1], *biases)


def _input_gradient(buffers: _Buffers, weight_ih: Tensor) -> Tensor:
    hidden = weight_ih.shape[0] // 3
    of_rz, of_n = weight_ih.split((2 * hidden, hidden))
    dx = matmul_with(of_rz.t(), len(buffers.all_rz))(buffers.all_rz)
    return dx.add_(matmul_with(of_n.t(), len(buffers.all_n))(buffers.all_n))


_KERNEL = Kernel(gru_uva_cell, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), _forward, _backward)


def fused_gru_uva(call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), and h_T."""
    return fused_scan(_KERNEL, call, x, state, weights)
