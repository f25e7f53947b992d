"""A packed graph, opened: numpy memory maps behind PyG's FeatureStore and GraphStore."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data, EdgeAttr, FeatureStore, GraphStore, TensorAttr
from torch_geometric.data.graph_store import EdgeLayout

from .manifest import Manifest

Array = NDArray[Any]
MASKS = ("train_mask", "val_mask", "test_mask")
_OF_NODES, _OF_EDGES = ("x", "y", "target", *MASKS), ("edge_weight", "edge_attr")


class DiskFeatures(FeatureStore):
    """What a packed graph knows of its nodes, for PyG: x [N, F], y or target [N], and the three masks.

    Rows are read where they are asked for; nothing else of a file comes into memory. x keeps the type of the file
    (float16, say), y becomes int64.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        super().__init__()
        self.arrays = arrays

    def rows(self, name: str, index: Any = None) -> Tensor:
        """The rows of an array at an index; all of them, mapped, where there is none."""
        array = self.arrays[name]
        if index is None:
            found = torch.from_numpy(array)
        elif isinstance(index, slice):
            found = torch.from_numpy(array[index])
        else:
            found = torch.from_numpy(array.take(np.asarray(index), axis=0))
        return found.long() if name == "y" else found

    def _get_tensor(self, attr: TensorAttr) -> Tensor | None:
        return self.rows(attr.attr_name, attr.index) if attr.attr_name in self.arrays else None

    def _get_tensor_size(self, attr: TensorAttr) -> tuple[int, ...]:
        return tuple(self.arrays[attr.attr_name].shape)

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        return [TensorAttr(group_name=None, attr_name=name, index=None) for name in self.arrays]

    def _put_tensor(self, tensor: Any, attr: TensorAttr) -> bool:
        return False  # it is read-only

    def _remove_tensor(self, attr: TensorAttr) -> bool:
        return False


class DiskEdges(GraphStore):
    """The edges of a packed graph, for PyG: CSC, that is, the sources of the edges that enter each node.

    Attributes:
        start: [N + 1]; the edges that enter node i stand at start[i] .. start[i + 1] - 1.
        source: [E].
        of_edges: edge_weight [E] or edge_attr [E, D] in the same order, where there are any.
    """

    def __init__(self, start: Array, source: Array, of_edges: dict[str, Array]) -> None:
        super().__init__()
        self.start, self.source, self.of_edges = start, source, of_edges
        self._attr = EdgeAttr(None, EdgeLayout.CSC, True, (start.size - 1, start.size - 1))

    def get_all_edge_attrs(self) -> list[EdgeAttr]:
        return [self._attr]

    def _get_edge_index(self, edge_attr: EdgeAttr) -> tuple[Tensor, Tensor] | None:
        if edge_attr.layout != EdgeLayout.CSC or edge_attr.edge_type is not None:
            return None
        # PyG's own samplers want one type of both; they differ from 2^31 edges on
        return torch.from_numpy(self.source.astype(self.start.dtype, copy=False)), torch.from_numpy(self.start)

    def _put_edge_index(self, edge_index: Any, edge_attr: EdgeAttr) -> bool:
        return False  # it is read-only

    def _remove_edge_index(self, edge_attr: EdgeAttr) -> bool:
        return False


class DiskGraph:
    """A folder that `graphreel data pack` wrote.

    ``(graph.features, graph.edges)`` is the pair that PyG's loaders take; ours take the graph itself, too. Opening maps
    the files and reads none; processes that are forked share the maps.

    Args:
        folder: with graph.json.
        check: whether to compare every byte with the checksums, which reads all files once; sizes always are.

    Attributes:
        manifest: what graph.json says.
        features, edges: the two stores.

    Raises:
        ValueError: a file is damaged; it is named.
        FileNotFoundError: one is missing.
    """

    def __init__(self, folder: str | os.PathLike[str], check: bool = False) -> None:
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        self.manifest.check(self.folder, {"start", "source", *self.manifest.arrays}, check)
        arrays = {name: self._opened(name) for name in self.manifest.arrays if name != "node_names"}
        nodes, edges = self.num_nodes, self.num_edges
        expected = {"start": nodes + 1, "source": edges} | dict.fromkeys(_OF_NODES, nodes)
        for name, array in arrays.items():
            rows = expected.get(name, edges)
            if len(array) != rows:
                raise ValueError(f"{self.folder / name}.npy has {len(array)} rows, expected {rows}")
        self.features = DiskFeatures({name: arrays[name] for name in _OF_NODES if name in arrays})
        of_edges = {name: arrays[name] for name in _OF_EDGES if name in arrays}
        self.edges = DiskEdges(arrays["start"], arrays["source"], of_edges)

    @property
    def num_nodes(self) -> int:
        return self.manifest.num_nodes

    @property
    def num_edges(self) -> int:
        return self.manifest.num_edges

    @property
    def notes(self) -> list[str]:
        return self.manifest.notes

    def part(self, name: str) -> Tensor:
        """The nodes of "train", "val" or "test", ascending."""
        return torch.from_numpy(np.flatnonzero(self.features.arrays[f"{name}_mask"]))

    def names(self, start: int, end: int) -> list[str]:
        """The names of nodes start .. end - 1; their numbers where they have none."""
        if "node_names" not in self.manifest.arrays:
            return list(map(str, range(start, end)))
        return [name.decode() for name in self._opened("node_names")[start:end].tolist()]

    def blocks(self, edges: int) -> Iterator[tuple[int, int]]:
        """Ranges of nodes which that many edges enter at most, or a single node."""
        yield from edge_blocks(self.edges.start, edges)

    def in_memory(self) -> Data:
        """All of it as a Data, whose edges are ordered by target."""
        start = torch.from_numpy(self.edges.start).long()
        target = torch.arange(self.num_nodes).repeat_interleave(start.diff())
        data = Data(edge_index=torch.stack([torch.from_numpy(self.edges.source).long(), target]))
        for name in self.features.arrays:
            data[name] = self.features.rows(name).clone()
        for name, array in self.edges.of_edges.items():
            data[name] = torch.from_numpy(array).clone()
        data.x = data.x.float()
        data.name, data.notes = self.manifest.name, self.notes
        for name in ("class_names", "feature_names"):
            if getattr(self.manifest, name) is not None:
                data[name] = getattr(self.manifest, name)
        if "node_names" in self.manifest.arrays:
            data.node_names = self.names(0, self.num_nodes)
        return data

    def _opened(self, name: str) -> Array:
        file = self.folder / f"{name}.npy"
        try:  # "c" maps privately: nothing can be written to the file, and torch need not warn of that
            opened: Any = np.load(file, mmap_mode="c", allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{file} is damaged: {error}") from None
        if name == "x" and isinstance(opened.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
            opened.base.madvise(mmap.MADV_RANDOM)  # a page for a row, not the 32 around it
        return np.asarray(opened)


def edge_blocks(start: Array, edges: int) -> Iterator[tuple[int, int]]:
    """Ranges of nodes which that many edges enter at most, or a single node; `start` [N + 1] as of DiskEdges."""
    first, last = 0, start.size - 1
    while first < last:
        end = max(int(np.searchsorted(start, int(start[first]) + edges, side="right")) - 1, first + 1)
        yield first, end
        first = end


def open_graph(folder: str | os.PathLike[str]) -> DiskGraph:
    """Open a packed graph and compare every file with its checksum; `DiskGraph(folder)` leaves that out."""
    return DiskGraph(folder, check=True)
