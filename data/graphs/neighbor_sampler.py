"""Mini-batches of a graph that does not fit: sampled neighbourhoods in NumPy, for PyG's NodeLoader."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torch_geometric.data import Data, FeatureStore, GraphStore, HeteroData
from torch_geometric.sampler import BaseSampler, HeteroSamplerOutput, NodeSamplerInput, SamplerOutput

from .graph_checks import check_graph
from .in_edges import InEdges, Numbers, SortedEdges
from .node_numbering import Numbering, PairNumbering

Kind = tuple[Any, Any, Any]  # of edges: those of the sources, the relation, and that of the targets
_ONE: Kind = (None, None, None)


class NeighborSampler(BaseSampler):
    """Neighbourhood sampling of "Inductive Representation Learning on Large Graphs" (Hamilton et al., 2017).

    Around the seeds, hop l = 1..L takes for each node that hop l-1 has found min(k_l, in-degree) of its incoming edges,
    uniformly and without replacement, and finds their sources. With k_l = -1 for all L layers a network of L layers
    gives the seeds the same output as on the whole graph. Edges keep their direction. A seed that is given twice gets
    two rows with a sample each.

    It needs neither pyg-lib nor torch-sparse: `NodeLoader(data, node_sampler=NeighborSampler(data, [15, 10]), ...)`.
    All nodes of a hop are sampled at once by Floyd's algorithm, in k_l vectorised steps.

    Args:
        data: the graph; its edges are sorted by target once, which takes 8 bytes an edge. In a HeteroData every kind of
            edges is sampled on its own. A pair of PyG's FeatureStore and GraphStore, of one kind of nodes and of edges,
            is read where its edges lie, sorted already (CSC).
        num_neighbors: k_1 .. k_L, each a number of neighbours or -1 for all; for a HeteroData also a dict of such lists
            by kind of edges.
        generator: source of randomness; in a worker process it is replaced by one that is seeded by the DataLoader,
            whose own `generator` then decides. Left out, torch's global one.
        replace: an edge may be taken more than once: k_l of each node that has one.
        disjoint: each seed has a neighbourhood of its own, which shares no row with another's; `batch` tells whose.
        weight_attr: attribute of the edges, such as "edge_weight", to which their probabilities are proportional;
            an edge of weight zero is never taken.

    Raises:
        ValueError: a fan-out is neither positive nor -1, edge_index does not fit the graph, a weight is negative, or a
            seed is no node of the graph.
    """

    def __init__(
        self,
        data: Data | HeteroData | tuple[FeatureStore, GraphStore],
        num_neighbors: Sequence[int] | dict[Kind, Sequence[int]],
        generator: torch.Generator | None = None,
        *,
        replace: bool = False,
        disjoint: bool = False,
        weight_attr: str | None = None,
    ) -> None:
        stores: dict[Kind, Any]
        self._permutation: Tensor | None = None
        if isinstance(data, Data):
            check_graph(Data(edge_index=data.edge_index, num_nodes=data.num_nodes))
            stores, nodes = {_ONE: data}, {None: int(data.num_nodes)}
        elif isinstance(data, HeteroData):
            stores, nodes = dict(data.edge_items()), {kind: int(store.num_nodes) for kind, store in data.node_items()}
        elif is_pair(data):
            source, start, self._permutation = data[1].csc()
            stores, nodes = {_ONE: SortedEdges(start.numpy(), source.numpy())}, {None: start.numel() - 1}
            if weight_attr is not None:
                raise ValueError("weight_attr is not offered for a FeatureStore and a GraphStore")
        else:
            raise ValueError(
                f"NeighborSampler samples a Data, a HeteroData or a pair of stores, got a {type(data).__name__}"
            )
        each = num_neighbors if isinstance(num_neighbors, dict) else dict.fromkeys(stores, num_neighbors)
        self.num_neighbors = {kind: _fan_outs(each.get(kind)) for kind in stores}
        self.generator, self.replace, self.disjoint = generator, replace, disjoint
        self.seeded_by_worker = True  # or by whoever reads batches there
        self._worker_seed: int | None = None
        self._edges: dict[Kind, SortedEdges] = {}
        for kind, store in stores.items():
            if isinstance(store, SortedEdges):
                self._edges[kind] = store
                continue
            if kind is not _ONE:
                _check_kind(kind, store.edge_index, nodes)
            weight = None if weight_attr is None else _weights(store, weight_attr)
            self._edges[kind] = InEdges(store.edge_index, nodes[kind[2]], weight)
        self._num_nodes = nodes
        self._numberings = {kind: (PairNumbering if disjoint else Numbering)(n) for kind, n in nodes.items()}

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> Any:
        """Sample around `index.node`.

        Returns:
            SamplerOutput with node [n] (the seeds first, as given, then each hop's new nodes in the order in which
            they are met), row and col [e] (source and target as places in node), edge [e] (columns of edge_index),
            num_sampled_nodes and num_sampled_edges per hop, and batch [n] if disjoint; for a HeteroData a
            HeteroSamplerOutput with dicts of these.
        """
        start = index.input_type if None not in self._num_nodes else None
        seeds = index.node.numpy()
        total = self._num_nodes[start]
        if seeds.size and not 0 <= int(seeds.min()) <= int(seeds.max()) < total:
            wrong = seeds[(seeds < 0) | (seeds >= total)]
            raise ValueError(f"the seeds hold node {int(wrong[0])}, but the graph has {total} nodes")
        nodes, edges = self._grow(start, seeds)
        metadata = (index.input_id, index.time)
        counts = {kind: [part.size for part in parts] for kind, parts in nodes.items()}
        hops = {kind: [part.size for part in parts[0]] for kind, parts in edges.items()}
        joined = {kind: np.concatenate(parts) for kind, parts in nodes.items()}
        batch = (
            {kind: _tensor(part // self._num_nodes[kind]) for kind, part in joined.items()} if self.disjoint else None
        )
        node = {kind: _tensor(part % self._num_nodes[kind] if self.disjoint else part) for kind, part in joined.items()}
        row, col, edge = (
            {kind: _tensor(np.concatenate(parts[way])) for kind, parts in edges.items()} for way in range(3)
        )
        if start is not None:
            return HeteroSamplerOutput(node, row, col, edge, batch, counts, hops, metadata=metadata)
        one, alone = _ONE, None if batch is None else batch[None]
        return SamplerOutput(
            node[None], row[one], col[one], edge[one], alone, counts[None], hops[one], metadata=metadata
        )

    @property
    def edge_permutation(self) -> Tensor | None:
        """Of a pair of stores whose edges had to be sorted: where each stood before."""
        return self._permutation

    def sample_from_edges(self, index: Any, neg_sampling: Any = None) -> SamplerOutput:
        """Not offered: raises NotImplementedError."""
        raise NotImplementedError("NeighborSampler samples around nodes; for link prediction use PyG's own sampler")

    def _grow(
        self, start: Any, seeds: Numbers
    ) -> tuple[dict[Any, list[Numbers]], dict[Kind, tuple[list[Numbers], ...]]]:
        """Hop by hop the nodes of each kind (pairs of seed and node if disjoint); row, col, edge of each relation."""
        generator = self._current_generator()
        if self.disjoint:
            seeds = seeds + np.arange(seeds.size) * self._num_nodes[start]
        frontier = {kind: (0, seeds if kind == start else seeds[:0]) for kind in self._num_nodes}
        nodes = {kind: [found] for kind, (_, found) in frontier.items()}
        edges: dict[Kind, tuple[list[Numbers], ...]] = {kind: ([], [], []) for kind in self._edges}
        for kind, (_, found) in frontier.items():
            self._numberings[kind].begin(found)
        for hop in range(max(map(len, self.num_neighbors.values()), default=0)):
            counts = {kind: numbering.count for kind, numbering in self._numberings.items()}
            added: dict[Any, list[Numbers]] = {kind: [] for kind in self._num_nodes}
            for kind, of_kind in self._edges.items():
                fan_outs, (first, around) = self.num_neighbors[kind], frontier[kind[2]]
                k = fan_outs[hop] if hop < len(fan_outs) else 0
                if k == 0 or around.size == 0:
                    place = owner = seeds[:0]
                else:
                    own = around % self._num_nodes[kind[2]] if self.disjoint else around
                    place, owner = of_kind.draw(own, k, self.replace, generator)
                source, edge = of_kind.find(place)
                if self.disjoint:
                    source = source + around[owner] // self._num_nodes[kind[2]] * self._num_nodes[kind[0]]
                row, new = self._numberings[kind[0]].number(source)
                added[kind[0]].append(new)
                for parts, part in zip(edges[kind], (row, owner + first, edge), strict=True):
                    parts.append(part)
            frontier = {kind: (counts[kind], np.concatenate(parts or [seeds[:0]])) for kind, parts in added.items()}
            for kind, (_, found) in frontier.items():
                nodes[kind].append(found)
        return nodes, edges

    def _current_generator(self) -> torch.Generator | None:
        worker = get_worker_info()
        if (
            self.seeded_by_worker and worker is not None and self._worker_seed != worker.seed
        ):  # a fresh copy of this sampler in a worker process
            self._worker_seed = worker.seed
            self.generator = torch.Generator().manual_seed(worker.seed)
        return self.generator


def is_pair(data: Any) -> bool:
    """Whether it is a FeatureStore with a GraphStore."""
    stores = isinstance(data, tuple | list) and len(data) == 2
    return stores and isinstance(data[0], FeatureStore) and isinstance(data[1], GraphStore)


def _tensor(numbers: Numbers) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64, copy=False))


def _fan_outs(given: Any) -> list[int]:
    fits = isinstance(given, Sequence) and len(given) > 0
    if not fits or any(int(k) != k or (k < 1 and k != -1) for k in given):
        raise ValueError(f"num_neighbors is {given}, expected a positive number or -1 for each layer")
    return [int(k) for k in given]


def _check_kind(kind: Kind, edge_index: Tensor, nodes: dict[Any, int]) -> None:
    for end, side in ((kind[0], edge_index[0]), (kind[2], edge_index[1])):
        if side.numel() and not 0 <= int(side.min()) <= int(side.max()) < nodes[end]:
            name = " ".join(kind)
            raise ValueError(f"edge_index of {name} holds a node that is none of the {nodes[end]} of kind {end}")


def _weights(store: Any, name: str) -> Tensor:
    if name not in store:
        raise ValueError(f"weight_attr is {name!r}, but the edges have no such attribute")
    weight: Tensor = store[name].view(-1)
    if weight.numel() != store.edge_index.size(1):
        raise ValueError(f"{name} must hold one number for each edge, but its shape is {list(store[name].shape)}")
    return weight
