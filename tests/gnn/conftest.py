"""Small graphs on which every layer is held against its formula."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor


class Graph(NamedTuple):
    edge_index: Tensor
    edge_weight: Tensor
    num_nodes: int


# name -> (number of nodes, [(source, target, weight), ...]); all directed
EDGES: dict[str, tuple[int, list[tuple[int, int, float]]]] = {
    "directed": (4, [(0, 1, 0.5), (1, 2, 2.0), (2, 0, 1.5), (0, 3, 0.7), (3, 1, 1.1)]),
    "self_loop": (3, [(0, 1, 0.5), (1, 1, 3.0), (2, 0, 1.5)]),
    "duplicate_edges": (3, [(0, 1, 0.5), (0, 1, 0.25), (1, 2, 2.0), (2, 0, 1.0), (0, 1, 0.5)]),
    "duplicate_loops": (3, [(1, 1, 3.0), (0, 1, 0.5), (1, 1, 0.4), (2, 0, 1.5)]),
    "isolated_nodes": (6, [(1, 3, 0.5), (3, 1, 0.9)]),
    "everything": (
        7,
        [(0, 1, 0.5), (1, 2, 2.0), (2, 2, 3.0), (2, 0, 1.5), (2, 2, 0.4), (0, 1, 0.7), (4, 4, 0.6), (5, 0, 1.2)],
    ),
    "one_node": (1, []),
    "one_loop": (1, [(0, 0, 2.5)]),
    "no_edges": (4, []),
    "empty": (0, []),
}


def build(name: str) -> Graph:
    num_nodes, edges = EDGES[name]
    index = torch.tensor([[s, t] for s, t, _ in edges], dtype=torch.long).view(-1, 2).t().contiguous()
    return Graph(index, torch.tensor([w for _, _, w in edges], dtype=torch.float64), num_nodes)


@pytest.fixture(params=list(EDGES))
def graph(request: pytest.FixtureRequest) -> Graph:
    """A directed weighted graph."""
    return build(request.param)


@pytest.fixture
def everything() -> Graph:
    """The graph with a weighted loop, a duplicate loop, a duplicate edge, a sink and an isolated node."""
    return build("everything")


@pytest.fixture
def directed() -> Graph:
    """Five weighted edges between four nodes, none of them there and back."""
    return build("directed")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
