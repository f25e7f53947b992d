"""Gradients that have a graph of their own, for kernels whose backward pass has none."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def differentiable_gradients(
    function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor | None], grads: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """The gradients of a kernel in its inputs, computed anew through the same function in plain operations.

    Args:
        function: Takes ``inputs`` and returns what the kernel does, in operations that have gradients of any order.
        inputs: Of the kernel.
        grads: The gradients in its first results, None where there is none.

    Returns:
        One for each input, None for those that require none. They have a graph where gradients are recorded.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # views, because those given may come from each other, and the derivative meant holds all but one of them
        inputs = [None if part is None else part.view_as(part) for part in inputs]
        results = function(*inputs)
    wanted = [part for part in inputs if part is not None and part.requires_grad]
    reached = [(y, grad) for y, grad in zip(results, grads, strict=False) if grad is not None and y.requires_grad]
    if not reached:
        return [None] * len(inputs)
    ends, given = zip(*reached, strict=True)
    found = iter(torch.autograd.grad(ends, wanted, given, create_graph=create_graph, allow_unused=True))
    return [next(found) if part is not None and part.requires_grad else None for part in inputs]
