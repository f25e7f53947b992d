"""Graphs that PyG's users saved with torch.save, read without running code from the file."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from .complete_graph import complete_graph, complete_set
from .graph_dataset import GraphDataset

_KEPT = ("x", "edge_index", "edge_weight", "edge_attr", "y", "train_mask", "val_mask", "test_mask")


def load_pyg(path: Path) -> Data | GraphDataset:
    """Read a .pt of a `Data`, of a dictionary of its tensors, or of a list of either, which is a set of graphs.

    Read with `weights_only`: of all classes a file may name, nothing but tensors and Data's own are built.

    Raises:
        ValueError: the file holds anything else, or is damaged.
    """
    path = Path(path)
    allowed = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged or foreign file fails in many ways
        reason = str(error).strip().splitlines()[-1][:200] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path.name} is no Data saved by torch.save: {reason}") from None
    if isinstance(content, (list, tuple)):
        return complete_set([_data_of(entry, path.name) for entry in content], path.stem)
    return complete_graph(_data_of(content, path.name), path.stem, [])


def _data_of(content: Any, name: str) -> Data:
    if isinstance(content, Data):
        try:
            content = dict(content.stores[0].items())
        except Exception:  # its parts were put together by hand
            content = None
    if not isinstance(content, dict) or not isinstance(content.get("edge_index"), Tensor):
        raise ValueError(f"{name} holds a {type(content).__name__}, expected a Data, or a dictionary with edge_index")
    kept = {key: content[key] for key in _KEPT if isinstance(content.get(key), Tensor)}
    kept["edge_index"] = kept["edge_index"].long()
    data = Data(**kept)
    if "x" not in kept:
        given = content.get("num_nodes")
        least = int(kept["edge_index"].max()) + 1 if kept["edge_index"].numel() else 0
        labels = kept["y"].size(0) if "y" in kept and kept["y"].dim() and kept["y"].numel() > 1 else 0
        data.num_nodes = given if isinstance(given, int) else max(least, labels)
        if not 0 < data.num_nodes <= max(labels, 10 * kept["edge_index"].size(1) + 1000):
            raise ValueError(f"{name} has {data.num_nodes} nodes for {kept['edge_index'].size(1)} edges")
    return data
