"""Gradients that have a graph of their own, for kernels whose backward pass has none."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["differentiable_gradients"]


def differentiable_gradients(
    function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor | None], grads: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients of a kernel in its inputs, computed anew through the same function in plain operations.

    Args:
        function: Takes ``inputs`` and returns what the kernel does, in operations that have gradients of any order.
        inputs: Of the kernel.
        grads: The gradients in its first results.

    Returns:
        One for each input, None for those that require none.
    """
    # views, because those given may come from each other, and the derivative meant holds all but one of them
    inputs = [None if part is None else part.view_as(part) for part in inputs]
    wanted = [part for part in inputs if part is not None and part.requires_grad]
    results = function(*inputs)[: len(grads)]
    found = iter(torch.autograd.grad(results, wanted, grads, create_graph=True))
    return [next(found) if part is not None and part.requires_grad else None for part in inputs]
