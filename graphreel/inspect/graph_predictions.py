"""`graphreel gnn predict` and `gnn embed`: what a trained graph network says of every node or graph, as a table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphreel.core.atomic_files import write_whole
from graphreel.data import DiskGraph
from graphreel.data.graphs.edge_attributes import undirected
from graphreel.data.graphs.match_features import match_features
from graphreel.data.registry import load_to_train
from graphreel.experiments.graph_model import (
    class_names_of,
    edge_inputs,
    edge_width,
    in_batches,
    prepare_graph,
)
from graphreel.inspect.class_table import write_classes, write_csv
from graphreel.inspect.load_run import TrainedRun, load_run
from graphreel.inspect.predict_on_disk import embed_on_disk, predict_on_disk, stays_on_disk

_AT_ONCE = 256  # graphs in a batch
_LINKS = 10  # of a node


@dataclass(frozen=True)
class _Read:
    """What a run is asked about: graphs in batches, and the names and known labels of their nodes, or of them."""

    batches: Sequence[Data]
    what: str
    names: Sequence[str]
    labels: Tensor | None
    class_names: Sequence[str]
    notes: Sequence[str]


def predict(path: Path, data: str, out: Path | None) -> str:
    """Write the class and the probabilities of every node or graph of `data` to a .csv; return what is printed.

    Of a regression its number is written; of links those that are likeliest of all that are not there.

    Raises:
        ValueError, OSError: no run of `gnn train`, data that cannot be read, or that do not fit the run.
    """
    trained = load_run(path, "gnn")
    source, place = load_to_train(data), out or trained.folder.path / "predictions.csv"
    if stays_on_disk(trained, source):
        return "\n".join(f"  {line}" for line in [*predict_on_disk(trained, source, place), f"in {place}"])
    if place.suffix.lower() == ".npy":
        raise ValueError(f"--out expects a .csv, got {place}: a .npy is for packed graphs")
    read = _read(trained, data, source)
    write = {"link": _links, "regression": _numbers}.get(trained.settings.task, _classes)
    return "\n".join(f"  {line}" for line in [*read.notes, *write(trained, read, place), f"in {place}"])


def _classes(trained: TrainedRun, read: _Read, place: Path) -> list[str]:
    shares = torch.cat([logits.softmax(-1) for logits in _answers(trained, read, hidden=False)])
    classes = trained.entries.get("class_names") or [str(label) for label in range(shares.size(1))]
    best = shares.argmax(1)
    write_classes(place, read.what, read.names, classes, shares)
    counts = best.bincount(minlength=len(classes)).tolist()
    told = [f"{name} {count}" for name, count in zip(classes, counts, strict=True) if count]
    lines = [f"{len(best)} {read.what}s: {', '.join(told[:20])}{', ...' * (len(told) > 20)}"]
    if read.labels is not None and read.class_names:
        known = read.labels >= 0
        same = [classes[b] == read.class_names[y] for b, y in zip(best[known], read.labels[known], strict=True)]
        lines += [f"{sum(same) / len(same):.1%} of the {len(same)} with a label have this class"] if same else []
    return lines


def _numbers(trained: TrainedRun, read: _Read, place: Path) -> list[str]:
    mean, scale = map(float, trained.model.scaling if read.what == "graph" else trained.entries["scaling"])
    values = torch.cat(list(_answers(trained, read, hidden=False)))[:, 0].double() * scale + mean
    places = max(0, 5 - math.floor(math.log10(scale)))  # of a network's answer in single precision
    rows = ([name, f"{value:.{places}f}"] for name, value in zip(read.names, values.tolist(), strict=True))
    write_csv(place, [read.what, "value"], rows)
    return [f"{len(values)} {read.what}s: {values.min():.4g} to {values.max():.4g}, on average {values.mean():.4g}"]


@torch.no_grad()
def _links(trained: TrainedRun, read: _Read, place: Path) -> list[str]:
    """The pairs that are not joined and likeliest to be, at most ten for every node, each pair once."""
    graph, model = read.batches[0], trained.model
    inputs = edge_inputs(graph, trained.settings)
    z, nodes = model.hidden(graph.x, **inputs), torch.arange(len(read.names))
    found: dict[tuple[int, int], float] = {}
    for node in nodes.tolist():
        shares = model.decode(z, torch.stack([torch.full_like(nodes, node), nodes])).sigmoid()
        shares[graph.edge_index[1][graph.edge_index[0] == node]] = -1
        shares[node] = -1
        for share, other in zip(*map(Tensor.tolist, shares.topk(min(_LINKS, len(nodes)))), strict=True):
            if share >= 0:
                found[min(node, other), max(node, other)] = share
    best = sorted(found.items(), key=lambda pair: -pair[1])
    rows = ([read.names[a], read.names[b], f"{share:.6g}"] for (a, b), share in best)
    told = [f"{read.names[a]} - {read.names[b]} {share:.3f}" for (a, b), share in best[:5]]
    write_csv(place, ["source", "target", "probability"], rows)
    return [f"{len(best)} pairs that are not joined, likeliest first", *told]


def embed(path: Path, data: str | None, out: Path | None) -> str:
    """Write the hidden features that go into the last layer, one row a node or graph, to a .csv or .npy.

    Raises:
        ValueError, OSError: as for `predict`.
    """
    trained = load_run(path, "gnn")
    data = data or trained.settings.data
    source, place = load_to_train(data), out or trained.folder.path / "embedding.csv"
    if stays_on_disk(trained, source):
        return "\n".join(f"  {line}" for line in [*embed_on_disk(trained, source, place), f"in {place}"])
    read = _read(trained, data, source)
    hidden = torch.cat(list(_answers(trained, read, hidden=True)))
    if place.suffix.lower() == ".npy":
        write_whole(place, lambda beside: np.save(beside, hidden.numpy()))
    else:
        header = [read.what, *(f"h{column}" for column in range(hidden.size(1)))]
        place = write_csv(
            place, header, ([name, *map("{:.6g}".format, row)] for name, row in zip(read.names, hidden, strict=True))
        )
    lines = [*read.notes, f"{len(hidden)} {read.what}s, {hidden.size(1)} hidden features"]
    return "\n".join([*(f"  {line}" for line in lines), f"  in {place}"])


def _read(trained: TrainedRun, data: str, source: Any) -> _Read:
    source, saved = source.in_memory() if isinstance(source, DiskGraph) else source, trained.entries
    of_graphs, alone = saved["pool"] is not None, isinstance(source, Data)
    if not of_graphs and not alone:
        raise ValueError(f"{data} is a set of graphs, but the run was trained on the nodes of one")
    graphs = [source] if alone else list(source)
    of_source = source.get if alone else lambda name: getattr(source, name, None)
    notes: list[str] = list(of_source("notes") or [])
    columns, trained_columns = of_source("feature_names") or (), saved.get("feature_names") or ()
    matched = []
    for graph in graphs:
        graph = match_features(graph, columns, trained_columns, saved.get("raw_features", saved["num_features"]), notes)
        if saved.get("edge_dim") not in (None, edge_width(graph)):
            raise ValueError(
                f"{data} has {edge_width(graph)} features an edge, but the run was trained on {saved['edge_dim']}"
            )
        graph = undirected(graph) if trained.settings.task == "link" else graph
        matched.append(prepare_graph(graph, trained.settings, "cpu"))
    y = of_source("y") if of_graphs != alone else None  # the labels of nodes are none of their graph
    classes = of_source("class_names") or [] if y is None else class_names_of(source)
    if not of_graphs:
        names = matched[0].get("node_names") or range(matched[0].x.size(0))
        return _Read(matched, "node", list(map(str, names)), y, classes, notes)
    names = [graph.get("name") or number for number, graph in enumerate(graphs)]
    return _Read(list(in_batches(matched, _AT_ONCE)), "graph", list(map(str, names)), y, classes, notes)


@torch.no_grad()
def _answers(trained: TrainedRun, read: _Read, hidden: bool) -> Iterator[Tensor]:
    for graph in read.batches:
        inputs: dict[str, Any] = edge_inputs(graph, trained.settings)
        if trained.entries["pool"] is not None:
            inputs["batch"] = graph.batch
        yield (trained.model.hidden if hidden else trained.model)(graph.x, **inputs)
