"""Features of a packed graph of which every process has a part: what others have they send."""

from typing import Any

import numpy as np
import torch
import torch.distributed as group
from torch import Tensor

from .disk_graph import Array, DiskFeatures, DiskGraph

_BLOCK = 1 << 24  # edges that are counted at once


class PartFeatures(DiskFeatures):
    """x of a graph that was packed in as many parts as there are processes in torch.distributed's group.

    A process reads x in its own range of nodes alone. Of the others it keeps the hot nodes, those that most edges
    leave, which a sample of neighbours meets most often. What is left it asks of their owners, by an all-to-all of
    numbers and one of rows. All processes have to read x at once, as they do when each samples a batch.

    Args:
        graph: packed with ``--parts P``.
        hot: how many nodes of other parts are kept.

    Attributes:
        counts: rows that were read here, kept, and fetched; bytes that came, and batches.

    Raises:
        ValueError: the graph has other parts than there are processes.
    """

    def __init__(self, graph: DiskGraph, hot: int = 0) -> None:
        super().__init__(graph.features.arrays)
        parts, size = graph.manifest.parts, group.get_world_size()
        if len(parts) != size + 1:
            raise ValueError(
                f"{graph.folder} has {len(parts) - 1} parts for {size} processes: pack it with --parts {size}"
            )
        self.ends = torch.tensor(parts[1:])
        self.first, self.last = parts[group.get_rank()], parts[group.get_rank() + 1]
        self.counts = {"own": 0, "kept": 0, "fetched": 0, "bytes": 0, "batches": 0}
        self.hot = torch.from_numpy(self._hottest(graph.edges.source, graph.num_nodes, hot))
        self.cache = self._fetched(self.hot)

    def rows(self, name: str, index: Any = None) -> Tensor:
        """The rows of an array at an index; of x, as many processes as there are have to ask for some."""
        if name != "x" or index is None or isinstance(index, slice):
            return super().rows(name, index)
        index = torch.as_tensor(index)
        own = (index >= self.first) & (index < self.last)
        place = torch.searchsorted(self.hot, index).clamp(max=max(len(self.hot) - 1, 0))
        kept = ~own & (self.hot[place] == index) if len(self.hot) else torch.zeros_like(own)
        rest = ~(own | kept)
        fetched = self._fetched(index[rest])
        found = fetched.new_empty(len(index), *fetched.shape[1:])
        found[own], found[kept], found[rest] = super().rows(name, index[own]), self.cache[place[kept]], fetched
        more = (int(own.sum()), int(kept.sum()), len(fetched), fetched.numel() * fetched.element_size(), 1)
        self.counts = {key: old + new for (key, old), new in zip(self.counts.items(), more, strict=True)}
        return found

    def _fetched(self, nodes: Tensor) -> Tensor:
        """Their rows of x, from their owners."""
        owner = torch.bucketize(nodes, self.ends, right=True)
        order = owner.argsort(stable=True)
        wanted = owner.bincount(minlength=len(self.ends))
        asked = torch.empty_like(wanted)
        group.all_to_all_single(asked, wanted)
        numbers = nodes.new_empty(int(asked.sum()))
        group.all_to_all_single(numbers, nodes[order], asked.tolist(), wanted.tolist())
        sent = self.arrays["x"].take(numbers.numpy(), axis=0).view(np.uint8)  # since gloo does not send every type
        came = np.empty((len(nodes), sent.shape[1]), np.uint8)
        group.all_to_all_single(torch.from_numpy(came), torch.from_numpy(sent), wanted.tolist(), asked.tolist())
        return torch.from_numpy(came.view(self.arrays["x"].dtype))[order.argsort()]

    def _hottest(self, source: Array, num_nodes: int, hot: int) -> Array:
        """The nodes of other parts that most edges leave, ascending."""
        leaving = np.zeros(num_nodes, np.int64)
        for start in range(0, len(source), _BLOCK):
            leaving += np.bincount(source[start : start + _BLOCK], minlength=num_nodes)
        leaving[self.first : self.last] = 0
        hot = min(hot, int((leaving > 0).sum()))
        return np.sort(np.argpartition(-leaving, hot - 1)[:hot]) if hot else np.zeros(0, np.int64)
