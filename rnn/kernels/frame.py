"""The frame of every fused scan: entering, shrinking batches, shared beginnings, and the autograd function.

A kernel gives buffers, a step, a step back and its weights' gradients (see lstm.py and its neighbours); what all of
them need around these stands here, once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphreel.core.double_backward import differentiable_gradients
from graphreel.core.transforms import is_batched

from ..cells import Cell, State, Weights
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.scan import plain_scan
from .buffer_pool import BufferPool

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input

Gradients = list[Any]  # of the parts of a state [counts[t], H]; None for one that feeds nothing back
Stretch = Callable[[range, slice], None]


@dataclass(frozen=True)
class ScanCall:
    """The settings of one fused scan.

    Attributes:
        schedule: who takes part in which step.
        buffer_pool: where its memory comes from.
        outputs: whether h of all steps is wanted, or only the final state.
        keep: whether a backward pass may follow.
    """

    schedule: BatchSchedule
    buffer_pool: BufferPool
    outputs: bool
    keep: bool

    def buffers(self, kind: type, hidden: int, width: int, dtype: torch.dtype) -> Any:
        """kind(call, matrices, hidden, width, dtype) out of the pool (see graphreel.rnn.kernels.buffer_pool)."""
        shapes = self.schedule.counts, self.outputs, self.keep, hidden, width, dtype
        return self.buffer_pool.take((kind, shapes), lambda matrices: kind(self, matrices, hidden, width, dtype))

    def steps(self, rows: Tensor, counts: Sequence[int]) -> Sequence[Tensor]:
        """Each step's part of a buffer; without a backward pass all steps use the same one."""
        if self.keep:
            return rows.split(counts)
        parts = {count: rows[:count] for count in set(counts)}
        return [parts[count] for count in counts]


class Buffers:
    """Views of a scan's memory.

    Attributes:
        state: of each part of the state that recurs, where every step finds it [counts[t], H], and where it ends.
        new_h: where every step leaves h.
    """

    state: tuple[Sequence[Tensor], ...]
    new_h: list[Tensor]


class Forward(NamedTuple):
    """A kernel's way forward.

    Attributes:
        buffers: its memory.
        step: t -> None.
        before: what precedes a stretch of steps, with its rows.
        results: () -> (h of all steps or of none, final state); None where they are what the buffers end with.
    """

    buffers: Any
    step: Callable[[int], None]
    before: Stretch | None = None
    results: Callable[[], tuple[Tensor, State]] | None = None


class Backward(NamedTuple):
    """A kernel's way back.

    Attributes:
        work: tensors [B, .] that a step writes over, cut to the step's rows by the frame.
        step: (t, gradients of the state after the step, work, whether those before it are needed) -> the latter.
        gradients: () -> the gradients of x (None where not needed) and of the weights, after the last step.
        after: what follows on a stretch of steps and its rows.
    """

    work: Sequence[Tensor]
    step: Callable[[int, Gradients, Sequence[Tensor], bool], Gradients]
    gradients: Callable[[], tuple[Tensor | None, ...]]
    after: Stretch | None = None


@dataclass(frozen=True)
class Kernel:
    """A cell over all steps.

    Attributes:
        cell: one step of it in plain operations.
        names: of the weights, in the order in which the two functions take them; one that is missing is None.
        forward: (call, x, state, weights) -> Forward; None where there is only the cell.
        backward: (call, x, weights, buffers, whether the gradient of x is needed) -> Backward.
        torch_op: the operator behind torch.nn's layer of this formula, where there is one.
    """

    cell: Cell
    names: tuple[str, ...] = ()
    forward: Callable[[ScanCall, Tensor, State, Sequence[Any]], Forward] | None = None
    backward: Callable[[ScanCall, Tensor, Sequence[Any], Any, bool], Backward] | None = None
    torch_op: str | None = None


def fused_scan(kernel: Kernel, call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, State]:
    """h of all steps (of none where call.outputs is False), and the final state."""
    y, *final = _Fused.apply(kernel, call, x.contiguous(), *state, *(weights.get(name) for name in kernel.names))
    return y, tuple(final)


def _forward(
    kernel: Kernel, call: ScanCall, x: Tensor, state: State, weights: Sequence[Any]
) -> tuple[Tensor, State, Any]:
    assert kernel.forward is not None
    schedule = call.schedule
    buffers, step, before, results = kernel.forward(call, x, state, weights)
    recurring = state[len(state) - len(buffers.state) :]
    entering = schedule.entering()
    with torch.inference_mode():  # which saves a fifth of what a small operation costs
        every = [(range(len(schedule.counts)), slice(None))]
        for steps, rows in every if before is None else schedule.stretches():
            if before is not None:
                before(steps, rows)
            for t in steps:
                if t in entering:
                    schedule.enter_(t, tuple(part[t] for part in buffers.state), recurring)
                step(t)
    if results is not None:
        return *results(), buffers
    y = torch.cat(buffers.new_h) if call.outputs else x.new_empty(0, state[0].shape[1])
    return y, tuple(part[-1].clone() for part in buffers.state), buffers


def _backward(
    kernel: Kernel,
    call: ScanCall,
    grads: Sequence[Tensor | None],
    x: Tensor,
    state: State,
    weights: Sequence[Any],
    buffers: Any,
    needs_x: bool,
    needs_state: bool,
) -> tuple[Tensor | None, ...]:
    assert kernel.backward is not None
    schedule, (grad_y, *grad_state) = call.schedule, grads
    work, step, gradients, after = kernel.backward(call, x, weights, buffers, needs_x)
    d_state: Gradients = [
        torch.zeros_like(part) if grad is None else grad.clone(memory_format=torch.contiguous_format)
        for grad, part in zip(grad_state, state, strict=True)
    ]
    d_initial = [torch.empty_like(part) for part in d_state]
    d_y = grad_y.split(schedule.counts) if grad_y is not None and call.outputs else None
    size = schedule.batch
    with torch.inference_mode():
        for steps, rows in reversed(schedule.stretches()):
            for t in reversed(steps):
                n = schedule.counts[t]
                if n < size:
                    for first, part in zip(d_initial, d_state, strict=True):
                        if part is not None:
                            first[n:size] = part[n:]
                    d_state, work, size = (
                        [part if part is None else part[:n] for part in d_state],
                        [w[:n] for w in work],
                        n,
                    )
                if d_y is not None:
                    d_state[0] = d_y[t] if d_state[0] is None else d_state[0].add_(d_y[t])
                d_state = step(t, d_state, work, t > 0 or needs_state)
                if t in schedule.forks:
                    for part in d_state:
                        if part is not None:
                            schedule.forks[t].backward_(part)
            if after is not None:
                after(steps, rows)
    for first, part in zip(d_initial, d_state, strict=True):
        if part is not None:
            first[:size] = part
    of_state = (None if part is None else first for first, part in zip(d_initial, d_state, strict=True))
    dx, *d_weights = gradients()
    return dx, *of_state, *d_weights


class _Fused(torch.autograd.Function):
    """(x, state, weights) -> (h of all steps or of none, final state); sequence/scan.py has it in plain operations."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, kernel: Kernel, call: ScanCall, x: Tensor, *others: Any
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.kernel, ctx.call, ctx.parts = kernel, call, len(others) - len(kernel.names)
        ctx.save_for_backward(x, *others)
        y, final, buffers = _forward(kernel, call, x, others[: ctx.parts], others[ctx.parts :])
        if call.keep:
            ctx.buffers = buffers
        else:
            call.buffer_pool.give_back(buffers)
        return y, *final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, *others = ctx.saved_tensors
        kernel, call, state, weights = ctx.kernel, ctx.call, others[: ctx.parts], others[ctx.parts :]
        needs = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled() or is_batched(grads):  # differentiated again, or many at once under vmap

            def by_steps(x: Tensor, *others: Any) -> list[Tensor]:
                state, weights = others[: ctx.parts], zip(kernel.names, others[ctx.parts :], strict=True)
                given = {name: weight for name, weight in weights if weight is not None}
                y, final = plain_scan(kernel.cell, x, call.schedule, state, given)
                return [y if call.outputs else y[:0], *final]

            return None, None, *differentiable_gradients(by_steps, (x, *others), grads)
        buffers, ctx.buffers = ctx.buffers, None
        if buffers is None:  # an earlier backward through the same graph has used it up
            _, _, buffers = _forward(kernel, call, x, state, weights)
        wanted = needs[0], any(needs[1 : 1 + ctx.parts])
        results = _backward(kernel, call, grads, x, state, weights, buffers, *wanted)
        call.buffer_pool.give_back(buffers)
        return None, None, *(result if need else None for result, need in zip(results, needs, strict=True))


def first_rows(parts: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
    """The first rows of each part, as many as `counts` says."""
    return [part if len(part) == count else part[:count] for part, count in zip(parts, counts, strict=True)]


def joined_weights(weights: Sequence[Any]) -> Tensor:
    """[U | W | b + b'], the weights of [h | x | 1]; without biases, without the last column."""
    weight_ih, weight_hh, *biases = weights[:4]
    given = [bias for bias in biases if bias is not None]
    return torch.cat((weight_hh, weight_ih, *([reduce(torch.add, given).unsqueeze(1)] if given else [])), dim=1)


def fill(rows: Tensor, hidden: int, x: Tensor) -> None:
    """Write x and 1 into the columns of [h | x | 1] behind h."""
    rows[:, hidden : hidden + x.shape[1]] = x
    rows[:, hidden + x.shape[1] :] = 1


def split_gradient(joined: Tensor, weights: Sequence[Any]) -> tuple[Tensor | None, ...]:
    """The gradients of W, U, b and b' from that of [U | W | b + b']."""
    weight_ih, weight_hh, *biases = weights[:4]
    hidden, inputs = weight_hh.shape[1], weight_ih.shape[1]
    return joined[:, hidden : hidden + inputs], joined[:, :hidden], *bias_gradients(joined[:, -1], biases)


def bias_gradients(column: Tensor, biases: Sequence[Any]) -> list[Tensor | None]:
    """A copy of the column for each bias that there is, so that a caller who changes one in place changes no other."""
    return [None if bias is None else column.clone(memory_format=torch.contiguous_format) for bias in biases]
