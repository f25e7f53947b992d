"""What the fused scans have in common: when they apply, their autograd function, and their gradients' gradients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from graphreel.core.transforms import is_batched, is_transforming

from ..cells import Cell, State, Weights
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.scan import plain_scan
from .buffer_pool import BufferPool


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

    def by_step(self, grad_y: Tensor | None) -> Sequence[Tensor] | None:
        """The gradient of h of all steps, step by step; None where there is none."""
        return None if grad_y is None or not self.outputs else grad_y.split(self.schedule.counts)


def gradient_at_end(grad: Tensor | None, final: Tensor) -> Tensor:
    """The gradient of a part of the final state, to be written over on the way back; zeros where there is none."""
    return torch.zeros_like(final) if grad is None else grad.clone(memory_format=torch.contiguous_format)


def bias_gradients(column: Tensor, *biases: Tensor | None) -> list[Tensor | None]:
    """A copy of the column for each bias that there is, so that a caller who changes one in place changes no other."""
    return [None if bias is None else column.clone(memory_format=torch.contiguous_format) for bias in biases]


def first_rows(parts: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
    """The first rows of each part, as many as `counts` says."""
    return [part if len(part) == count else part[:count] for part, count in zip(parts, counts, strict=True)]


@dataclass(frozen=True)
class Kernel:
    """A cell's scan and its gradient in closed form.

    Attributes:
        cell: one step of it in plain operations.
        names: of the weights, in the order in which the two functions take them; one that is missing is None.
        forward: (call, x, state, weights) -> h of all steps (of none where call.outputs is False), the final state, and
            the scan's buffers with what the backward pass needs.
        backward: (call, gradients of forward's results, x, state, weights, what forward left, whether the gradient of x
            is needed, and that of the state) -> the gradients of x, of the state's parts and of the weights.
    """

    cell: Cell
    names: tuple[str, ...]
    forward: Callable[[ScanCall, Tensor, State, Sequence[Any]], tuple[Tensor, State, Any]]
    backward: Callable[..., tuple[Tensor | None, ...]]


_FEWEST_STEPS = 4  # one step at batch 1: 65 us as a plain step, 235 us fused

FusedScan = Callable[[ScanCall, Tensor, State, Weights], tuple[Tensor, ...]]


def can_fuse(schedule: BatchSchedule, x: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether a fused scan gives the same, and is worth its preparations.

    The tensors must be ordinary ones of one floating type on the CPU, with no transformation looking on, and the steps
    more than a few.
    """
    tensors = (x, *others)
    return (
        len(schedule.counts) >= _FEWEST_STEPS
        and x.dtype in (torch.float32, torch.float64)
        and all(t.device.type == "cpu" and t.dtype == x.dtype and t.layout == torch.strided for t in tensors)
        and all(type(t) in (Tensor, torch.nn.Parameter) for t in tensors)
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not is_transforming()
        and not is_in_torch_dispatch_mode()
        and not any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)
    )


class _Fused(torch.autograd.Function):
    """(x, state, weights) -> (h of all steps or of none, final state); sequence/scan.py has it in plain operations."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, formula: Kernel, call: ScanCall, x: Tensor, *others: Any
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.formula, ctx.call, ctx.parts = formula, call, len(others) - len(formula.names)
        ctx.save_for_backward(x, *others)
        y, final, left = formula.forward(call, x, others[: ctx.parts], others[ctx.parts :])
        if call.keep:
            ctx.left = left
        else:
            call.buffer_pool.give_back(left)
        return y, *final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, *others = ctx.saved_tensors
        formula, call, state, weights = ctx.formula, ctx.call, others[: ctx.parts], others[ctx.parts :]
        needs = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled() or is_batched(grads):
            return None, None, *_differentiable_backward(formula, call, grads, needs, x, state, weights)
        left, ctx.left = ctx.left, None
        if left is None:  # an earlier backward through the same graph has used it up
            _, _, left = formula.forward(call, x, state, weights)
        wanted = needs[0], any(needs[1 : 1 + ctx.parts])
        results = formula.backward(call, grads, x, state, weights, left, *wanted)
        call.buffer_pool.give_back(left)
        return None, None, *(result if need else None for result, need in zip(results, needs, strict=True))


def fused_scan(formula: Kernel, call: ScanCall, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, ...]:
    """h of all steps (of none where call.outputs is False), and the final state's parts."""
    return _Fused.apply(formula, call, x.contiguous(), *state, *(weights.get(name) for name in formula.names))


def _differentiable_backward(
    formula: Kernel,
    call: ScanCall,
    grads: Sequence[Tensor | None],
    needs: Sequence[bool],
    x: Tensor,
    state: Sequence[Tensor],
    weights: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """The gradients of a fused scan by the plain loop: they can be differentiated again, or be many under vmap."""
    inputs = [x, *state, *weights]
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # Aliases, so that only this scan lies between them and its results, whatever the inputs have in common before.
        aliases: list[Any] = [None if tensor is None else tensor.view_as(tensor) for tensor in inputs]
        first, last = 1, 1 + len(state)
        named = {name: weight for name, weight in zip(formula.names, aliases[last:], strict=True) if weight is not None}
        y, final = plain_scan(formula.cell, aliases[0], call.schedule, tuple(aliases[first:last]), named)
    outputs = [(y if call.outputs else y[:0]), *final]
    reached = [
        (output, grad) for output, grad in zip(outputs, grads, strict=True) if grad is not None and output.requires_grad
    ]
    wanted = [alias for alias, need in zip(aliases, needs, strict=True) if need]
    if not reached:
        return [None] * len(inputs)
    found = iter(
        torch.autograd.grad(
            [output for output, _ in reached],
            wanted,
            [grad for _, grad in reached],
            create_graph=create_graph,
            allow_unused=True,
        )
    )
    return [next(found) if need else None for need in needs]
