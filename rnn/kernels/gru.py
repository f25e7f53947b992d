"""The GRU in torch.nn's form over all steps.

    A = x W' + b_x,   (R, Z, q) = h_{t-1} U' + b_h,   r, z = sigmoid(A_rz + (R, Z)),   n = tanh(A_n + r q),
    h_t = (1 - z) n + z h_{t-1}

The buffer of (r, z, q) becomes that of their gradients step by step on the way back. What is a product over many steps
(A, and the gradients of x, W and U) is taken in stretches of steps, which are large enough for the product and small
enough to be still in the cache. At the first step a state of zeros needs no product, and U gets no gradient.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..cells import State, gru_torch_cell
from . import frame
from .buffer_pool import Matrices
from .frame import Backward, Forward, Gradients, Kernel, ScanCall, sigmoid_backward, tanh_backward
from .matmul import matmul_with, tanh, weight_gradient


class _Buffers(frame.Buffers):
    """(r, z, q), n, the state h, and whether that starts from zero."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (kept, 3 * hidden), (kept, hidden), (rows + batch, hidden)
        self.all_rzq, self.all_n, self.all_h = matrices(shapes, dtype)
        self.rzq, self.n = call.steps(self.all_rzq, counts), call.steps(self.all_n, counts)
        self.h = self.all_h.split((*counts, batch))
        self.state, self.new_h = (self.h,), frame.first_rows(self.h[1:], counts)
        self.from_zero = False


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> Forward:
    (h,), (weight_ih, weight_hh, bias_ih, bias_hh) = state, weights
    hidden, counts = h.shape[1], call.schedule.counts
    two = 2 * hidden
    buffers = call.buffers(_Buffers, hidden, x.shape[1], x.dtype)
    buffers.from_zero = not bool(h.any())
    project, recur = (matmul_with(w, call.schedule.rows, b) for w, b in ((weight_ih, bias_ih), (weight_hh, bias_hh)))
    from_h, from_x = h.new_empty(len(h), 3 * hidden), dict[int, Tensor]()

    def before(steps: range, rows: slice) -> None:
        from_x.clear()
        from_x.update(zip(steps, project(x[rows]).split(counts[steps.start : steps.stop]), strict=True))

    def step(t: int) -> None:
        n, h_t, rzq, candidate, entering = counts[t], buffers.h[t], buffers.rzq[t], buffers.n[t], from_x[t]
        if t == 0 and buffers.from_zero:
            recurrent = from_h[:n].zero_() if bias_hh is None else from_h[:n].copy_(bias_hh)
        else:
            recurrent = recur(h_t, out=from_h[:n])
        r, z = torch.add(entering[:, :two], recurrent[:, :two], out=rzq[:, :two]).sigmoid_().chunk(2, dim=1)
        q = rzq[:, two:].copy_(recurrent[:, two:])
        tanh(torch.addcmul(entering[:, two:], r, q, out=candidate), out=candidate)
        torch.lerp(candidate, h_t, z, out=buffers.new_h[t])

    return Forward(buffers, step, before)


def _backward(call: ScanCall, x: Tensor, weights: Sequence[Any], buffers: _Buffers, needs_x: bool) -> Backward:
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    hidden, rows, batch = weight_hh.shape[1], call.schedule.rows, call.schedule.batch
    two = 2 * hidden
    recur = matmul_with(weight_hh.t(), rows)
    to_x = matmul_with(weight_ih.t(), rows)
    dx = torch.empty_like(x) if needs_x else None
    d_ih, d_hh, d_biases = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh), x.new_zeros(2, 3 * hidden)

    def step(t: int, d_state: Gradients, work: Sequence[Tensor], recurs: bool) -> Gradients:
        (dh,), (free, d_rz), h_t, rzq, candidate = d_state, work, buffers.h[t], buffers.rzq[t], buffers.n[t]
        rz, q = rzq[:, :two], rzq[:, two:]
        (r, z), (d_r, d_z) = rz.chunk(2, dim=1), d_rz.chunk(2, dim=1)
        torch.mul(dh, torch.sub(h_t, candidate, out=free), out=d_z)
        torch.addcmul(dh, dh, z, value=-1, out=free)
        dh.mul_(z)
        tanh_backward(free, candidate, grad_input=candidate)
        torch.mul(candidate, q, out=d_r)
        torch.mul(candidate, r, out=q)
        sigmoid_backward(d_rz, rz, grad_input=rz)
        return [dh.add_(recur(rzq, out=free)) if recurs else dh]

    def after(steps: range, rows: slice) -> None:
        d_rzq, d_n = buffers.all_rzq[rows], buffers.all_n[rows]
        moved = slice(max(rows.start, call.schedule.counts[0]), rows.stop) if buffers.from_zero else rows
        if moved.start < moved.stop:
            d_hh.add_(weight_gradient(buffers.all_rzq[moved], buffers.all_h[moved]))
        if bias_ih is not None or bias_hh is not None:
            d_biases[1] += d_rzq.sum(0)
            d_biases[0, two:] += d_n.sum(0)
        d_rzq[:, two:] = d_n
        d_ih.add_(weight_gradient(d_rzq, x[rows]))
        if dx is not None:
            got = to_x(d_rzq, out=(part := dx[rows]))
            if got is not part:
                part.copy_(got)

    def gradients() -> tuple[Tensor | None, ...]:
        d_biases[0, :two] = d_biases[1, :two]
        of_biases = (None if b is None else d for b, d in zip((bias_ih, bias_hh), d_biases, strict=True))
        return dx, d_ih, d_hh, *of_biases

    return Backward([x.new_empty(batch, hidden), x.new_empty(batch, two)], step, gradients, after)


GRU_KERNEL = Kernel(gru_torch_cell, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), _forward, _backward, "gru")
