"""A graph from tables: edges in one, and in another the nodes' names, features, labels and split."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from ..match_names import match_names
from ..tables import (
    LABEL_NAMES,
    PARTS,
    SENSOR_NAMES,
    SOURCE_NAMES,
    SPLIT_NAMES,
    TARGET_NAMES,
    WEIGHT_NAMES,
    Table,
    TableOptions,
    name_of,
    read_table,
)
from .complete_graph import complete_graph, in_single

_WORDS = 30  # different words of a column up to which they become features


def load_graph_tables(path: Path, separator: str | None = None, encoding: str | None = None) -> Data:
    """Read `NAME_edges.csv` (or edges.csv) and NAME_nodes.csv beside it; or a folder with both.

    Edges: source, target and perhaps weight or further numbers, which become edge_attr. Nodes: a name (`id`, `node`,
    `name`, or the first column), `label`, perhaps `split` (train, val, test); other columns of numbers are features,
    those of a few different words become one-hot.

    Raises:
        ValueError: an edge to a node that is not listed, no labels, or a column that cannot be read.
        FileNotFoundError: there is no table of nodes.
    """
    path = Path(path)
    edge_file = path / "edges.csv" if path.is_dir() else path
    node_file = nodes_beside(edge_file)
    if node_file is None:
        raise FileNotFoundError(f"{edge_file.name} needs a table of nodes beside it, such as nodes.csv")
    options = TableOptions(separator=separator, encoding=encoding)
    nodes, edges = read_table(node_file, replace(options, header=True)), read_table(edge_file, options)
    named = nodes.find(SENSOR_NAMES | {"name", ""})
    key = named if named is not None else 0
    names = nodes.texts(key)
    columns = {str(nodes.frame.columns[c]): column_of(nodes, c) for c in range(nodes.frame.shape[1]) if c != key}
    ends = edges.find(SOURCE_NAMES), edges.find(TARGET_NAMES)
    source, target = ends if None not in ends else (0, 1)
    if edges.frame.shape[1] < 2:
        raise ValueError(f"{edge_file.name} has one column: expected source and target")
    given = edges.texts(source) + edges.texts(target)  # type: ignore[arg-type]
    place = match_names(given, names, edge_file.name, node_file.name, all_of=False)
    rest = [c for c in range(edges.frame.shape[1]) if c not in (source, target)]
    attributes = {str(edges.frame.columns[c]): edges.numbers(c) for c in rest}
    notes = nodes.notes + edges.notes
    index = torch.tensor(place).reshape(2, -1)
    name = path.name if path.is_dir() else edge_file.stem.removesuffix("edges").rstrip("_-") or edge_file.parent.name
    return complete_graph(graph_of_columns(name, names, columns, index, attributes, notes), name, notes)


def nodes_beside(edges: Path) -> Path | None:
    """The table of nodes beside one of edges: its name with nodes for edges."""
    file = edges.with_name(edges.name.replace("edges", "nodes"))
    return file if file != edges and file.is_file() else None


def graph_of_columns(
    name: str, names: list[str], columns: Mapping[str, Any], edge_index: torch.Tensor,
    edge_columns: Mapping[str, np.ndarray], notes: list[str], labels: bool = True,
) -> Data:  # fmt: skip
    """A graph of nodes by name, columns of what is known of them (numbers, or lists of text), and edges by number.

    Args:
        labels: whether the nodes have labels and a split; otherwise every column is a feature.
    """
    data = Data(edge_index=edge_index, num_nodes=len(names))
    features, used = [], []
    for title, column in columns.items():
        word = title.strip().lower() if labels else ""
        if word in LABEL_NAMES | {"target"} and data.get("y") is None:
            classes = sorted({value for value in column if not _absent(value)}, key=lambda v: (isinstance(v, str), v))
            if not isinstance(column, list):
                data.target = torch.from_numpy(column)
            if isinstance(column, list) or all(value.is_integer() for value in classes):
                data.y = torch.tensor([-1 if _absent(value) else classes.index(value) for value in column])
                data.class_names = [name_of(value) for value in classes]
            else:
                data.y = torch.from_numpy(column)
        elif word in SPLIT_NAMES or (word.removesuffix("_mask") in PARTS and word.endswith("_mask")):
            _add_split(data, word, column, name)
        elif not isinstance(column, list):
            features.append(np.nan_to_num(column)[:, None])
            used.append(title)
            if np.isnan(column).any():
                notes.append(f"{name}: {int(np.isnan(column).sum())} missing values of {title} are read as 0")
        else:
            words = sorted({str(value) for value in column if not _absent(value)})
            if len(words) > _WORDS:
                notes.append(f"{name}: {title} holds {len(words)} different words and is left out")
                continue
            features += [np.array([str(value) == w for value in column], dtype=np.float64)[:, None] for w in words]
            used += [f"{title}={w}" for w in words]
    if features:
        data.x = in_single(torch.from_numpy(np.concatenate(features, axis=1)), used, name, notes)
        data.feature_names = used
    weight = next((key for key in edge_columns if key.strip().lower() in WEIGHT_NAMES), None)
    if weight is not None and len(edge_columns) == 1:
        data.edge_weight = torch.from_numpy(edge_columns[weight]).float()
    elif edge_columns:
        data.edge_attr = torch.from_numpy(np.stack(list(edge_columns.values()), axis=1)).float()
    data.node_names = names
    return data


def column_of(table: Table, column: int) -> Any:
    """Numbers as an array, anything else as a list of text."""
    return table.numbers(column) if table.is_numeric(column) else table.texts(column)


def _absent(value: Any) -> bool:
    return value is None or value == "" or value != value


def _add_split(data: Data, word: str, column: Any, name: str) -> None:
    if word in SPLIT_NAMES:
        for value in column:
            if not _absent(value) and PARTS.get(str(value).strip().lower()) is None:
                raise ValueError(f"{word} of {name} holds {value!r}, expected train, val or test")
        for part in ("train", "val", "test"):
            mask = [not _absent(v) and PARTS[str(v).strip().lower()] == part for v in column]
            if any(mask):
                data[f"{part}_mask"] = torch.tensor(mask)
    else:
        part = PARTS[word.removesuffix("_mask")]
        data[f"{part}_mask"] = torch.tensor([str(value).lower() in ("1", "1.0", "true") for value in column])
