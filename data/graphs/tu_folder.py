"""TUDataset's layout: a folder of NAME_A.txt, NAME_graph_indicator.txt, NAME_graph_labels.txt and more beside them."""

from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data

from ..text_files import read_text
from .complete_graph import complete_set
from .graph_dataset import GraphDataset


def tu_name(folder: Path) -> str | None:
    """The NAME of the NAME_A.txt that such a folder holds, in itself or in raw/."""
    found = sorted(folder.glob("*_A.txt")) or sorted(folder.glob("raw/*_A.txt"))
    return found[0].name.removesuffix("_A.txt") if found else None


def load_tu(path: Path) -> GraphDataset:
    """Read a folder of TUDataset's text files (Morris et al., 2020); see `read_tu`.

    Raises:
        FileNotFoundError: one of the first three files is missing.
        ValueError: a file is damaged, or does not fit the others.
    """
    path = Path(path)
    name = tu_name(path) or path.name
    folder = path / "raw" if (path / "raw" / f"{name}_A.txt").is_file() else path
    return complete_set(read_tu(folder, name), name)


def read_tu(folder: Path, name: str, tags: list[int] | None = None, edges: bool = True) -> list[Data]:
    """The graphs of TUDataset's files: all nodes in a row, numbered from 1.

    Args:
        folder: that holds NAME_A.txt (rows `source, target`), NAME_graph_indicator.txt, NAME_graph_labels.txt (or
            NAME_graph_attributes.txt, numbers to be foretold) and perhaps NAME_{node,edge}_{labels,attributes}.txt.
        name: the NAME.
        tags: the labels that nodes may have; left out, those that they have.
        edges: whether to read what belongs to edges.

    Returns:
        Graphs whose x is the node labels, one-hot, then the attributes, with edge_attr likewise, and y [1].
    """

    def table(part: str, needed: bool = False) -> np.ndarray | None:
        file = folder / f"{name}_{part}.txt"
        if not file.is_file():
            if needed:
                raise FileNotFoundError(f"{folder} lacks {file.name}")
            return None
        try:
            rows = [[float(w) for w in line.split(",")] for line in read_text(file)[0].split("\n") if line.strip()]
            return np.array(rows)
        except ValueError as error:
            raise ValueError(f"{file.name} is damaged: {error}") from None

    pairs, graph_of = table("A", needed=True), table("graph_indicator", needed=True)
    labels = table("graph_labels")
    labels = table("graph_attributes", needed=True) if labels is None else labels
    assert pairs is not None and graph_of is not None and labels is not None
    of_nodes = _features(table("node_labels", needed=tags is not None), table("node_attributes"), tags, "label")
    of_edges = _features(table("edge_labels"), table("edge_attributes"), None, "label") if edges else None
    graph_of, labels = graph_of.ravel().astype(np.int64) - 1, labels[:, 0] if len(labels) else labels
    nodes = len(graph_of) if of_nodes is None else len(of_nodes[0])
    whole = nodes == len(graph_of) and nodes > 0 and bool((np.diff(graph_of) >= 0).all())
    whole = whole and np.array_equal(np.unique(graph_of), np.arange(len(labels)))
    ends = pairs.astype(np.int64).reshape(-1, 2) - 1 if pairs.size % 2 == 0 else np.full((1, 2), -1)
    if whole and len(ends):
        whole = ends.min() >= 0 and ends.max() < nodes and bool((graph_of[ends[:, 0]] == graph_of[ends[:, 1]]).all())
    if not whole or (of_edges is not None and len(of_edges[0]) != len(ends)):
        raise ValueError(f"{folder} is inconsistent: {nodes} nodes, {len(graph_of)} in {len(labels)} graphs")
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    first = np.searchsorted(graph_of, np.arange(len(labels) + 1))
    cuts = np.searchsorted(ends[order, 0], first)
    graphs = []
    for number, label in enumerate(labels):
        own, mine = slice(first[number], first[number + 1]), order[cuts[number] : cuts[number + 1]]
        graph = Data(
            edge_index=torch.from_numpy((ends[mine] - first[number]).T.copy()),
            y=torch.tensor([label]), num_nodes=int(own.stop - own.start),
        )  # fmt: skip
        if of_nodes is not None:
            graph.x, graph.feature_names = torch.from_numpy(of_nodes[0][own]), of_nodes[1]
        if of_edges is not None:
            graph.edge_attr = torch.from_numpy(of_edges[0][mine]).float()
        graphs.append(graph)
    return graphs


def _features(
    labels: np.ndarray | None, attributes: np.ndarray | None, tags: list[int] | None, word: str
) -> tuple[np.ndarray, list[str]] | None:
    """Labels one-hot, column by column, and attributes as they are, with their names."""
    parts, names = [], []
    for column in [] if labels is None else labels.T:
        known = np.unique(column) if tags is None else np.array(tags)
        if not np.isin(column, known).all():
            raise ValueError(f"node labels are {np.unique(column).astype(int).tolist()}, expected {tags}")
        parts.append((column[:, None] == known).astype(float))
        names += [f"{word} {value:g}" for value in known]
    if attributes is not None:
        parts.append(attributes)
        names += [f"attribute {place}" for place in range(attributes.shape[1])]
    if not parts or len({len(part) for part in parts}) > 1:
        return None
    return np.concatenate(parts, axis=1), names
