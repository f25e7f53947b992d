"""The edges that enter each node, and random draws of them, for many nodes at once."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

Numbers = NDArray[Any]
_MANY = 8  # times as many edges as are wanted: sorting all takes longer than drawing one after the other


class SortedEdges:
    """The edges of one kind, grouped by target, as they lie: in memory, or on a disk through a map.

    Args:
        start: [targets + 1]; the edges that enter target i stand at start[i] .. start[i + 1] - 1.
        source: [E].
        weight: [E] probabilities up to a factor, for draws that are not uniform.

    Raises:
        ValueError: a weight is negative or no finite number.
    """

    def __init__(self, start: Numbers, source: Numbers, weight: Numbers | None = None) -> None:
        self.start, self._source = start, source
        self.weight: Any = None
        if weight is not None:
            self.weight = weight.astype(np.float64)
            wrong = self.weight[~(np.isfinite(self.weight) & (self.weight >= 0))]
            if wrong.size:
                raise ValueError(f"edge weights must be finite and not negative, but one is {wrong[0]}")
            self.total = np.concatenate([[0.0], np.cumsum(self.weight)])

    def find(self, place: Numbers) -> tuple[Numbers, Numbers]:
        """The sources of the edges at these places, and the numbers of these edges."""
        return self._source.take(place).astype(np.int64), place.astype(np.int64)

    def draw(self, nodes: Numbers, k: int, replace: bool, generator: torch.Generator | None) -> tuple[Numbers, Numbers]:
        """Draw k of the edges that enter each node, or fewer where there are fewer; all for k = -1.

        Returns:
            The places of the edges [e], see `find`, and which of the nodes each enters [e], ascending.
        """
        start = self.start.take(nodes)
        degree = self.start.take(nodes + 1) - start
        if k == -1:
            owner = np.repeat(np.arange(nodes.size), degree)
            return np.arange(owner.size) - (np.cumsum(degree) - degree - start)[owner], owner
        if self.weight is not None:
            return self._draw_weighted(start, degree, k, replace, generator)
        step = np.arange(k, dtype=start.dtype)
        place = start[:, None] + step
        if replace:
            some = degree > 0
            uniform = torch.rand(int(some.sum()), k, dtype=torch.float64, generator=generator).numpy()
            place[some] = start[some, None] + (uniform * degree[some, None]).astype(start.dtype)
            taken = np.where(some, k, 0)
        else:
            large = np.flatnonzero(degree > k)
            if large.size:
                place[large] = _distinct(degree[large], k, generator) + start[large, None]
            taken = np.minimum(degree, k)
        return place[step < taken[:, None]], np.repeat(np.arange(nodes.size), taken)

    def _draw_weighted(
        self, start: Numbers, degree: Numbers, k: int, replace: bool, generator: torch.Generator | None
    ) -> tuple[Numbers, Numbers]:
        if replace:
            owner = np.repeat(np.flatnonzero(self.total.take(start + degree) > self.total.take(start)), k)
            return self._by_weight(start.take(owner), degree.take(owner), generator), owner
        # of many edges one after the other is drawn, and drawn anew where it was there before; all others, and what is
        # missing still because a few edges outweigh the rest, by exponential times
        chosen, need = np.full((start.size, k), -1, np.int64), np.full(start.size, k)
        rows = np.flatnonzero(degree > _MANY * k)
        for _ in range(2 * k):
            drawn = self._by_weight(start.take(rows), degree.take(rows), generator)
            fresh = (self.weight.take(drawn) > 0) & ~(chosen[rows] == drawn[:, None]).any(1)
            chosen[rows[fresh], k - need[rows[fresh]]] = drawn[fresh]
            need[rows[fresh]] -= 1
            rows = rows[need[rows] > 0]
        row, column = np.nonzero(chosen >= 0)
        place, owner = self._least_times(start, degree, need, chosen, generator)
        owner = np.concatenate([row, owner])
        order = np.argsort(owner, kind="stable")
        return np.concatenate([chosen[row, column], place])[order], owner[order]

    def _by_weight(self, start: Numbers, degree: Numbers, generator: torch.Generator | None) -> Numbers:
        """One edge of each range, at a probability in proportion to its weight."""
        low, high = self.total.take(start), self.total.take(start + degree)
        uniform = torch.rand(start.size, dtype=torch.float64, generator=generator).numpy()
        found = np.searchsorted(self.total, low + uniform * (high - low), side="right") - 1
        return np.minimum(found, start + degree - 1)

    def _least_times(
        self, start: Numbers, degree: Numbers, need: Numbers, chosen: Numbers, generator: torch.Generator | None
    ) -> tuple[Numbers, Numbers]:
        """As many edges as are needed, those of the least exponential times (Efraimidis and Spirakis, 2006)."""
        degree = np.where(need > 0, degree, 0)
        owner = np.repeat(np.arange(start.size), degree)
        place = np.arange(owner.size) - (np.cumsum(degree) - degree - start)[owner]
        free = self.weight.take(place) > 0
        begun = np.flatnonzero((need < chosen.shape[1])[owner])
        free[begun] &= ~(chosen[owner[begun]] == place[begun, None]).any(1)
        place, owner = place[free], owner[free]
        uniform = torch.rand(owner.size, dtype=torch.float64, generator=generator).numpy()
        order = np.lexsort((-np.log1p(-uniform) / self.weight.take(place), owner))
        count = np.bincount(owner, minlength=start.size)
        kept = order[np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count) < need[owner]]
        return place[kept], owner[kept]


class InEdges(SortedEdges):
    """The edges of one kind, sorted by target; edges of one target keep their order.

    Args:
        edge_index: [2, E] sources and targets.
        num_targets: nodes that edges may enter.
        weight: [E] probabilities up to a factor, for draws that are not uniform.

    Raises:
        ValueError: a weight is negative or no finite number.
    """

    def __init__(self, edge_index: Tensor, num_targets: int, weight: Tensor | None = None) -> None:
        source, target = edge_index.numpy()
        narrow = max(target.size, num_targets, int(source.max(initial=0))) < 2**31 - 1
        kind = np.int32 if narrow else np.int64
        # all edges as one row of a matrix whose columns are the targets: scipy's change of order is a counting sort
        row = np.array([0, target.size], kind), target.astype(kind), np.arange(target.size, dtype=kind)
        columns = csr_matrix((row[2], row[1], row[0]), shape=(1, num_targets), copy=False).tocsc()
        edge = columns.data
        # source and place in edge_index side by side in one number: one step into far memory finds both
        self._both = np.stack([source.astype(kind)[edge], edge], 1).view(np.int64 if narrow else np.complex128)[:, 0]
        self._kind = kind
        super().__init__(columns.indptr, self._both, None if weight is None else weight.double().numpy()[edge])

    def find(self, place: Numbers) -> tuple[Numbers, Numbers]:
        """The sources of the edges at these places, and their columns in edge_index."""
        source, edge = self._both.take(place).view(self._kind).reshape(-1, 2).T.astype(np.int64)
        return source, edge


def _distinct(size: Numbers, k: int, generator: torch.Generator | None) -> Numbers:
    """Floyd's algorithm for all rows at once: [n, k] distinct numbers below size[i] > k, all subsets equally likely."""
    chosen = np.empty((k, size.size), size.dtype)
    uniform = torch.rand(k, size.size, dtype=torch.float64, generator=generator).numpy()
    for step in range(k):
        last = size - k + step
        drawn = (uniform[step] * (last + 1)).astype(size.dtype)
        taken = (chosen[:step] == drawn).any(0)
        chosen[step] = np.where(taken, last, drawn)
    return chosen.T
