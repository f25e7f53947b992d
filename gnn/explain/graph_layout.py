"""Which nodes of a graph are drawn, and where."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import Data

if TYPE_CHECKING:
    import networkx

_MOST_NODES = 41


def distances_to(edge_index: Tensor, center: int | None, hops: int, num_nodes: int) -> Tensor:
    """Steps along edges from each node to the centre, hops + 1 where more."""
    distance = torch.full((num_nodes,), hops + 1)
    if center is not None:
        distance[center] = 0
        for step in range(hops):
            found = edge_index[0, distance[edge_index[1]] == step]
            distance[found] = distance[found].clamp(max=step + 1)
    return distance


def nodes_around(
    data: Data, edge_index: Tensor, alpha: Tensor, center: int | None, whole: bool
) -> tuple[list[int], str]:
    """The nodes to draw, the strongest first, and what the title says of those left out."""
    if whole or center is None:
        return list(range(int(data.num_nodes or 0))), ""
    nodes: dict[int, None] = {center: None}
    order = alpha.mean(1).argsort(descending=True)
    edges = edge_index[:, order].t().tolist()
    waiting = [center]
    while waiting:
        reached = [s for s, t in edges if t in set(waiting)]
        waiting = [s for s in dict.fromkeys(reached) if s not in nodes]
        nodes.update(dict.fromkeys(waiting))
    kept = list(nodes)[:_MOST_NODES]
    return kept, f" ({len(kept)} of {len(nodes)} nodes)" if len(nodes) > len(kept) else ""


def drawn_graph(edge_index: Tensor, weight: Tensor, nodes: list[int]) -> "networkx.DiGraph":
    """The drawn nodes with their edges; the weights of duplicate edges add up."""
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    for (s, t), value in zip(edge_index.t().tolist(), weight.tolist(), strict=True):
        if s in graph and t in graph:
            before = graph.edges[s, t]["weight"] if graph.has_edge(s, t) else 0.0
            graph.add_edge(s, t, weight=before + value)
    return graph


def node_places(
    nodes: list[int], distance: Tensor, whole: bool, graph: "networkx.DiGraph"
) -> dict[int, tuple[float, float]]:
    if whole:
        import networkx

        return {node: (float(x), float(y)) for node, (x, y) in networkx.circular_layout(graph).items()}
    places = {}
    rings = sorted({int(distance[node]) for node in nodes})
    for ring in rings:
        members = [node for node in nodes if int(distance[node]) == ring]
        for k, node in enumerate(members):
            angle = 2 * math.pi * (k + 0.5 * (ring % 2)) / len(members) + math.pi / 2
            # every other one a little further out, where a ring is full
            radius = ring * (1.0 + (0.16 * (k % 2) if len(members) > 16 else 0.0))
            places[node] = (1.7 * radius * math.cos(angle), radius * math.sin(angle))
    return places


def free_direction(node: int, graph: "networkx.DiGraph", places: dict[int, tuple[float, float]]) -> float:
    """The angle in the middle of the widest gap between a node's edges, where a self-loop hides none of them."""
    x, y = places[node]
    others = {*graph.successors(node), *graph.predecessors(node)} - {node}
    angles = sorted(math.atan2(places[other][1] - y, places[other][0] - x) for other in others)
    if not angles:
        return math.pi / 2
    gaps = [
        (following - angle, angle)
        for angle, following in zip(angles, [*angles[1:], angles[0] + 2 * math.pi], strict=True)
    ]
    gap, angle = max(gaps)
    return angle + gap / 2
