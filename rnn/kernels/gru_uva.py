"""The GRU in the form of the report's course over all steps.

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

from ..cells import State, gru_uva_cell
from . import frame
from .buffer_pool import Matrices
from .frame import Backward, Forward, Gradients, Kernel, ScanCall, sigmoid_backward, tanh_backward
from .matmul import matmul_with, tanh, weight_gradient


class _Buffers(frame.Buffers):
    """What enters the products (h or r h, then x and 1), the gates r and z, and n."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (rows + batch, width), (rows, width), (kept, 2 * hidden), (kept, hidden)
        self.all_hx, self.all_rhx, self.all_rz, self.all_n = matrices(shapes, dtype)
        self.hx, self.rhx = self.all_hx.split((*counts, batch)), self.all_rhx.split(counts)
        self.h, self.rh = self.all_hx[:, :hidden].split((*counts, batch)), self.all_rhx[:, :hidden].split(counts)
        self.state, self.new_h = (self.h,), frame.first_rows(self.h[1:], counts)
        self.rz, self.n = call.steps(self.all_rz, counts), call.steps(self.all_n, counts)


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> Forward:
    hidden, rows, joined = state[0].shape[1], call.schedule.rows, frame.joined_weights(weights)
    buffers = call.buffers(_Buffers, hidden, joined.shape[1], x.dtype)
    for entering in (buffers.all_hx[:rows], buffers.all_rhx):
        frame.fill(entering, hidden, x)
    to_rz, to_n = (matmul_with(part, rows) for part in joined.split((2 * hidden, hidden)))

    def step(t: int) -> None:
        h_t, rz, n = buffers.h[t], buffers.rz[t], buffers.n[t]
        torch.sigmoid(to_rz(buffers.hx[t], out=rz), out=rz)
        r, z = rz.chunk(2, dim=1)
        torch.mul(r, h_t, out=buffers.rh[t])
        tanh(to_n(buffers.rhx[t], out=n), out=n)
        torch.lerp(h_t, n, z, out=buffers.new_h[t])

    return Forward(buffers, step)


def _backward(call: ScanCall, x: Tensor, weights: Sequence[Any], buffers: _Buffers, needs_x: bool) -> Backward:
    weight_ih, weight_hh, *_ = weights
    hidden, rows, batch = weight_hh.shape[1], call.schedule.rows, call.schedule.batch
    two = 2 * hidden
    from_rz, from_n = (matmul_with(part.t(), rows) for part in weight_hh.split((two, hidden)))
    d_joined = x.new_zeros(3 * hidden, buffers.all_hx.shape[1])

    def step(t: int, d_state: Gradients, work: Sequence[Tensor], recurs: bool) -> Gradients:
        (dh,), (free, d_rz), h_t, rz, n = d_state, work, buffers.h[t], buffers.rz[t], buffers.n[t]
        (r, z), (d_r, d_z) = rz.chunk(2, dim=1), d_rz.chunk(2, dim=1)
        torch.mul(dh, torch.sub(n, h_t, out=free), out=d_z)
        torch.mul(dh, z, out=free)
        dh.sub_(free)
        d_n = tanh_backward(free, n, grad_input=n)
        d_rh = from_n(d_n, out=free)
        torch.mul(d_rh, h_t, out=d_r)
        dh.addcmul_(d_rh, r)
        sigmoid_backward(d_rz, rz, grad_input=rz)
        return [dh.add_(from_rz(rz, out=free)) if recurs else dh]

    def after(steps: range, rows: slice) -> None:
        d_joined[:two].add_(weight_gradient(buffers.all_rz[rows], buffers.all_hx[rows]))
        d_joined[two:].add_(weight_gradient(buffers.all_n[rows], buffers.all_rhx[rows]))

    def gradients() -> tuple[Tensor | None, ...]:
        dx = None
        if needs_x:
            to_rz, to_n = (matmul_with(part.t(), rows) for part in weight_ih.split((two, hidden)))
            dx = to_rz(buffers.all_rz).add_(to_n(buffers.all_n))
        return dx, *frame.split_gradient(d_joined, weights)

    return Backward([x.new_empty(batch, hidden), x.new_empty(batch, two)], step, gradients, after)


GRU_UVA = Kernel(gru_uva_cell, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), _forward, _backward)
