"""Whether torch is looking at the operations instead of running them."""

from collections.abc import Iterable

import torch
from torch import Tensor


def is_transforming() -> bool:
    """Whether the call is compiled, exported or traced, or runs under a transform of torch.func (vmap, grad, jvp).

    A kernel with a backward pass of its own may then not be entered: torch has to see its operations one by one.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch._C._are_functorch_transforms_active()


def is_compiled() -> bool:
    """Whether the call is compiled or exported by torch, and nothing else: there an operator is looked into by nobody.

    Under a transform of torch.func, and where ONNX is the aim, whose runtimes know torch's operators alone, it is not.
    """
    if not torch.compiler.is_compiling():
        return False
    return not (torch._C._are_functorch_transforms_active() or torch.onnx.is_in_onnx_export())


def is_exported() -> bool:
    """Whether the call is exported, so that no size may decide anything."""
    return torch.compiler.is_compiling() and bool(getattr(torch.compiler, "is_exporting", bool)())


def is_batched(tensors: Iterable[Tensor | None]) -> bool:
    """Whether a tensor stands for a batch of them: under ``torch.vmap``, or ``is_grads_batched`` of autograd."""
    batched = (torch._C._functorch.is_legacy_batchedtensor(tensor) for tensor in tensors if tensor is not None)
    return torch._C._are_functorch_transforms_active() or any(batched)
