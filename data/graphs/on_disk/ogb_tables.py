"""OGB's folders of a graph, a few rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphreel.core.mapped_arrays import new_array

from ..ogb_folder import split_of
from .disk_graph import Array
from .edge_streams import table_stream
from .node_files import labels_of

_ROWS = 1 << 16


def is_ogb(path: Path) -> bool:
    """Whether it is a folder with edge.csv.gz, and no set of graphs."""
    folder = _raw(path)
    return (folder / "edge.csv.gz").is_file() and not (folder / "graph-label.csv.gz").is_file()


def ogb_source(path: Path, work: Path) -> dict[str, Any]:
    """What a `Source` holds of a folder of OGB.

    Raises:
        ValueError: its tables do not fit one another.
        FileNotFoundError: one is missing.
    """
    raw = _raw(path)
    num_nodes = int(next(_rows(raw / "num-node-list.csv.gz"))[0, 0])
    edges = table_stream(raw / "edge.csv.gz", work, num_nodes)
    if edges.num_nodes > num_nodes:
        raise ValueError(f"edge.csv.gz of {path.name} holds node {edges.num_nodes - 1}, expected below {num_nodes}")
    edges.num_nodes = num_nodes
    y = np.concatenate(list(_rows(raw / "node-label.csv.gz")))
    if len(y) != num_nodes:
        raise ValueError(f"node-label.csv.gz of {path.name} has {len(y)} rows, expected {num_nodes}")
    labels, classes = labels_of(y, path.name)
    masks = {name: mask.numpy() for name, mask in split_of(path, num_nodes).items()}
    x = raw / "node-feat.csv.gz"

    def features(folder: Path) -> None:
        if (folder / "x.npy").is_file():
            return
        done, array = 0, None
        for rows in _rows(x):
            if array is None:
                array = new_array(folder / "x.part", np.float32, (num_nodes, rows.shape[1]))
            if done + len(rows) > num_nodes or not np.isfinite(rows).all():
                raise ValueError(f"{x.name} of {path.name} has more than {num_nodes} rows, or lacks a number")
            array[done : done + len(rows)] = rows
            done += len(rows)
        if array is None or done != num_nodes:
            raise ValueError(f"{x.name} of {path.name} has {done} rows, expected {num_nodes}")
        array.flush()
        (folder / "x.part").rename(folder / "x.npy")

    return {"edges": edges, "x": features if x.is_file() else None, "labels": labels, "masks": masks,
            "class_names": classes}  # fmt: skip


def _raw(path: Path) -> Path:
    return path / "raw" if (path / "raw").is_dir() else path


def _rows(file: Path) -> Iterator[Array]:
    import pandas

    if not file.is_file():
        raise FileNotFoundError(f"{file.parent} lacks {file.name}, one of the tables of OGB")
    try:
        for frame in pandas.read_csv(file, header=None, chunksize=_ROWS):
            yield frame.to_numpy(np.float64)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{file.name} is not readable as a table: {' '.join(str(error).split())}") from None
