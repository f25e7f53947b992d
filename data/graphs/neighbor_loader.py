"""Batches of sampled neighbourhoods by PyG's NodeLoader, and weights with which they are exact."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, FeatureStore, GraphStore, HeteroData
from torch_geometric.loader import NodeLoader

from .edge_attributes import edge_attributes, select_edges
from .neighbor_sampler import NeighborSampler
from .on_disk.disk_graph import DiskGraph
from .sparse_features import select_rows


def neighbor_loader(
    data: Data | HeteroData | tuple[FeatureStore, GraphStore] | DiskGraph,
    num_neighbors: Sequence[int] | dict[tuple[str, str, str], Sequence[int]],
    input_nodes: Any = None,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
    *,
    replace: bool = False,
    disjoint: bool = False,
    weight_attr: str | None = None,
    **options: Any,
) -> NodeLoader:
    """PyG's NodeLoader over this sampler, for any Data of this package.

    NodeLoader selects rows of whatever has as many entries as there are nodes, and fails for lists (node_names) and for
    sparse x. Here lists are left out of the batches (`batch.n_id` tells the nodes) and sparse rows stay sparse. Of a
    packed graph, or of a pair of a FeatureStore and a GraphStore, a batch reads its own rows and no others.

    Args:
        num_neighbors: fan-out of each layer, -1 for all.
        input_nodes: indices or mask of the seeds; all nodes if left out.
        batch_size: seeds per batch; their outputs are the first `batch.batch_size` rows.
        generator: for the sampling and the shuffling.
        replace: see NeighborSampler, as for the next two.
        disjoint: each seed has a neighbourhood of its own.
        weight_attr: attribute of the edges that gives their probabilities.
        options: passed on to NodeLoader (shuffle, num_workers, transform ...).
    """
    how: Any = {"replace": replace, "disjoint": disjoint, "weight_attr": weight_attr}
    if isinstance(data, DiskGraph):
        options["transform"] = _with_edges(data, options.get("transform"))
        input_nodes = torch.arange(data.num_nodes) if input_nodes is None else input_nodes
        data = (data.features, data.edges)
    if not isinstance(data, Data):
        sampler = NeighborSampler(data, num_neighbors, generator, **how)
        return NodeLoader(data, sampler, input_nodes, batch_size=batch_size, generator=generator, **options)
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
    sampler = NeighborSampler(light, num_neighbors, generator, **how)
    return NodeLoader(light, sampler, input_nodes, batch_size=batch_size, generator=generator, **options)


def _with_edges(graph: DiskGraph, after: Any) -> Any:
    """A transform that adds the weights and features of a batch's edges, of which PyG's stores know nothing."""

    def add(batch: Data) -> Data:
        for name, values in graph.edges.of_edges.items():
            batch[name] = torch.from_numpy(values.take(batch.e_id.numpy(), axis=0))
        return after(batch) if after else batch

    return add


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
