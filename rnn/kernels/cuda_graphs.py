"""Loops of many small kernels as one CUDA graph, where their shapes repeat."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import RLock
from typing import NamedTuple

import torch
from torch import Tensor

from graphreel.core.guard import is_capturing, on_device

_MOST = 16  # graphs, each of which keeps the memory of its loop
_MOST_SEEN = 256

Run = Callable[..., list[Tensor]]


class _Captured(NamedTuple):
    """Replayed, a graph reads and writes always the same memory."""

    given: list[Tensor | None]
    results: list[Tensor]
    replay: Callable[[], None]


class CudaGraphs:
    """Runs functions of tensors, from the second call with the same shapes on as a CUDA graph.

    Args:
        capture: Takes a function without arguments, and returns its result and what repeats it in the same memory.
        device: The type of those that have graphs; on another one the functions are called.
    """

    def __init__(
        self, capture: Callable[[Callable[[], list[Tensor]]], tuple[list[Tensor], Callable[[], None]]], device: str
    ) -> None:
        self.capture, self.device, self.works = capture, device, True
        self._captured: OrderedDict[Hashable, _Captured | None] = OrderedDict()  # None: seen once
        self._lock = RLock()

    def run(self, name: Hashable, function: Run, *given: Tensor | None) -> list[Tensor]:
        """``function(*given)``, whose results are fresh tensors; ``name`` says all that else it depends on."""
        first = next(part for part in given if part is not None)
        if not self.works or first.device.type != self.device or is_capturing(first.device):
            return function(*given)
        shapes = tuple(None if part is None else (part.shape, part.stride(), part.dtype) for part in given)
        key = (name, shapes, first.device, torch.cuda.current_stream(first.device) if first.is_cuda else None)
        with self._lock, on_device(first.device):  # two threads must not meet in the memory of a graph
            if key not in self._captured:
                self._remember(key, None)
                return function(*given)
            found = self._captured[key] or self._capture(function, given)
            if found is None:
                return function(*given)
            self._remember(key, found)
            for kept, part in zip(found.given, given, strict=True):
                if kept is not None and part is not None:
                    kept.copy_(part)
            found.replay()
            fresh = {id(part): part.clone() for part in found.results}
            return [fresh[id(part)] for part in found.results]

    def _capture(self, function: Run, given: Sequence[Tensor | None]) -> _Captured | None:
        kept = [None if part is None else part.clone() for part in given]
        try:
            return _Captured(kept, *self.capture(lambda: function(*kept)))
        except Exception as error:
            self.works = False
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(f"no CUDA graph is used, the loop is run step by step: {reason}", stacklevel=2)
            return None

    def _remember(self, key: Hashable, found: _Captured | None) -> None:
        self._captured[key] = found
        self._captured.move_to_end(key)
        for other in [key for key, kept in self._captured.items() if kept is not None][:-_MOST]:
            del self._captured[other]
        while len(self._captured) > _MOST_SEEN:
            self._captured.popitem(last=False)


def _capture(function: Callable[[], list[Tensor]]) -> tuple[list[Tensor], Callable[[], None]]:
    function()  # builds what may not be built during a capture
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        results = function()
    return results, graph.replay


GRAPHS = CudaGraphs(_capture, "cuda")
