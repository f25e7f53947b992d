"""Folders of many graphs with one label each: three tables, or a folder of networkx's files for every class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from ..tables import SENSOR_NAMES, SOURCE_NAMES, TARGET_NAMES, TableOptions, read_table
from .complete_graph import complete_set
from .graph_dataset import GraphDataset
from .graph_tables import LABEL_NAMES, column_of, graph_of_columns
from .networkx_files import SUFFIXES, columns_of, edge_columns, pairs_of, read_network

TABLES = ("graphs", "nodes", "edges")
_GRAPH = {"graph", "graph_id"}


def load_graph_folder(path: Path) -> GraphDataset:
    """Read graphs.csv (graph, label), nodes.csv (graph, id, features) and edges.csv (graph, source, target, weight).

    Every column of nodes but the first two is a feature: numbers, or a few different words, one-hot. The labels are
    classes, or numbers to be foretold.

    Raises:
        ValueError: a column is missing, or an edge or a node is of no graph that is listed.
    """
    path = Path(path)
    tables = {name: read_table(path / f"{name}.csv", TableOptions(header=True)) for name in TABLES}
    notes = [note for table in tables.values() for note in table.notes]

    def place(table: str, words: set[str]) -> int:
        found = tables[table].find(words)
        if found is None:
            raise ValueError(f"{table}.csv of {path.name} lacks a column {sorted(words)[0]}")
        return found

    key = {name: place(name, _GRAPH | ({"id", "name"} if name == "graphs" else set())) for name in TABLES}
    names = tables["graphs"].texts(key["graphs"])
    label = tables["graphs"].find(LABEL_NAMES)
    number = {name: place for place, name in enumerate(names)}
    of_node, of_edge = (tables[name].texts(key[name]) for name in ("nodes", "edges"))
    for name, rows in (("nodes", of_node), ("edges", of_edge)):
        strange = next((row for row in rows if row not in number), None)
        if strange is not None:
            raise ValueError(f"{name}.csv of {path.name} names graph {strange!r}, which graphs.csv does not list")
    node_key = place("nodes", SENSOR_NAMES | {"name"})
    source, target = place("edges", SOURCE_NAMES), place("edges", TARGET_NAMES)
    nodes, edges = tables["nodes"], tables["edges"]
    own = {pair: row for row, pair in enumerate(zip(of_node, nodes.texts(node_key), strict=True))}
    ends = [list(zip(of_edge, edges.texts(column), strict=True)) for column in (source, target)]
    strange_end = next((pair for pairs in ends for pair in pairs if pair not in own), None)
    if strange_end is not None:
        raise ValueError(f"edges.csv of {path.name} names node {strange_end[1]!r} of graph {strange_end[0]!r}, which "
                         "nodes.csv does not list")  # fmt: skip
    columns = {
        str(nodes.frame.columns[c]): column_of(nodes, c)
        for c in range(nodes.frame.shape[1]) if c not in (key["nodes"], node_key)
    }  # fmt: skip
    more = {
        str(edges.frame.columns[c]): edges.numbers(c)
        for c in range(edges.frame.shape[1]) if c not in (key["edges"], source, target)
    }  # fmt: skip
    index = torch.tensor([[own[pair] for pair in pairs] for pairs in ends]).reshape(2, -1)
    labels = [None] * len(names) if label is None else column_of(tables["graphs"], label)
    return _split(path.name, names, [number[one] for one in of_node], columns, index, more, labels, notes)


def load_class_folders(path: Path) -> GraphDataset:
    """Read CLASS/NAME.graphml, .gml or node-link .json: a graph a file, a class a folder, every attribute a feature.

    Raises:
        ValueError: a file is damaged.
    """
    path = Path(path)
    files = sorted(file for file in path.glob("*/*") if file.suffix.lower() in SUFFIXES)
    graph_of: list[int] = []
    nodes: list[dict[str, Any]] = []
    links: list[tuple[int, int, dict[str, Any]]] = []
    for number, file in enumerate(files):
        own, between = read_network(file)
        links += [(source + len(nodes), target + len(nodes), more) for source, target, more in between]
        nodes += [more for _, more in own]
        graph_of += [number] * len(own)
    numbers = edge_columns([more for _, _, more in links])
    names, labels = [file.stem for file in files], [file.parent.name for file in files]
    return _split(path.name, names, graph_of, columns_of(nodes), pairs_of(links), numbers, labels, [])


def _split(
    name: str, names: list[str], graph_of: list[int], columns: Mapping[str, Any], edge_index: torch.Tensor,
    of_edges: Mapping[str, np.ndarray], labels: Any, notes: list[str],
) -> GraphDataset:  # fmt: skip
    """The set of graphs out of one graph that holds them all."""
    whole = graph_of_columns(name, list(map(str, graph_of)), columns, edge_index, of_edges, notes, labels=False)
    if isinstance(labels, list):
        classes = sorted({label for label in labels if label})
        labels = [classes.index(label) if label else np.nan for label in labels]
    else:
        classes = None
    of, x, edges = torch.tensor(graph_of), whole.get("x"), whole.get("edge_attr", whole.get("edge_weight"))
    of_edge, graphs = of[edge_index[0]], []
    for number, label in enumerate(labels):
        mine, between = (of == number).nonzero().flatten(), (of_edge == number).nonzero().flatten()
        if not len(mine):
            raise ValueError(f"graph {names[number]!r} of {name} has no nodes")
        graph = Data(edge_index=torch.searchsorted(mine, edge_index[:, between]), num_nodes=len(mine))
        graph.name = names[number]
        if label == label:
            graph.y = torch.tensor([label])
        if x is not None:
            graph.x, graph.feature_names = x[mine], whole.feature_names
        if edges is not None:
            graph.edge_attr = edges[between].reshape(len(between), -1)
        graphs.append(graph)
    found = complete_set(graphs, name, classes)
    found.notes = notes + found.notes
    return found
