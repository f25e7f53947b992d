"""Places for nodes in the order in which they are met."""

import numpy as np

from .in_edges import Numbers


class Numbering:
    """Gives each node of a kind a place when it is met first; beginning anew costs nothing.

    Args:
        num_nodes: of that kind.
    """

    def __init__(self, num_nodes: int) -> None:
        self._place: Numbers = np.full(num_nodes, -1, np.int32 if num_nodes < 2**30 else np.int64)
        self._base = self._top = self.count = 0
        self._settled: tuple[Numbers, Numbers] | None = None

    def begin(self, seeds: Numbers) -> None:
        """Places 0, 1 ... for the seeds; one that is given twice is found at its first place."""
        self._base, self._settled = self._top, None  # what was noted before is below it: no place any more
        if self._base > 2**30:
            self._place.fill(-1)
            self._base = 0
        self.count, self._top = seeds.size, self._base + seeds.size
        self._note(seeds, self._base)

    def _note(self, nodes: Numbers, first: int) -> None:
        """Note first, first + 1, ... for the nodes, of equal ones the least: the last that is written stays."""
        self._place[nodes[::-1]] = np.arange(first + nodes.size - 1, first - 1, -1, dtype=self._place.dtype)

    def number(self, found: Numbers) -> tuple[Numbers, Numbers]:
        """The place of each node that was found [e], and those that were met for the first time, in their order."""
        if self._settled is not None:  # not before it is needed, which after the last hop it is not
            self._place[self._settled[0]] = self._settled[1]
        place = self._place.take(found)
        fresh_at = np.flatnonzero(place < self._base)
        fresh = found.take(fresh_at)
        first = self._base + self.count
        self._note(fresh, first)
        self._top = first + fresh.size
        met = self._place.take(fresh) - first  # where among the fresh ones each stands first
        is_first = met == np.arange(fresh.size)
        places = np.cumsum(is_first) + (self.count - 1)
        place -= self._base
        place[fresh_at] = places.take(met)
        new = fresh[is_first]
        self._settled = new, self._base + places[is_first]
        self.count += new.size
        return place, new


class PairNumbering:
    """The same where each seed has nodes of its own: what is numbered are pairs of a seed and a node.

    Args:
        num_nodes: of that kind.
    """

    def __init__(self, num_nodes: int) -> None:
        self._num_nodes = num_nodes
        self._pairs: Numbers = np.empty(0, np.int64)
        self.count = 0

    def begin(self, pairs: Numbers) -> None:
        """Places for the pairs ``seed * num_nodes + node`` of the seeds with themselves, which all differ."""
        self._pairs, self.count = pairs, pairs.size

    def number(self, found: Numbers) -> tuple[Numbers, Numbers]:
        """The place of each pair that was found [e], and those that were met for the first time, in their order."""
        pairs = np.concatenate([self._pairs, found])
        _, first, back = np.unique(pairs, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        known, self.count = self.count, order.size
        self._pairs = pairs[first[order]]
        return place[back[known:]], self._pairs[known:]
