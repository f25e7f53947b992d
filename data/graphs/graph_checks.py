"""What a graph must satisfy before anything is computed on it."""

import torch
from torch import Tensor
from torch_geometric.data import Data

_MASKS = ("train_mask", "val_mask", "test_mask")


def check_graph(data: Data) -> Data:
    """Check a graph's parts against one another, and return it unchanged.

    With N the rows of x and E the columns of edge_index: edge_index [2, E] int64 in 0..N-1; x [N, F] without NaN or
    infinity, dense or sparse CSR; edge_weight and edge_attr with E finite rows; y with N rows where there are masks;
    masks [N] bool, train_mask not empty and without a node of test_mask, and each masked node with a label >= 0.

    Raises:
        ValueError: the first thing that is wrong, in one sentence.
    """
    num_nodes = _check_features(data)
    num_edges = _check_edges(data, num_nodes)
    for name in ("edge_weight", "edge_attr"):
        values = data.get(name)
        if values is None:
            continue
        if not isinstance(values, Tensor) or values.dim() == 0 or values.size(0) != num_edges:
            raise ValueError(f"{name} has {_shape(values)}, but edge_index has {num_edges} edges")
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{name} holds NaN or infinity, first for edge {_first_bad_row(values)}")
    check_labels(data, num_nodes)
    return data


def _check_features(data: Data) -> int:
    x = data.get("x")
    if x is None:
        if "num_nodes" not in data:
            raise ValueError("the graph has neither x nor num_nodes")
        return int(data.num_nodes)
    if not isinstance(x, Tensor) or x.dim() != 2:
        raise ValueError(f"x has {_shape(x)}, expected [nodes, features]")
    if x.size(0) == 0:
        raise ValueError("x has 0 rows: the graph has no nodes")
    if not x.is_floating_point():
        raise ValueError(f"x has dtype {x.dtype}, expected a floating point type")
    stored = x if x.layout == torch.strided else x.values()
    if not bool(torch.isfinite(stored).all()):
        if x.layout == torch.strided:
            raise ValueError(f"x holds NaN or infinity, first in the row of node {_first_bad_row(x)}")
        raise ValueError("x holds NaN or infinity among its stored values")
    return x.size(0)


def _check_edges(data: Data, num_nodes: int) -> int:
    edge_index = data.get("edge_index")
    if edge_index is None:
        raise ValueError("the graph has no edge_index: expected a [2, edges] tensor")
    if not isinstance(edge_index, Tensor) or edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(f"edge_index has {_shape(edge_index)}, expected [2, edges]")
    if edge_index.dtype != torch.int64:
        raise ValueError(f"edge_index has dtype {edge_index.dtype}, expected torch.int64")
    if edge_index.numel():
        low, high = (int(value) for value in edge_index.aminmax())
        if low < 0 or high >= num_nodes:
            raise ValueError(f"edge_index holds node {low if low < 0 else high}, but {_nodes(data, num_nodes)}")
    return edge_index.size(1)


def check_labels(data: Data, num_nodes: int) -> None:
    """The part of `check_graph` that looks at y or target and the masks alone."""
    masks = {name: data.get(name) for name in _MASKS if data.get(name) is not None}
    for name, mask in masks.items():
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise ValueError(f"{name} has dtype {getattr(mask, 'dtype', type(mask).__name__)}, expected torch.bool")
        if mask.shape != (num_nodes,):
            raise ValueError(f"{name} has {_shape(mask)}, but {_nodes(data, num_nodes)}")
    if not masks:
        return
    y, target = data.get("y"), data.get("target")
    if y is None and isinstance(target, Tensor):  # numbers, for a regression
        y = torch.where(target.isfinite(), 0, -1)
    if not isinstance(y, Tensor):
        raise ValueError(f"the graph has {', '.join(masks)} but no labels y")
    if y.dim() != 1 or y.size(0) != num_nodes:
        raise ValueError(f"y has {_shape(y)}, but {_nodes(data, num_nodes)}")
    if y.dtype != torch.int64:
        raise ValueError(f"y has dtype {y.dtype}, expected class indices of torch.int64")
    for name, mask in masks.items():
        unlabelled = mask & (y < 0)
        if bool(unlabelled.any()):
            raise ValueError(f"{name} holds node {int(unlabelled.nonzero()[0])}, which has no label (y is negative)")
    if "train_mask" in masks:
        if not bool(masks["train_mask"].any()):
            raise ValueError("train_mask is empty: there is nothing to learn from")
        if "test_mask" in masks and bool((masks["train_mask"] & masks["test_mask"]).any()):
            shared = int((masks["train_mask"] & masks["test_mask"]).sum())
            raise ValueError(f"train_mask and test_mask share {shared} nodes: a test is of nodes not trained on")


def _nodes(data: Data, num_nodes: int) -> str:
    return f"the graph has {num_nodes} nodes" if data.get("x") is None else f"x has {num_nodes} rows"


def _first_bad_row(values: Tensor) -> int:
    return int((~torch.isfinite(values)).nonzero()[0, 0])


def _shape(value: object) -> str:
    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
