"""What was computed from a tensor is remembered as long as the tensor lives and stays as it is."""

import weakref
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from graphreel.core.guard import is_capturing

# Keyed by id, because tensors compare by value. Single operations on a dict need no lock, and two threads that miss at
# the same time compute the same result twice.
_entries: dict[int, "_Entry"] = {}


class _Entry:
    """The results computed from one tensor object in one state."""

    __slots__ = ("reference", "results", "state")

    def __init__(self, tensor: Tensor, state: Hashable) -> None:
        key = id(tensor)

        def drop(reference: "weakref.ref[Tensor]", entries: dict[int, "_Entry"] = _entries) -> None:
            entry = entries.get(key)
            if entry is not None and entry.reference is reference:
                entries.pop(key, None)

        self.reference = weakref.ref(tensor, drop)
        self.state = state
        self.results: dict[Hashable, Any] = {}


def _state(tensor: Tensor) -> Hashable:
    if tensor.layout == torch.strided:
        return tensor._version, tensor.data_ptr(), tensor.shape, tensor.dtype
    return tensor._version, tensor.shape, tensor.dtype


def no_graph() -> AbstractContextManager[None]:
    """Where to compute what any later call may use: without a graph, and no inference tensors whatever the mode now."""
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else torch.no_grad()


def remember(tensor: Tensor, key: Hashable, compute: Callable[[], Any]) -> Any:
    """Return ``compute()``, remembered under ``key`` for this tensor object until it is written to or dies.

    The cache is weak: it does not keep ``tensor`` alive, and neither ``copy``, ``pickle`` nor a state dict sees it. A
    write in place is noticed by the tensor's version counter. Writes that bypass the counter (a numpy view, ``.data``)
    are not noticed: call :func:`forget` after them. Not remembered are inference tensors, which have no version
    counter, what a CUDA graph captures, and what is learned: a fused optimiser steps without raising the counter, and
    ``torch.utils.swap_tensors`` refuses a parameter that is referred to weakly.

    Args:
        tensor: The tensor that ``compute`` reads.
        key: Which of the results computed from ``tensor``.
        compute: Computes the result, and must not keep a reference to ``tensor`` in it.
    """
    learned = tensor.requires_grad or isinstance(tensor, Parameter)
    if learned or tensor.is_inference() or torch.compiler.is_compiling() or is_capturing(tensor.device):
        with no_graph():
            return compute()
    if tensor.is_cuda:  # another stream does not wait for what this one has not computed yet
        key = (key, torch.cuda.current_stream(tensor.device))
    state = _state(tensor)
    entry = _entries.get(id(tensor))
    if entry is None or entry.reference() is not tensor or entry.state != state:
        entry = _Entry(tensor, state)
        _entries[id(tensor)] = entry
    try:
        return entry.results[key]
    except KeyError:
        with no_graph():
            result = entry.results[key] = compute()
        return result


def is_remembered(tensor: Tensor, key: Hashable) -> bool:
    """Whether :func:`remember` would find this at once."""
    entry = _entries.get(id(tensor))
    return entry is not None and entry.reference() is tensor and key in entry.results and entry.state == _state(tensor)


def forget(tensor: Tensor | None = None) -> None:
    """Forget what was computed from ``tensor``, or from every tensor.

    Needed only after a write that PyTorch's version counter does not see: through a numpy view or ``tensor.data``.
    """
    if tensor is None:
        _entries.clear()
    else:
        _entries.pop(id(tensor), None)
