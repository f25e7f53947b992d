"""The vanilla recurrent layer as one autograd function over all steps.

    Z = [h_{t-1} | x_t | 1 | 1] [U | W | b | b']',   h_t = tanh(Z) or max(0, Z)

Backward, a step is the derivative of the nonlinearity, which h_t alone gives, and one product; the weights' gradient is
one product over all steps at its end.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..cells import State, Weights, rnn_relu_cell, rnn_tanh_cell
from .buffer_pool import Matrices
from .frame import Kernel, ScanCall, bias_gradients, first_rows, fused_scan, gradient_at_end
from .matmul import matmul_with, tanh, weight_gradient


class _Buffers:
    """Views of a scan's memory: what enters the product, Z and later its gradient; the states h and new_h of a step."""

    def __init__(self, call: ScanCall, matrices: Matrices, hidden: int, width: int, dtype: torch.dtype) -> None:
        counts, rows, batch = call.schedule.counts, call.schedule.rows, call.schedule.batch
        all_x, self.all_z = matrices(((rows + batch, width), (rows if call.keep else batch, hidden)), dtype)
        self.all_x = all_x[:rows]
        self.x = all_x.split((*counts, batch))
        self.h = all_x[:, :hidden].split((*counts, batch))
        self.new_h = first_rows(self.h[1:], counts)
        self.z = call.steps(self.all_z, counts)


def _relu(z: Tensor, out: Tensor) -> Tensor:
    return torch.clamp_min(z, 0, out=out)


def _relu_backward(grad: Tensor, h: Tensor, grad_input: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad_input)


def _forward(
    nonlinearity: Callable[..., Tensor], call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]
) -> tuple[Tensor, State, _Buffers]:
    (h,), (weight_ih, weight_hh, bias_ih, bias_hh) = state, weights
    hidden, schedule = h.shape[1], call.schedule
    biases = [bias.unsqueeze(1) for bias in (bias_ih, bias_hh) if bias is not None]
    stacked = torch.cat((weight_hh, weight_ih, *biases), dim=1)
    matmul = matmul_with(stacked, schedule.rows)
    buffers = call.buffers(_Buffers, hidden, stacked.shape[1], x.dtype)
    buffers.all_x[:, hidden : hidden + x.shape[1]] = x
    buffers.all_x[:, hidden + x.shape[1] :] = 1
    with torch.inference_mode():
        for t in range(len(schedule.counts)):
            schedule.enter_(t, (buffers.h[t],), state)
            nonlinearity(matmul(buffers.x[t], out=buffers.z[t]), out=buffers.new_h[t])
    y = torch.cat(buffers.new_h) if call.outputs else h.new_empty(0, hidden)
    return y, (buffers.h[-1].clone(),), buffers


def _backward(
    derivative: Callable[..., Tensor],
    call: ScanCall,
    grads: Sequence[Tensor | None],
    x: Tensor,
    state: State,
    weights: Sequence[Any],
    buffers: _Buffers,
    needs_x: bool,
    needs_state: bool,
) -> tuple[Tensor | None, ...]:
    (h,), (weight_ih, weight_hh, *biases) = state, weights
    hidden, inputs, counts, forks = h.shape[1], x.shape[1], call.schedule.counts, call.schedule.forks
    grad_y, grad_h = grads
    grad_y_steps = call.by_step(grad_y)
    recurrent = matmul_with(weight_hh.t(), call.schedule.rows)
    dh = gradient_at_end(grad_h, h)
    dh0 = torch.empty_like(dh)
    with torch.inference_mode():
        for t in range(len(counts) - 1, -1, -1):
            n, z = counts[t], buffers.z[t]
            if len(dh) > n:
                dh0[n : len(dh)] = dh[n:]
                dh = dh[:n]
            if grad_y_steps is not None:
                dh.add_(grad_y_steps[t])
            derivative(dh, buffers.new_h[t], grad_input=z)
            if t or needs_state:
                dh = recurrent(z, out=dh)
            if t in forks:
                forks[t].backward_(dh)
    dh0[: len(dh)] = dh
    dx = matmul_with(weight_ih.t(), len(x))(buffers.all_z) if needs_x else None
    stacked = weight_gradient(buffers.all_z, buffers.all_x)
    d_weights = stacked[:, hidden : hidden + inputs], stacked[:, :hidden]
    return dx, dh0, *d_weights, *bias_gradients(stacked[:, -1], *biases)


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_TANH = Kernel(rnn_tanh_cell, _NAMES, partial(_forward, tanh), partial(_backward, _tanh_backward))
_RELU = Kernel(rnn_relu_cell, _NAMES, partial(_forward, _relu), partial(_backward, _relu_backward))


def fused_rnn_tanh(call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), and h_T."""
    return fused_scan(_TANH, call, x, state, weights)


def fused_rnn_relu(call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), and h_T."""
    return fused_scan(_RELU, call, x, state, weights)
