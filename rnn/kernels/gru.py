"""The GRU in torch.nn's form as one autograd function over all steps.

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

from ..cells import State, Weights, gru_torch_cell
from .buffer_pool import Matrices
from .frame import Kernel, ScanCall, first_rows, fused_scan, gradient_at_end
from .matmul import matmul_with, tanh, weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class _Buffers:
    """Views of a scan's memory, step by step: (r, z, q), n, the state h that a step starts from, and new_h."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        kept = rows if call.keep else batch
        shapes = (kept, 3 * hidden), (kept, hidden), (rows + batch, hidden)
        self.all_rzq, self.all_n, self.all_h = matrices(shapes, dtype)
        self.rzq, self.n = call.steps(self.all_rzq, counts), call.steps(self.all_n, counts)
        self.h = self.all_h.split((*counts, batch))
        self.new_h = first_rows(self.h[1:], counts)
        self.from_zero = False


def _forward(call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]) -> tuple[Tensor, State, _Buffers]:
    (h,), (weight_ih, weight_hh, bias_ih, bias_hh) = state, weights
    hidden, schedule = h.shape[1], call.schedule
    two = 2 * hidden
    buffers = call.buffers(_Buffers, hidden, x.shape[1], x.dtype)
    project, recur = (matmul_with(w, schedule.rows, b) for w, b in ((weight_ih, bias_ih), (weight_hh, bias_hh)))
    from_h = h.new_empty(len(h), 3 * hidden)
    buffers.from_zero = not bool(h.any())
    with torch.inference_mode():
        for steps, rows in schedule.stretches():
            parts = project(x[rows]).split(schedule.counts[steps.start : steps.stop])
            for t, from_x in zip(steps, parts, strict=True):
                n, h_t, rzq, candidate = schedule.counts[t], buffers.h[t], buffers.rzq[t], buffers.n[t]
                schedule.enter_(t, (h_t,), state)
                if t == 0 and buffers.from_zero:
                    recurrent = from_h[:n].zero_() if bias_hh is None else from_h[:n].copy_(bias_hh)
                else:
                    recurrent = recur(h_t, out=from_h[:n])
                rz = torch.add(from_x[:, :two], recurrent[:, :two], out=rzq[:, :two]).sigmoid_()
                r, z = rz.chunk(2, dim=1)
                q = rzq[:, two:].copy_(recurrent[:, two:])
                tanh(torch.addcmul(from_x[:, two:], r, q, out=candidate), out=candidate)
                torch.lerp(candidate, h_t, z, out=buffers.new_h[t])
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
    (h,), (weight_ih, weight_hh, bias_ih, bias_hh) = state, weights
    hidden, schedule = h.shape[1], call.schedule
    counts, forks, two = schedule.counts, schedule.forks, 2 * hidden
    grad_y, grad_h = grads
    grad_y_steps = call.by_step(grad_y)
    recur = matmul_with(weight_hh.t(), schedule.rows)
    to_x = matmul_with(weight_ih.t(), schedule.rows) if needs_x else None
    dh = gradient_at_end(grad_h, h)
    dh0, work, d_rz = torch.empty_like(dh), torch.empty_like(dh), dh.new_empty(len(dh), two)
    dx = torch.empty_like(x) if needs_x else None
    d_weights, d_biases = (torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)), h.new_zeros(2, 3 * hidden)
    with torch.inference_mode():
        for steps, rows in reversed(schedule.stretches()):
            for t in reversed(steps):
                n, h_t, rzq, candidate = counts[t], buffers.h[t], buffers.rzq[t], buffers.n[t]
                rz = rzq[:, :two]
                (r, z), q = rz.chunk(2, dim=1), rzq[:, two:]
                if len(dh) > n:
                    dh0[n : len(dh)] = dh[n:]
                    dh, work, d_rz = (part[:n] for part in (dh, work, d_rz))
                if grad_y_steps is not None:
                    dh.add_(grad_y_steps[t])
                d_r, d_z = d_rz.chunk(2, dim=1)
                torch.mul(dh, torch.sub(h_t, candidate, out=work), out=d_z)
                torch.addcmul(dh, dh, z, value=-1, out=work)
                dh.mul_(z)
                _tanh_backward(work, candidate, grad_input=candidate)
                torch.mul(candidate, q, out=d_r)
                torch.mul(candidate, r, out=q)
                _sigmoid_backward(d_rz, rz, grad_input=rz)
                if t or needs_state:
                    dh.add_(recur(rzq, out=work))
                if t in forks:
                    forks[t].backward_(dh)
            d_rzq, d_n = buffers.all_rzq[rows], buffers.all_n[rows]
            after = slice(max(rows.start, counts[0]), rows.stop) if buffers.from_zero else rows
            if after.start < after.stop:
                d_weights[1].add_(weight_gradient(buffers.all_rzq[after], buffers.all_h[after]))
            if bias_ih is not None or bias_hh is not None:
                d_biases[1] += d_rzq.sum(0)
                d_biases[0, two:] += d_n.sum(0)
            d_rzq[:, two:] = d_n
            d_weights[0].add_(weight_gradient(d_rzq, x[rows]))
            if dx is not None and to_x is not None:
                part = dx[rows]
                got = to_x(d_rzq, out=part)
                if got is not part:
                    part.copy_(got)
    d_biases[0, :two] = d_biases[1, :two]
    dh0[: len(dh)] = dh
    of_ih, of_hh = (None if b is None else d for b, d in zip((bias_ih, bias_hh), d_biases, strict=True))
    return dx, dh0, *d_weights, of_ih, of_hh


_KERNEL = Kernel(gru_torch_cell, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), _forward, _backward)


def fused_gru(call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), and h_T."""
    return fused_scan(_KERNEL, call, x, state, weights)
