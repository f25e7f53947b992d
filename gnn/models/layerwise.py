"""A network on a graph of any size, layer by layer: no layer is held in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graphreel.core.mapped_arrays import new_array

from ..conv.gcn_conv import GCNConv
from .graph_network import GraphNetwork

Array = NDArray[Any]


class LayerByLayer:
    """Gives the outputs of a :class:`GraphNetwork` without sampling, from arrays that may be mapped from a disk.

    Each layer is computed for a range of target nodes after the other, from all edges that enter them, and written to
    a file that the next layer reads; of a layer, only nodes on which an answer depends. What comes out equals the
    network on the whole graph, in evaluation mode.

    Args:
        start: ``[N + 1]``; the edges that enter node i stand at ``start[i] .. start[i + 1] - 1``.
        source: ``[E]``, where each edge comes from.
        features: The rows of x ``[n, F]`` at an array of nodes.
        edges: ``[E]`` weights or ``[E, D]`` features of the edges, as the network's layers read them, or None.
        folder: Where the files of hidden layers lie while they are needed.
        at_once: Edges that are read at once; a node that more of them enter is read whole.
    """

    def __init__(
        self,
        start: Array,
        source: Array,
        features: Callable[[Array], Tensor],
        edges: Array | None,
        folder: Path,
        at_once: int = 1 << 18,
    ) -> None:
        self.start, self.source, self.features, self.edges = start, source, features, edges
        self.folder, self.at_once = folder, at_once
        self._norm: tuple[Array, Array] | None = None

    @property
    def num_nodes(self) -> int:
        return int(self.start.size) - 1

    @torch.no_grad()
    def blocks(
        self, model: GraphNetwork, nodes: Array | None = None, hidden: bool = False
    ) -> Iterator[tuple[Array, Tensor]]:
        """The outputs of nodes, ascending, all by default: pairs of some of them and their rows.

        Args:
            hidden: What goes into the last layer, in place of what comes out.
        """
        depth = model.depth - hidden
        device = next(model.parameters()).device
        needed = [np.arange(self.num_nodes, dtype=self.source.dtype) if nodes is None else np.unique(nodes)]
        while nodes is not None and len(needed) <= depth:
            needed.append(self._with_sources(needed[-1]))
        rows: Any = self.features
        with TemporaryDirectory(prefix=".layers", dir=self.folder) as place, _normalised_outside(model) as outside:
            for layer in range(depth):
                targets = needed[depth - 1 - layer] if nodes is not None else needed[0]
                answers = self._layer(model, layer, rows, targets, outside, device)
                if layer == depth - 1:
                    yield from answers
                    return
                written, done = None, 0
                for block, answer in answers:
                    if written is None:
                        shape = (len(targets), answer.size(1))
                        written = new_array(Path(place) / f"{layer}.npy", np.float32, shape)
                    written[done : done + len(block)] = answer.numpy()
                    done += len(block)
                rows = _Rows(written, targets if nodes is not None else None, self.num_nodes)

    def outputs(self, model: GraphNetwork, nodes: Array) -> Tensor:
        """The outputs ``[n, C]`` of an ascending array of nodes."""
        return torch.cat([answer for _, answer in self.blocks(model, nodes)])

    def _layer(
        self, model: GraphNetwork, layer: int, rows: Any, targets: Array, outside: bool, device: torch.device
    ) -> Iterator[tuple[Array, Tensor]]:
        for block in self._cut(targets):
            place, owner = self._entering(block)
            source, target = self.source[place].astype(np.int64), block[owner].astype(np.int64)
            values = None if self.edges is None else self.edges[place]
            if outside:
                source, target, values = self._gcn_weights(source, target, values, block)
            around = np.union1d(source, block)
            ends = np.stack([np.searchsorted(around, source), np.searchsorted(around, target)])
            weights = None if values is None else torch.from_numpy(np.ascontiguousarray(values)).float().to(device)
            h = rows(around).float().to(device)
            answer = model.layer(layer, h, torch.from_numpy(ends).to(device), weights)
            yield block, answer[torch.from_numpy(np.searchsorted(around, block)).to(device)].cpu()

    def _cut(self, targets: Array) -> Iterator[Array]:
        """Targets, so many at a time as `at_once` edges enter."""
        for piece in np.array_split(targets, max(len(targets) * 16 // self.at_once, 1)):
            ends = np.cumsum(self.start[piece + 1] - self.start[piece], dtype=np.int64)
            first = 0
            while first < len(piece):
                before = int(ends[first - 1]) if first else 0
                last = max(int(np.searchsorted(ends, before + self.at_once, side="right")), first + 1)
                yield piece[first:last]
                first = last

    def _entering(self, block: Array) -> tuple[Array, Array]:
        """The places of the edges that enter some nodes, and which of the nodes each enters."""
        start = self.start[block].astype(np.int64)
        degree = self.start[block + 1].astype(np.int64) - start
        owner = np.repeat(np.arange(len(block)), degree)
        return np.arange(owner.size) - np.repeat(np.cumsum(degree) - degree - start, degree), owner

    def _with_sources(self, nodes: Array) -> Array:
        found = np.zeros(self.num_nodes, bool)
        found[nodes] = True
        for block in self._cut(nodes):
            found[self.source[self._entering(block)[0]]] = True
        return np.flatnonzero(found).astype(self.source.dtype)

    def _gcn_weights(
        self, source: Array, target: Array, weight: Array | None, block: Array
    ) -> tuple[Array, Array, Array]:
        """The same edges with loops, and the entries of GCN's adjacency by the degrees of the whole graph."""
        scale, loop = self._degrees()
        kept = source != target
        weight = np.ones(source.size, np.float32) if weight is None else weight
        source, target = np.append(source[kept], block), np.append(target[kept], block)
        return source, target, scale[source] * np.append(weight[kept], loop[block]) * scale[target]

    def _degrees(self) -> tuple[Array, Array]:
        """D^-1/2 and the weights of the loops, of which the last one of a node counts, 1 where there is none."""
        if self._norm is None:
            degree, loop = np.empty(self.num_nodes, np.float32), np.ones(self.num_nodes, np.float32)
            for block in self._cut(np.arange(self.num_nodes, dtype=self.source.dtype)):
                first, last = int(block[0]), int(block[-1]) + 1
                piece = slice(int(self.start[first]), int(self.start[last]))
                source, owner = (
                    self.source[piece],
                    np.repeat(np.arange(len(block)), np.diff(self.start[first : last + 1])),
                )
                weight = np.ones(source.size, np.float32) if self.edges is None else self.edges[piece]
                own = np.flatnonzero(source == owner + first)
                loop[first + owner[own]] = weight[own]
                entering = np.bincount(owner, np.where(source == owner + first, 0, weight), minlength=len(block))
                degree[first:last] = entering + loop[first:last]
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = np.where(degree > 0, degree**-0.5, 0).astype(np.float32)
            self._norm = scale, loop
        return self._norm


class _Rows:
    """The rows of a layer that was written: of the nodes that it has, or of all."""

    def __init__(self, written: Any, nodes: Array | None, num_nodes: int) -> None:
        self._written, self._place = written, None
        if nodes is not None:
            self._place = np.zeros(num_nodes, np.int32 if num_nodes < 2**31 else np.int64)
            self._place[nodes] = np.arange(len(nodes))

    def __call__(self, nodes: Array) -> Tensor:
        return torch.from_numpy(self._written.take(nodes if self._place is None else self._place[nodes], axis=0))


@contextmanager
def _normalised_outside(model: nn.Module) -> Iterator[bool]:
    """GCN's layers take their edges as normalised; whether it has such layers."""
    layers = [layer for layer in model.modules() if isinstance(layer, GCNConv) and layer.normalize]
    loops = [layer.add_self_loops for layer in layers]
    for layer in layers:
        layer.normalize = layer.add_self_loops = False
    try:
        yield bool(layers)
    finally:
        for layer, added in zip(layers, loops, strict=True):
            layer.normalize, layer.add_self_loops = True, added
