"""What a graph from outside lacks is made, and said: features, and a split of its labelled nodes."""

import math

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import degree

from ..tables import name_of
from .graph_checks import check_graph
from .graph_dataset import GraphDataset

SPLITS = ("train_mask", "val_mask", "test_mask")
_SHARE = 0.2  # of the labelled nodes of each class, for validation and for testing
_IDENTITY = 2000  # nodes up to which one-hot numbers are features
_DEGREES = 16
_TOLD_APART = 0.9  # of the values of a feature that float32 keeps apart, else it is said
_CLASSES = 10_000  # that are plausible, of few nodes
DEGREE_NAMES = [f"degree {count}" for count in range(_DEGREES)]
_OF_DEGREES = f"the nodes' degrees, one-hot up to {_DEGREES - 1}, stand for them"


def complete_graph(data: Data, name: str, notes: list[str]) -> Data:
    """A graph of one's own: x, and labels with three masks where it has labels, checked.

    Labels are classes y [N] (-1 for none), or numbers target [N] (NaN for none) where they are not whole. Without x,
    features are the nodes' one-hot numbers, or, of more than 2000 nodes, their one-hot degrees up to 15. Masks that are
    missing are drawn from the labelled nodes, by class and always alike: a fifth each for validation and test, or what
    a given training part leaves.

    Args:
        data: with edge_index, and what there is of x, y, target, masks, node_names, feature_names.
        name: what the graph is called.
        notes: what was found out so far; what is decided here is added, and they become `data.notes`.

    Raises:
        ValueError: parts do not fit one another.
    """
    groups = _read_labels(data, name)
    data.x = features_of(data, name, notes)
    given = {split: _mask(data[split], split, name) for split in SPLITS if data.get(split) is not None}
    missing = [split for split in SPLITS if split not in given]
    if groups is None:
        notes.append(f"{name} has no labels: expected a column label, or y, to learn them")
        for split in given:
            del data[split]
        given = {}
    elif missing:
        draw_parts(given, missing, groups, name)
        sizes = ", ".join(f"{int(given[split].sum())} {split.removesuffix('_mask')}" for split in SPLITS)
        drawn = " and ".join(split.removesuffix("_mask") for split in missing)
        notes.append(
            f"{name}: the {drawn} part is drawn from the labelled nodes{', by class' * ('y' in data)}: {sizes} nodes"
        )
    for split, mask in given.items():
        data[split] = mask
    data.name, data.notes = name, notes
    if "num_nodes" in data:  # x tells it
        del data["num_nodes"]
    return check_graph(data)


def features_of(data: Data, name: str, notes: list[str]) -> Tensor:
    """x as floats, or what stands for it where there is none; what it is goes to `feature_names`."""
    x = data.get("x")
    if isinstance(x, Tensor) and x.size(-1):
        return in_single(x[:, None] if x.dim() == 1 else x, data.get("feature_names"), name, notes)
    num_nodes = int(data.num_nodes or 0)
    if num_nodes <= _IDENTITY:
        notes.append(f"{name} has no features: each node's own number, one-hot, stands for them")
        data.feature_names = [f"node {node}" for node in data.get("node_names") or range(num_nodes)]
        return torch.eye(num_nodes)
    notes.append(f"{name} has no features: {_OF_DEGREES}")
    data.feature_names = DEGREE_NAMES
    return degrees_of(data)


def in_single(x: Tensor, titles: list[str] | None, name: str, notes: list[str]) -> Tensor:
    """Features [N, F] as float32; where that tells far fewer values apart than the file does, it is noted."""
    single = x.float()
    if x.dtype not in (torch.float64, torch.int64) or x.is_sparse or x.layout != torch.strided:
        return single
    for column in range(x.size(1)):
        values, kept = x[:, column].unique().numel(), single[:, column].unique().numel()
        if kept < _TOLD_APART * values:
            title = titles[column] if titles else f"feature {column}"
            notes.append(f"{name}: of {values} values of {title} single precision keeps {kept}: subtract an offset")
            break
    return single


def degrees_of(data: Data) -> Tensor:
    """The degrees of the nodes, one-hot, from 15 on together."""
    return torch.nn.functional.one_hot(_degrees(data.edge_index, int(data.num_nodes or 0)), _DEGREES).float()


def degree_counts(edge_index: Tensor, batch: Tensor, graphs: int) -> Tensor:
    """How many nodes of each graph have which degree, from 15 on together: [graphs, 16]. batch [N] is their graph."""
    place = batch * _DEGREES + _degrees(edge_index, len(batch))
    return place.bincount(minlength=graphs * _DEGREES).view(graphs, _DEGREES).float()


def _degrees(edge_index: Tensor, num_nodes: int) -> Tensor:
    return degree(edge_index[1], num_nodes, dtype=torch.int64).clamp(max=_DEGREES - 1)


def complete_set(graphs: list[Data], name: str, class_names: list[str] | None = None) -> GraphDataset:
    """Graphs with one label each: x or degrees in its place, y [1] counted from 0 and -1 for none, or target [1].

    Args:
        graphs: their y [1] is a class, or a number to be foretold where one of them is not whole.
        name: what the set is called.
        class_names: of the classes 0, 1, ...; left out, the labels in ascending order.

    Raises:
        ValueError: there are no graphs, one has several labels, or they differ in their features.
    """
    if not graphs:
        raise ValueError(f"{name} holds no graphs")
    bare = _say_nothing(graphs)
    labels: list[float] = []
    said: list[str] = []
    for number, graph in enumerate(graphs):
        y = graph.get("y")
        if isinstance(y, Tensor) and y.numel() != 1:
            raise ValueError(f"graph {number} of {name} has {y.numel()} labels y, expected one")
        labels.append(float(y) if isinstance(y, Tensor) else math.nan)
        graph.x = degrees_of(graph) if bare else features_of(graph, name, said)
        if graph.x.size(1) != graphs[0].x.size(1):
            raise ValueError(f"graph {number} of {name} has {graph.x.size(1)} features, graph 0 {graphs[0].x.size(1)}")
        check_graph(Data(x=graph.x, edge_index=graph.edge_index, edge_attr=graph.get("edge_attr")))
    known = sorted({label for label in labels if label == label})
    are_classes = all(label == round(label) for label in known)
    for graph, label in zip(graphs, labels, strict=True):
        graph.target = torch.tensor([label], dtype=torch.float64)
        graph.y = torch.tensor([known.index(label) if are_classes and label == label else -1])
    classes = class_names or [name_of(label) for label in known] if are_classes else []
    notes = [f"{name} has no features: {_OF_DEGREES}"] if bare else said[:1]
    return GraphDataset(graphs, name, classes, DEGREE_NAMES if bare else graphs[0].get("feature_names"), notes)


def _say_nothing(graphs: list[Data]) -> bool:
    """Whether features are missing, or are the same for every node of every graph."""
    if any(graph.get("x") is None for graph in graphs):
        return True
    first = graphs[0].x[:1]
    return all(graph.x.shape[1:] == first.shape[1:] and bool((graph.x == first).all()) for graph in graphs)


def _read_labels(data: Data, name: str) -> Tensor | None:
    """Make data.y classes or data.target numbers; return what a split keeps even [N] (-1: no label), None for none."""
    y = data.get("y")
    if y is None:
        return None
    y = y.squeeze(-1) if y.dim() == 2 and y.size(1) == 1 else y
    if y.dim() != 1:
        raise ValueError(f"y of {name} is {list(y.shape)}, expected one class a node")
    del data.y
    if y.is_floating_point():
        known = y.isfinite()
        if bool((known & (y != y.round())).any()):
            data.target = y.double()
            return known.long() - 1
        y = torch.where(known, y, -torch.ones_like(y))
    if bool((y < 0).all()):
        return None
    if int(y.max()) >= max(_CLASSES, len(y)):
        raise ValueError(f"y of {name} holds {int(y.max())}, expected classes numbered from 0")
    data.y = y.long()
    return data.y


def _mask(mask: Tensor, split: str, name: str) -> Tensor:
    if mask.dim() == 2:  # several splits, of which the first counts
        mask = mask[:, 0]
    if mask.dtype not in (torch.bool, torch.uint8):
        raise ValueError(f"{split} of {name} has dtype {mask.dtype}, expected torch.bool")
    return mask.bool()


def draw_parts(given: dict[str, Tensor], missing: list[str], y: Tensor, name: str) -> None:
    """Add the missing masks: of what is free, or of the training part where nothing is and validation is missing."""
    generator = torch.Generator().manual_seed(0)
    if any(mask.shape != y.shape for mask in given.values()):
        raise ValueError(
            f"the masks of {name} are {[list(mask.shape) for mask in given.values()]}, y is {list(y.shape)}"
        )
    free = y >= 0
    for mask in given.values():
        free = free & ~mask
    if "train_mask" not in missing and not bool(free.any()):
        if "test_mask" in missing:
            raise ValueError(f"{name} has no labelled node left to test on")
        given["val_mask"] = _share_of(y, given["train_mask"], _SHARE, generator)
        given["train_mask"] = given["train_mask"] & ~given["val_mask"]
        return
    share = _SHARE if "train_mask" in missing else 1 / len(missing)
    for split in reversed(missing):
        last = split == missing[0]
        given[split] = free if last else _share_of(y, free, share, generator)
        free = free & ~given[split]
        if "train_mask" in missing and len(missing) == 3:
            share = _SHARE / (1 - _SHARE)  # the second fifth is a quarter of what is left


def _share_of(y: Tensor, pool: Tensor, share: float, generator: torch.Generator) -> Tensor:
    chosen = torch.zeros_like(pool)
    for label in y[pool].unique():
        members = (pool & (y == label)).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        chosen[members[order[: round(share * len(members))]]] = True
    return chosen
