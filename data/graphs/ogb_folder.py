"""The folders in which the Open Graph Benchmark's graphs come: tables without names, each a .csv.gz."""

from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data

from ..tables import TableOptions, read_table
from .complete_graph import complete_graph, complete_set
from .graph_dataset import GraphDataset


def load_ogb(path: Path) -> Data | GraphDataset:
    """Read `raw/edge.csv.gz`, node-feat, node-label or graph-label, num-node-list, num-edge-list and `split/*/`.

    One graph is one to classify its nodes, with the split of the folder; several are a set of graphs, split in folds.
    Edges of sets that are written once count in both directions, as OGB's own loader has them.

    Raises:
        FileNotFoundError: a table is missing.
        ValueError: tables do not fit one another.
    """
    folder = Path(path)
    raw = folder / "raw" if (folder / "raw").is_dir() else folder
    edges = _table(raw / "edge.csv.gz").astype(np.int64)
    nodes = _table(raw / "num-node-list.csv.gz").astype(np.int64).ravel()
    counts = _table(raw / "num-edge-list.csv.gz").astype(np.int64).ravel()
    x = _table(raw / "node-feat.csv.gz") if (raw / "node-feat.csv.gz").is_file() else None
    if (nodes < 0).any() or (counts < 0).any() or counts.sum() != len(edges) or edges.shape[1] != 2:
        raise ValueError(f"{folder.name} is inconsistent: edge.csv.gz has {len(edges)} rows, expected {counts.sum()}")
    if x is not None and len(x) != nodes.sum():
        raise ValueError(f"{folder.name} is inconsistent: node-feat.csv.gz has {len(x)} rows, expected {nodes.sum()}")
    if len(nodes) == 1:
        data = Data(edge_index=torch.from_numpy(edges.T.copy()), num_nodes=int(nodes[0]))
        labels = _table(raw / "node-label.csv.gz")
        if labels.shape != (nodes[0], 1):
            raise ValueError(f"node-label.csv.gz of {folder.name} is {list(labels.shape)}, expected [{nodes[0]}, 1]")
        data.y = torch.from_numpy(labels)
        if x is not None:
            data.x = torch.from_numpy(x)
        for name, mask in split_of(folder, int(nodes[0])).items():
            data[name] = mask
        return complete_graph(data, folder.name, [])
    labels = _table(raw / "graph-label.csv.gz")
    if labels.shape != (len(nodes), 1):
        raise ValueError(f"graph-label.csv.gz of {folder.name} is {list(labels.shape)}, expected [{len(nodes)}, 1]")
    graphs = []
    ends = zip(nodes.cumsum(), counts.cumsum(), nodes, counts, labels[:, 0], strict=True)
    for last_node, last_edge, size, count, label in ends:
        pairs = edges[last_edge - count : last_edge]
        pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
        graph = Data(edge_index=torch.from_numpy(pairs.T.copy()), y=torch.tensor([int(label)]), num_nodes=int(size))
        if x is not None:
            graph.x = torch.from_numpy(x[last_node - size : last_node])
        graphs.append(graph)
    return complete_set(graphs, folder.name)


def split_of(folder: Path, num_nodes: int) -> dict[str, torch.Tensor]:
    """The masks [N] of the first of the folder's splits; none where it has none."""
    masks: dict[str, torch.Tensor] = {}
    for scheme in sorted((folder / "split").glob("*/"))[:1]:
        for part, name in (("train", "train"), ("val", "valid"), ("test", "test")):
            rows = _table(scheme / f"{name}.csv.gz").astype(np.int64).ravel()
            if len(rows) and not 0 <= rows.min() <= rows.max() < num_nodes:
                raise ValueError(f"{name}.csv.gz of {folder.name} names node {rows.max()}, expected below {num_nodes}")
            masks[f"{part}_mask"] = torch.zeros(num_nodes, dtype=torch.bool)
            masks[f"{part}_mask"][torch.from_numpy(rows)] = True
    return masks


def _table(file: Path) -> np.ndarray:
    if not file.is_file():
        raise FileNotFoundError(f"{file.parent} lacks {file.name}, one of the tables of OGB")
    table = read_table(file, TableOptions(header=False))
    values = np.stack([table.numbers(column) for column in range(table.frame.shape[1])], axis=1)
    if "feat" not in file.name and not np.isfinite(values).all() and "label" not in file.name:
        raise ValueError(f"{file.name} lacks a number")
    return values
