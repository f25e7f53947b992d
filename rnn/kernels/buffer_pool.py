"""Memory that a layer keeps between calls."""

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any

import torch
from torch import Tensor

Matrices = Callable[[Sequence[tuple[int, int]], torch.dtype], list[Tensor]]


class BufferPool:
    """Buffers taken for one scan and given back after it, so that the next one finds them warm.

    A fresh buffer of 42 MB costs 18 ms in page faults under glibc's defaults, as much as a whole forward pass; views of
    every step cost about a microsecond each. A scan that is still waiting for its backward pass keeps its buffers, and
    a second one gets others. Threads may share it. Copies and pickles start empty.

    Args:
        size: how many scans' buffers to keep: as many as one call of the layer makes.
    """

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self._free: list[Any] = []
        self._lock = Lock()

    def take(self, kind: Hashable, make: Callable[[Matrices], Any]) -> Any:
        """Buffers of this kind that were given back, or new ones, where possible in the memory of others.

        Args:
            kind: all that their shapes depend on.
            make: matrices -> an object, where matrices(shapes, dtype), called once, lays matrices of arbitrary content
                side by side.

        Returns:
            The object, with `kind` and `memory` set.
        """
        with self._lock:
            place = next((i for i, buffers in enumerate(self._free) if buffers.kind == kind), None)
            if place is not None:
                return self._free.pop(place)
            memory = self._free.pop(0).memory if len(self._free) >= self.size else None

        def matrices(shapes: Sequence[tuple[int, int]], dtype: torch.dtype) -> list[Tensor]:
            nonlocal memory
            # each starts at a cache line of its own
            sizes = [-(-rows * columns // 16) * 16 for rows, columns in shapes]
            if memory is None or memory.dtype != dtype or memory.numel() < sum(sizes):
                memory = torch.empty(sum(sizes) + sum(sizes) // 8, dtype=dtype, device="cpu")
            pieces = memory[: sum(sizes)].split(sizes)
            return [
                piece[: rows * columns].view(rows, columns)
                for piece, (rows, columns) in zip(pieces, shapes, strict=True)
            ]

        with torch.inference_mode(False):  # training may follow on an evaluation in inference mode
            buffers = make(matrices)
        buffers.kind, buffers.memory = kind, memory
        return buffers

    def give_back(self, buffers: Any) -> None:
        """Keep these for a later scan; of too many, those given back first are dropped."""
        with self._lock:
            self._free = [*self._free, buffers][-self.size :]

    def __deepcopy__(self, memo: dict[int, Any]) -> "BufferPool":
        return BufferPool(self.size)

    def __reduce__(self) -> tuple[type["BufferPool"], tuple[int]]:
        return BufferPool, (self.size,)
