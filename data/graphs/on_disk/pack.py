"""`graphreel data pack`: a graph from a source of any size becomes a folder of arrays that need no memory."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from graphreel.core.atomic_files import write_json

from ...registry import NAMES, load_to_train
from ..graph_tables import nodes_beside
from .disk_graph import Array
from .edge_streams import TABLES, EdgeStream, array_stream, memory_stream, table_stream
from .external_sort import sort_by_target
from .manifest import Manifest, equal_parts
from .node_files import labels_of, open_rows, parts_of, read_splits, write_degrees, write_features
from .ogb_tables import is_ogb, ogb_source

Show = Callable[[str, float], None]


@dataclass
class Source:
    """A graph to be packed.

    Attributes:
        edges: its edges.
        x: its features, if it has any: an array, or what writes x.npy into a folder.
        labels, masks, class_names, feature_names, notes: as of DiskGraph.
    """

    edges: EdgeStream
    x: Any = None
    labels: dict[str, Array] = field(default_factory=dict)
    masks: dict[str, Array] = field(default_factory=dict)
    class_names: list[str] | None = None
    feature_names: list[str] | None = None
    notes: list[str] = field(default_factory=list)


def pack(
    source: str, out: Path, x: Path | None = None, y: Path | None = None, splits: Path | None = None, parts: int = 1,
    show: Show = lambda what, done: None,
) -> Manifest:  # fmt: skip
    """Pack a graph into the folder `out`, which is written beside its place and renamed.

    A packing that was interrupted goes on where it was, if source and options are the same.

    Args:
        source: a table of edges, an edge_index as .npy, a folder of OGB, or what else `load` reads as one graph.
        x, y: .npy of features [N, F] and labels [N], in place of the source's own.
        splits: a file of parts, see `read_splits`.
        parts: ranges of nodes that the manifest lists.
        show: told what is being done, and what share of it is.

    Raises:
        ValueError: the source is no graph, files do not fit one another, or `out` is there.
        OSError: a file cannot be read or written, or the disk is full.
    """
    from filelock import FileLock, Timeout

    out = Path(out).expanduser()
    if out.exists():
        raise ValueError(f"--out expects a new folder, but {out} is there")
    work = out.with_name(f".{out.name}.packing")
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"{out} is being packed by another process: wait for it, or choose another --out") from None
    try:
        folder = _begin(work, [source, x, y, splits])
        manifest = _fill(folder, work, source, x, y, splits, parts, show)
        for file in folder.iterdir():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
        folder.rename(out)
    except ValueError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    finally:
        lock.release()
    shutil.rmtree(work, ignore_errors=True)
    return manifest


def _begin(work: Path, inputs: list[Any]) -> Path:
    """The folder in which the arrays arise: that of an earlier packing if its inputs were these."""
    told, folder = work / "inputs.json", work / "graph"
    now = [_stamp(one) for one in inputs]
    try:
        same = json.loads(told.read_text()) == now
    except (OSError, ValueError):
        same = False
    if not same:
        for left in work.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
        write_json(told, now)
    folder.mkdir(exist_ok=True)
    return folder


def _stamp(path: Any) -> list[Any]:
    if path is None or str(path) in NAMES or not Path(path).expanduser().exists():
        return [path and str(path)]
    path = Path(path).expanduser().resolve()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _fill(
    folder: Path, work: Path, source: str, x: Path | None, y: Path | None, splits: Path | None, parts: int, show: Show
) -> Manifest:
    given = {name: open_rows(path, f"--{name}") for name, path in (("x", x), ("y", y)) if path is not None}
    name = source if source in NAMES else Path(source).name.split(".")[0]
    found = _source(source, work, next((len(array) for array in given.values()), 0), show)
    edges, notes = found.edges, [*found.notes, *found.edges.notes]
    known = {f"--{key}": len(array) for key, array in given.items()}
    if edges.names is not None or not edges.num_nodes or found.x is not None or found.labels:
        known[name] = edges.num_nodes
    num_nodes = max(known.values(), default=edges.num_nodes)
    for told, rows in known.items():
        if rows != num_nodes:
            raise ValueError(f"{told} has {rows} rows, but the graph has {num_nodes} nodes")
    if edges.num_nodes > num_nodes:
        raise ValueError(f"{source} holds node {edges.num_nodes - 1}, but {next(iter(known))} has {num_nodes} rows")
    cuts = equal_parts(num_nodes, parts)

    kind = np.int32 if num_nodes < 2**31 else np.int64

    def narrow() -> Any:
        for start, target, more in edges.chunks():
            yield start.astype(kind, copy=False), target.astype(kind, copy=False), more

    num_edges = sort_by_target(folder, narrow, num_nodes, show=show)
    shutil.rmtree(folder / "ranges", ignore_errors=True)
    class_names, feature_names = found.class_names, found.feature_names
    show("features", 0.0)
    features = given.get("x", found.x)
    if callable(features):
        features(folder)
    elif features is not None:
        write_features(folder, features, str(x or name))
    else:
        feature_names = write_degrees(folder, np.load(folder / "start.npy", mmap_mode="r"))
        notes.append(f"{name} has no features: the nodes' degrees, one-hot up to 15, stand for them")
    labels, masks = found.labels, found.masks
    if "y" in given:
        labels, class_names = labels_of(given["y"], str(y))
    if splits is not None:
        masks = read_splits(Path(splits), num_nodes)
    if labels and any((values >= 0 if key == "y" else np.isfinite(values)).any() for key, values in labels.items()):
        masks = parts_of(labels, masks, name, notes)
    else:
        notes.append(f"{name} has no labels: expected --y FILE.npy, to learn them")
        masks = {}
    for key, values in (labels | masks).items():
        np.save(folder / f"{key}.npy", values)
    if edges.names is not None:
        np.save(folder / "node_names.npy", edges.names)
    show("checksums", 0.0)
    manifest = Manifest(num_nodes, num_edges, name, cuts, {}, class_names, feature_names, notes)
    manifest.write(folder)
    return manifest


def _source(source: str, work: Path, num_nodes: int, show: Show) -> Source:
    path = Path(source).expanduser()
    text = path.name.lower()
    if source not in NAMES and path.is_file():
        if text.endswith(".npy"):
            return Source(array_stream(path))
        if text.endswith(TABLES) and nodes_beside(path) is None:
            show("reading edges", 0.0)
            return Source(table_stream(path, work / "edges", num_nodes))
    if source not in NAMES and is_ogb(path):
        return Source(**ogb_source(path, work / "edges"))
    data = load_to_train(source, room="gnn")
    if not isinstance(data, Data):
        raise ValueError(f"{source} is a set of graphs, or none at all: expected one graph")
    return _of_data(data)


def _of_data(data: Data) -> Source:
    attributes = {}
    for name in ("edge_weight", "edge_attr"):
        if data.get(name) is not None:
            attributes[name] = data[name].float().numpy()
    edges = memory_stream(data.edge_index.numpy(), attributes, int(data.num_nodes or 0))
    x = data.get("x")
    if data.get("node_names"):
        edges.names = np.array([str(name).encode() for name in data.node_names])
    labels = {}
    if data.get("y") is not None and not data.y.is_floating_point():
        labels["y"] = data.y.numpy().astype(np.int32)
    if data.get("target") is not None:
        labels["target"] = data.target.float().numpy()
    masks = {name: data[name].numpy() for name in ("train_mask", "val_mask", "test_mask") if data.get(name) is not None}
    rows = None if x is None else (x.to_dense() if x.is_sparse_csr else x).numpy()
    return Source(
        edges, rows, labels, masks, data.get("class_names"), data.get("feature_names"), list(data.get("notes") or [])
    )
