"""What belongs to single edges, carried along when edges are reordered, added or merged."""

import copy
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce

Graph = TypeVar("Graph", bound=Data)


def edge_attributes(data: Data) -> dict[str, Any]:
    """All attributes with an entry for each edge, tensors, arrays and lists, but not ``edge_index`` itself."""
    return {name: data[name] for name in data.edge_attrs() if name != "edge_index"}


def select_edges(value: Any, place: Tensor) -> Any:
    """The entries of one such attribute at the places given."""
    if isinstance(value, Tensor):
        return value[place]
    return value[place.numpy()] if isinstance(value, np.ndarray) else [value[k] for k in place.tolist()]


def undirected(data: Graph, reduce: str = "mean") -> Graph:
    """A copy with every edge in both directions, sorted by source, and at most one from a node to another.

    Args:
        data: The graph, each of whose per-edge attributes goes with its edges.
        reduce: What numbers become where edges fall together, ``"mean"`` or ``"max"``. The mean is taken of floating
            point alone: other attributes must agree there.

    Raises:
        ValueError: If edges fall together whose attributes cannot be reduced.
    """
    graph, attributes = copy.copy(data), edge_attributes(data)
    both = torch.cat([data.edge_index, data.edge_index.flip(0)], dim=1)
    place = torch.arange(data.edge_index.size(1)).repeat(2)

    def merged(value: Tensor, how: str) -> tuple[Tensor, Tensor]:
        return coalesce(both, value, data.num_nodes, reduce=how)

    graph.edge_index, first = merged(place, "min")
    apart = torch.equal(first, merged(place, "max")[1])
    for name, value in attributes.items():
        if apart:
            graph[name] = select_edges(value, first)
        elif isinstance(value, Tensor) and (reduce == "max" or value.is_floating_point()):
            graph[name] = merged(torch.cat([value, value]), reduce)[1]
        else:
            _, group = torch.unique(both[0] * int(data.num_nodes or 0) + both[1], return_inverse=True)
            chosen = select_edges(value, first[group])
            given = select_edges(value, place)
            same = torch.equal(chosen, given) if isinstance(value, Tensor) else list(chosen) == list(given)
            if not same:
                raise ValueError(f"{name} differs between edges that fall together and cannot be averaged")
            graph[name] = select_edges(value, first)
    return graph
