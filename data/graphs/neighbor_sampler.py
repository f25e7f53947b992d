"""Mini-batches of a graph that does not fit: sampled neighbourhoods in plain torch, for PyG's NodeLoader."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import BaseSampler, NodeSamplerInput, SamplerOutput

from .edge_attributes import edge_attributes, select_edges
from .graph_checks import check_graph
from .sparse_features import select_rows


class NeighborSampler(BaseSampler):
    """Neighbourhood sampling of "Inductive Representation Learning on Large Graphs" (Hamilton et al., 2017).

    Around the seeds, hop l = 1..L takes for each node that hop l-1 has found min(k_l, in-degree) of its incoming edges,
    uniformly and without replacement, and finds their sources. With k_l = -1 for all L layers a network of L layers
    gives the seeds the same output as on the whole graph. Edges keep their direction. A seed that is given twice gets
    two rows with a sample each.

    It needs neither pyg-lib nor torch-sparse: `NodeLoader(data, node_sampler=NeighborSampler(data, [15, 10]), ...)`.
    All nodes of a hop are sampled at once by Floyd's algorithm, in k_l vectorised steps.

    Args:
        data: the graph; its edge_index [2, E] is sorted by target once, which takes 16 bytes an edge.
        num_neighbors: k_1 .. k_L, each a number of neighbours or -1 for all.
        generator: source of randomness; in a worker process it is replaced by one that is seeded by the DataLoader,
            whose own `generator` then decides. Left out, torch's global one.

    Raises:
        ValueError: a fan-out is neither positive nor -1, edge_index does not fit the graph, or a seed is no node of it.
    """

    def __init__(self, data: Data, num_neighbors: Sequence[int], generator: torch.Generator | None = None) -> None:
        fits = isinstance(num_neighbors, Sequence) and len(num_neighbors) > 0
        if not fits or any(int(k) != k or (k < 1 and k != -1) for k in num_neighbors):
            raise ValueError(f"num_neighbors is {num_neighbors}, expected a positive number or -1 for each layer")
        _check_homogeneous(data)
        check_graph(Data(edge_index=data.edge_index, num_nodes=data.num_nodes))
        self.num_neighbors = [int(k) for k in num_neighbors]
        self.generator = generator
        self._worker_seed: int | None = None
        target, self._edge = torch.sort(data.edge_index[1], stable=True)
        self._source = data.edge_index[0][self._edge]
        degree = torch.bincount(target, minlength=int(data.num_nodes))
        self._start = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
        self._local = torch.full((int(data.num_nodes),), -1)  # scratch: all -1 between calls

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Sample around `index.node`.

        Returns:
            SamplerOutput with node [n] (the seeds first, as given, then each hop's new nodes in the order in which
            they are met), row and col [e] (source and target as places in node), edge [e] (columns of edge_index), and
            num_sampled_nodes and num_sampled_edges per hop.
        """
        seeds, generator = index.node, self._current_generator()
        count, num_nodes = seeds.numel(), self._local.numel()
        if count and not 0 <= int(seeds.min()) <= int(seeds.max()) < num_nodes:
            wrong = seeds[(seeds < 0) | (seeds >= num_nodes)]
            raise ValueError(f"the seeds hold node {int(wrong[0])}, but the graph has {num_nodes} nodes")
        nodes, rows, cols, edges = [seeds], [], [], []
        frontier, first = seeds, 0
        try:
            self._mark_first(seeds)
            for k in self.num_neighbors:
                place, col = _sample(self._start[frontier], self._start[frontier + 1], k, generator)
                source = self._source[place]
                new = self._number(source, count)
                rows.append(self._local[source])
                cols.append(col + first)
                edges.append(self._edge[place])
                frontier, first = new, count
                count += new.numel()
                nodes.append(new)
        finally:
            for part in nodes:
                self._local[part] = -1
        return SamplerOutput(
            node=torch.cat(nodes),
            row=torch.cat(rows),
            col=torch.cat(cols),
            edge=torch.cat(edges),
            num_sampled_nodes=[part.numel() for part in nodes],
            num_sampled_edges=[part.numel() for part in edges],
            metadata=(index.input_id, index.time),
        )

    def sample_from_edges(self, index: Any, neg_sampling: Any = None) -> SamplerOutput:
        """Not offered: raises NotImplementedError."""
        raise NotImplementedError("NeighborSampler samples around nodes; for link prediction use PyG's own sampler")

    def _number(self, found: Tensor, count: int) -> Tensor:
        """Give each node that has no place yet the next ones from `count` on, and return these nodes."""
        fresh = found[self._local[found] < 0]
        self._mark_first(fresh)
        new = fresh[self._local[fresh] == torch.arange(fresh.numel())]
        self._local[new] = torch.arange(count, count + new.numel())
        return new

    def _mark_first(self, nodes: Tensor) -> None:
        """Set each node's place to where it stands first; by a plain assignment that would depend on the threads."""
        self._local[nodes] = nodes.numel()
        self._local.scatter_reduce_(0, nodes, torch.arange(nodes.numel()), "amin")

    def _current_generator(self) -> torch.Generator | None:
        worker = get_worker_info()
        if worker is not None and self._worker_seed != worker.seed:  # a fresh copy of this sampler in a worker process
            self._worker_seed = worker.seed
            self.generator = torch.Generator().manual_seed(worker.seed)
        return self.generator


def _sample(start: Tensor, end: Tensor, k: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """From each range start[i] .. end[i] - 1 draw min(k, its length) distinct numbers, or all for k = -1.

    Returns:
        the numbers [e], and the i of each [e], in ascending order of i.
    """
    degree = end - start
    taken = degree if k == -1 else degree.clamp(max=k)
    owner = torch.arange(start.numel()).repeat_interleave(taken)
    begin = taken.cumsum(0) - taken
    place = torch.arange(owner.numel()) - (begin - start)[owner]  # the first taken[i] of each range
    if k == -1:
        return place, owner
    large = (degree > k).nonzero().flatten()
    if large.numel():
        chosen = _distinct(degree[large], k, generator) + start[large, None]
        place[begin[large, None] + torch.arange(k)] = chosen
    return place, owner


def _distinct(size: Tensor, k: int, generator: torch.Generator | None) -> Tensor:
    """Floyd's algorithm for all rows at once: [n, k] distinct numbers below size[i] > k, all subsets equally likely."""
    chosen = torch.empty(k, size.numel(), dtype=torch.int64)
    uniform = torch.rand(k, size.numel(), dtype=torch.float64, generator=generator)
    for step in range(k):
        last = size - k + step
        drawn = (uniform[step] * (last + 1)).long()
        taken = (chosen[:step] == drawn).any(0)
        chosen[step] = torch.where(taken, last, drawn)
    return chosen.t()


def _check_homogeneous(data: Any) -> None:
    if not isinstance(data, Data):
        kind = type(data).__name__
        raise ValueError(f"NeighborSampler samples a Data with one edge_index, got a {kind}: see its to_homogeneous()")


def neighbor_loader(
    data: Data,
    num_neighbors: Sequence[int],
    input_nodes: Tensor | None = None,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
    **options: Any,
) -> NodeLoader:
    """PyG's NodeLoader over this sampler, for any Data of this package.

    NodeLoader selects rows of whatever has as many entries as there are nodes, and fails for lists (node_names) and for
    sparse x. Here lists are left out of the batches (`batch.n_id` tells the nodes) and sparse rows stay sparse.

    Args:
        num_neighbors: fan-out of each layer, -1 for all.
        input_nodes: indices or mask of the seeds; all nodes if left out.
        batch_size: seeds per batch; their outputs are the first `batch.batch_size` rows.
        generator: for the sampling and the shuffling.
        options: passed on to NodeLoader (shuffle, num_workers, transform ...).
    """
    _check_homogeneous(data)
    light = copy.copy(data)
    for key, value in data:
        if isinstance(value, list | tuple):
            del light[key]
    x = data.get("x")
    if isinstance(x, Tensor) and x.layout == torch.sparse_csr:
        light.num_nodes = x.size(0)
        del light["x"]
        after = options.pop("transform", None)

        def with_rows(batch: Data) -> Data:
            batch.x = select_rows(x, batch.n_id)
            return after(batch) if after else batch

        options["transform"] = with_rows
    sampler = NeighborSampler(light, num_neighbors, generator)
    return NodeLoader(light, sampler, input_nodes, batch_size=batch_size, generator=generator, **options)


def with_gcn_weights(data: Data, fill_value: float = 0.0) -> Data:
    """A copy with self-loops added and edge_weight = D~^-1/2 A~ D~^-1/2 of the whole graph.

    In a sampled neighbourhood degrees are smaller than in the graph, so that GCNConv's own normalisation differs from
    the full graph's. With these weights, sampled along with their edges, `GCNConv(..., normalize=False)` is exact for
    full fan-outs. (The loops are edges like others: a small fan-out may leave them out.) Every other per-edge attribute
    goes with its edges; of several loops of a node the last one stays.

    Args:
        fill_value: what loops that are added get of the other per-edge attributes.

    Raises:
        ValueError: loops are added, and a per-edge attribute is no tensor, so that a number does not fit in.
    """
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    weighted, num_nodes = copy.copy(data), int(data.num_nodes)
    weighted.edge_index, weighted.edge_weight = gcn_norm(data.edge_index, data.get("edge_weight"), num_nodes)
    loop = data.edge_index[0] == data.edge_index[1]
    loops, num_edges = loop.nonzero().flatten(), loop.numel()
    last = loops.new_full((num_nodes,), num_edges)
    last.scatter_reduce_(0, data.edge_index[0, loops], loops, "amax", include_self=False)
    place = torch.cat([(~loop).nonzero().flatten(), last])  # gcn_norm puts the loops last, in the order of the nodes
    for name, value in edge_attributes(data).items():
        if name == "edge_weight":
            continue
        if int((last == num_edges).sum()):
            if not isinstance(value, Tensor):
                raise ValueError(f"{name} is no tensor and has no entry for the self-loops that are added")
            value = torch.cat([value, value.new_full((1, *value.shape[1:]), fill_value)])
        weighted[name] = select_edges(value, place)
    return weighted
