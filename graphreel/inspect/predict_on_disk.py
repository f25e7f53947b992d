"""`graphreel gnn predict` and `gnn embed` on a packed graph: layer by layer, and a few rows of the table at a time."""

import csv
import math
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphreel.core.atomic_files import write_whole
from graphreel.core.mapped_arrays import new_array
from graphreel.data import DiskGraph
from graphreel.experiments.nodes_on_disk import layer_by_layer
from graphreel.gnn.registry import LAYERS
from graphreel.inspect.load_run import TrainedRun

Blocks = Iterator[tuple[Any, Tensor]]


def stays_on_disk(trained: TrainedRun, graph: Any) -> bool:
    """Whether a run can be asked about a graph without reading it into memory."""
    settings = trained.settings
    whole = settings.undirected or settings.degrees or settings.has_stem or settings.task == "link"
    return isinstance(graph, DiskGraph) and not whole and trained.entries["pool"] is None


def predict_on_disk(trained: TrainedRun, graph: DiskGraph, place: Path) -> list[str]:
    """Write the class and the probabilities, or the number, of every node to a .csv, or a .npy [N, classes].

    Returns:
        What is printed.

    Raises:
        ValueError: the graph does not fit the run.
    """
    logits = _blocks(trained, graph, place, hidden=False)
    if trained.settings.task == "regression":
        mean, scale = map(float, trained.entries["scaling"])
        places = max(0, 5 - math.floor(math.log10(scale)))  # of a network's answer in single precision
        values = ((nodes, rows[:, :1].double() * scale + mean) for nodes, rows in logits)
        _write(graph, place, ["node", "value"], values, lambda row: [f"{row[0]:.{places}f}"])
        return [f"{graph.num_nodes:,} nodes"]
    classes = trained.entries.get("class_names") or list(map(str, range(trained.entries["num_classes"])))
    counts = np.zeros(len(classes), np.int64)
    right, known = 0, 0
    own = graph.manifest.class_names or classes
    same = "y" in graph.features.arrays and own == classes

    def shares() -> Blocks:
        nonlocal right, known
        for nodes, rows in logits:
            found = rows.softmax(-1)
            best = found.argmax(1)
            counts[:] += np.bincount(best.numpy(), minlength=len(classes))
            if same:
                y = graph.features.rows("y", nodes)
                right, known = right + int((best == y)[y >= 0].sum()), known + int((y >= 0).sum())
            yield nodes, found

    def told(row: list[float]) -> list[str]:
        return [classes[max(range(len(row)), key=row.__getitem__)], *map("{:.6g}".format, row)]

    _write(graph, place, ["node", "class", *(f"p({name})" for name in classes)], shares(), told)
    found = [f"{name} {count}" for name, count in zip(classes, counts.tolist(), strict=True) if count]
    lines = [f"{graph.num_nodes} nodes: {', '.join(found[:20])}{', ...' * (len(found) > 20)}"]
    return lines + ([f"{right / known:.1%} of the {known} with a label have this class"] if known else [])


def embed_on_disk(trained: TrainedRun, graph: DiskGraph, place: Path) -> list[str]:
    """Write what goes into the last layer, a row a node, to a .csv or .npy; return what is printed."""
    hidden = _blocks(trained, graph, place, hidden=True)
    nodes, rows = next(hidden)
    header = ["node", *(f"h{column}" for column in range(rows.size(1)))]
    _write(graph, place, header, chain([(nodes, rows)], hidden), lambda row: list(map("{:.6g}".format, row)))
    return [f"{graph.num_nodes} nodes, {rows.size(1)} hidden features"]


def _blocks(trained: TrainedRun, graph: DiskGraph, place: Path, hidden: bool) -> Blocks:
    width, expected = graph.features.arrays["x"].shape[1], trained.entries["num_features"]
    if width != expected:
        raise ValueError(f"{graph.folder} has {width} features a node, but the run was trained on {expected}")
    of_edges, asked = graph.edges.of_edges.get("edge_attr"), trained.entries.get("edge_dim")
    if asked is not None and LAYERS[trained.settings.model].edges == "edge_attr":
        given = None if of_edges is None else 1 if of_edges.ndim == 1 else of_edges.shape[1]
        if given != asked:
            raise ValueError(f"{graph.folder} has {given} features an edge, but the run was trained on {asked}")
    place.parent.mkdir(parents=True, exist_ok=True)
    reader = layer_by_layer(graph, trained.settings, place.parent)
    return reader.blocks(trained.model, hidden=hidden)


def _write(
    graph: DiskGraph, place: Path, header: list[str], blocks: Blocks, told: Callable[[list[float]], list[str]]
) -> None:
    """Write blocks of rows as they come; the file appears when it is whole."""

    def table(beside: Path) -> None:
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for nodes, rows in blocks:
                names = graph.names(int(nodes[0]), int(nodes[-1]) + 1)
                writer.writerows([name, *told(row)] for name, row in zip(names, rows.tolist(), strict=True))

    def array(beside: Path) -> None:
        written = None
        for nodes, rows in blocks:
            if written is None:
                written = new_array(beside, np.float32, (graph.num_nodes, rows.size(1)))
            written[int(nodes[0]) : int(nodes[-1]) + 1] = rows.numpy()
        if written is not None:
            written.flush()

    with torch.no_grad():
        write_whole(place, array if place.suffix.lower() == ".npy" else table)
