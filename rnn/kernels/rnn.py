"""The vanilla recurrent layer over all steps.

    Z = [h_{t-1} | x_t | 1] [U | W | b]',   h_t = tanh(Z) or max(0, Z)

Backward, a step is the derivative of the nonlinearity, which h_t alone gives, and one product; the weights' gradient is
one product over all steps at its end.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..cells import State, rnn_relu_cell, rnn_tanh_cell
from . import frame
from .buffer_pool import Matrices
from .frame import Backward, Forward, Gradients, Kernel, ScanCall
from .matmul import matmul_with, tanh, weight_gradient


class _Buffers(frame.Buffers):
    """What enters the product, and Z, later its gradient."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        all_x, self.all_z = matrices(((rows + batch, width), (rows if call.keep else batch, hidden)), dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        h = all_x[:, :hidden].split((*counts, batch))
        self.state, self.new_h = (h,), frame.first_rows(h[1:], counts)
        self.z = call.steps(self.all_z, counts)


def _relu_backward(grad: Tensor, h: Tensor, grad_input: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad_input)


def _forward(
    nonlinearity: Callable[..., Tensor], call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]
) -> Forward:
    hidden, joined = state[0].shape[1], frame.joined_weights(weights)
    matmul = matmul_with(joined, call.schedule.rows)
    buffers = call.buffers(_Buffers, hidden, joined.shape[1], x.dtype)
    frame.fill(buffers.all_x, hidden, x)

    def step(t: int) -> None:
        nonlinearity(matmul(buffers.x[t], out=buffers.z[t]), out=buffers.new_h[t])

    return Forward(buffers, step)


def _backward(
    derivative: Callable[..., Tensor],
    call: ScanCall,
    x: Tensor,
    weights: Sequence[Any],
    buffers: _Buffers,
    needs_x: bool,
) -> Backward:
    recurrent = matmul_with(weights[1].t(), call.schedule.rows)

    def step(t: int, d_state: Gradients, work: Sequence[Tensor], recurs: bool) -> Gradients:
        (dh,), z = d_state, buffers.z[t]
        derivative(dh, buffers.new_h[t], grad_input=z)
        return [recurrent(z, out=dh) if recurs else dh]

    def gradients() -> tuple[Tensor | None, ...]:
        dx = matmul_with(weights[0].t(), len(x))(buffers.all_z) if needs_x else None
        return dx, *frame.split_gradient(weight_gradient(buffers.all_z, buffers.all_x), weights)

    return Backward([], step, gradients)


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
RNN_TANH = Kernel(rnn_tanh_cell, _NAMES, partial(_forward, tanh), partial(_backward, frame.tanh_backward), "rnn_tanh")
RNN_RELU = Kernel(
    rnn_relu_cell,
    _NAMES,
    partial(_forward, partial(torch.clamp_min, min=0)),
    partial(_backward, _relu_backward),
    "rnn_relu",
)
