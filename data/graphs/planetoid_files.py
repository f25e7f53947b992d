"""From Planetoid's eight raw files to tensors."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor
from torch_geometric.utils import coalesce, remove_self_loops

from .restricted_pickle import read_pickle

PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
_SPARSEST = 10  # nodes in the range of the test nodes for each that has a row
_LARGE, _DENSEST = 50_000_000, 10_000  # fields of a matrix, and for each value in it, from which it is a trap


def read_planetoid(files: dict[str, Path]) -> dict[str, Any]:
    """Read and join the files, one for each of PARTS.

    allx and ally are the nodes before the test nodes, x and y the training nodes, which come first; row k of tx and ty
    belongs to node test.index[k]. Nodes of the test range without a row (CiteSeer's isolated ones) have no words and
    count as class 0.

    Returns:
        x_crow, x_col, x_values and x_shape (a CSR matrix), y [N], edge_index [2, E], and the nodes train, val, test.

    Raises:
        ValueError: a file is damaged, or the files do not fit one another.
    """
    x, allx, tx = (_matrix(files[part]) for part in ("x", "allx", "tx"))
    y, ally, ty = (_matrix(files[part]).toarray() for part in ("y", "ally", "ty"))
    try:
        test = np.array(files["test.index"].read_text().split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{files['test.index'].name} is damaged: {error}") from None
    known, start = allx.shape[0], int(test.min(initial=np.iinfo(np.int64).max))
    if (ally.shape[0], tx.shape[0], ty.shape[0], start) != (known, len(test), len(test), known):
        raise ValueError(
            f"{files['allx'].parent} is inconsistent: allx has {known} rows, ally {ally.shape[0]}, tx {tx.shape[0]}, "
            f"ty {ty.shape[0]}, and test.index lists {len(test)} nodes from {start} on"
        )
    if x.shape[0] != y.shape[0] or x.shape[0] > known:
        raise ValueError(f"{files['x'].parent} is inconsistent: x has {x.shape[0]} rows, y {y.shape[0]}, allx {known}")
    if allx.shape[1] != tx.shape[1] or ally.shape[1] != ty.shape[1] or len(np.unique(test)) != len(test):
        raise ValueError(
            f"{files['allx'].parent} is inconsistent: allx and tx have {allx.shape[1]} and {tx.shape[1]} columns, ally "
            f"and ty {ally.shape[1]} and {ty.shape[1]}, and test.index repeats {len(test) - len(np.unique(test))} nodes"
        )
    num_nodes = int(test.max()) + 1
    if num_nodes > known + _SPARSEST * len(test):
        raise ValueError(
            f"{files['test.index'].name} lists node {num_nodes - 1}, but there are rows for {known + len(test)}"
        )
    to_node = scipy.sparse.csr_matrix(
        (np.ones(len(test), np.float32), (test - known, np.arange(len(test)))), shape=(num_nodes - known, len(test))
    )
    x = scipy.sparse.vstack([allx, to_node @ tx], format="csr")
    x.sum_duplicates()
    labels = np.concatenate([ally, to_node @ ty])
    edges = remove_self_loops(_edges(files["graph"], num_nodes))[0]
    return {
        "x_crow": torch.from_numpy(x.indptr.astype(np.int64)),
        "x_col": torch.from_numpy(x.indices.astype(np.int64)),
        "x_values": torch.from_numpy(x.data),
        "x_shape": list(x.shape),
        "y": torch.from_numpy(labels.argmax(1)),
        "edge_index": coalesce(edges, num_nodes=num_nodes, sort_by_row=False),
        "train": torch.arange(len(y)),
        "val": torch.arange(len(y), min(len(y) + 500, known)),
        "test": torch.from_numpy(test),
    }


def _matrix(file: Path) -> scipy.sparse.csr_matrix:
    loaded = read_pickle(file)
    if not (scipy.sparse.issparse(loaded) or isinstance(loaded, np.ndarray)) or len(loaded.shape) != 2:
        raise ValueError(f"{file.name} holds a {type(loaded).__name__}, expected a matrix")
    rows, columns = loaded.shape
    if rows * columns > max(_LARGE, _DENSEST * loaded.size):
        raise ValueError(f"{file.name} claims to be {rows} x {columns}, but holds {loaded.size} values")
    return scipy.sparse.csr_matrix(loaded, dtype=np.float32)


def _edges(file: Path, num_nodes: int) -> Tensor:
    """edge_index [2, E] from node -> list of neighbours, in the order of the dictionary."""
    neighbors = read_pickle(file)
    if not isinstance(neighbors, dict):
        raise ValueError(f"{file.name} holds a {type(neighbors).__name__}, expected a dictionary of neighbours")
    try:
        counts = [len(targets) for targets in neighbors.values()]
        source = np.repeat(np.fromiter(neighbors, np.int64, len(counts)), counts)
        target = np.fromiter((node for targets in neighbors.values() for node in targets), np.int64, sum(counts))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{file.name} is damaged: {error}") from None
    edges = np.stack([source, target])
    outside = edges[(edges < 0) | (edges >= num_nodes)]
    if outside.size:
        raise ValueError(f"{file.name} holds node {outside[0]}, but there are {num_nodes} nodes")
    return torch.from_numpy(edges)
