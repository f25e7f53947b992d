"""Graphs in the files that networkx writes: GraphML, GML and node-link JSON."""

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch_geometric.data import Data

from .complete_graph import complete_graph
from .graph_tables import graph_of_columns

SUFFIXES = {".graphml", ".gml", ".json"}


def load_networkx(path: Path) -> Data:
    """Read a .graphml, .gml or node-link .json as a graph to classify its nodes.

    Attributes of nodes are read as columns are (see `load_graph_tables`): `label` or `class`, `split`, features. In a
    .gml, where `label` is the node's name, the class is `class`, `y`, `category` or `club`. An undirected edge counts
    in both directions.

    Raises:
        ValueError: the file is damaged, or holds no labels.
    """
    path = Path(path)
    nodes, links = read_network(path)
    names, columns = [name for name, _ in nodes], columns_of([more for _, more in nodes])
    numbers, notes = edge_columns([more for _, _, more in links]), []  # type: tuple[Any, list[str]]
    graph = graph_of_columns(path.stem, names, columns, pairs_of(links), numbers, notes)
    return complete_graph(graph, path.stem, notes)


def read_network(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], list[tuple[int, int, dict[str, Any]]]]:
    """The nodes of a file of networkx, each (name, attributes), and its edges, each (source, target, attributes).

    Raises:
        ValueError: the file is damaged, or holds no nodes.
    """
    try:
        if path.suffix.lower() == ".graphml":
            graph = nx.read_graphml(path)
        elif path.suffix.lower() == ".gml":
            graph = nx.read_gml(path)
        else:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            graph = nx.node_link_graph(content, edges="links" if "links" in content else "edges")
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(
            f"{path.name} is no readable {path.suffix}: {str(error)[:200] or type(error).__name__}"
        ) from None
    if not len(graph):
        raise ValueError(f"{path.name} holds no nodes")
    number = {node: place for place, node in enumerate(graph)}
    links = [(number[source], number[target], more) for source, target, more in graph.edges(data=True)]
    if not graph.is_directed():
        links += [(target, source, more) for source, target, more in links if source != target]
    return [(str(node), graph.nodes[node]) for node in graph], sorted(links, key=lambda link: link[:2])


def pairs_of(links: list[tuple[int, int, dict[str, Any]]]) -> torch.Tensor:
    """The edge_index [2, E] of edges."""
    return torch.tensor([link[:2] for link in links], dtype=torch.int64).reshape(-1, 2).t().contiguous()


def edge_columns(entries: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The columns of numbers that edges have; their texts are left out."""
    return {key: column for key, column in columns_of(entries).items() if not isinstance(column, list)}


def columns_of(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes of nodes or edges as columns: numbers as arrays, lists of them as several, anything else as text."""
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(key for entry in entries for key in entry):
        values: list[Any] = [entry.get(key) for entry in entries]
        if all(isinstance(value, (list, tuple)) for value in values) and len({len(value) for value in values}) == 1:
            parts = {f"{key}{place}": [value[place] for value in values] for place in range(len(values[0]))}
        else:
            parts = {key: values}
        for title, column in parts.items():
            if all(value is None or isinstance(value, (int, float)) for value in column):
                try:
                    columns[title] = np.array([np.nan if value is None else float(value) for value in column])
                except OverflowError:
                    raise ValueError(f"{title} holds a number beyond 1e308") from None
            else:
                columns[title] = ["" if value is None else str(value) for value in column]
    return columns
