"""Mini-batches of graphs whose edges come sorted, so that no step of a training waits for that."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from .adjacency import normalize_values
from .conv.gcn_conv import matrix_key
from .kernels.block_diagonal import block_diagonal
from .kernels.csr import Compressed, CSRGraph, to_csr
from .kernels.dispatch import PREPARED
from .kernels.spmm import SparseMatrix
from .kernels.tensor_cache import remember

__all__ = ["GraphLoader"]


class GraphLoader(DataLoader):
    """PyG's DataLoader, which sorts the edges of each batch where it is put together: with workers, in these.

    A mini-batch is one graph that no call has seen before, and sorting its edges takes as long as the layers save.
    Here every batch brings the CSR graphs that the layers of this package would make of its ``edge_index``; other
    layers see no difference.

    Args:
        dataset: as for PyG's DataLoader.
        batch_size: graphs in a batch.
        shuffle: in a new order every epoch.
        heads: the numbers of attention heads of the layers to come, whose graphs are prepared too.
        self_loops: whether the layers add loops, as GCNConv, GATConv and GATv2Conv do by default.
        **options: of PyG's DataLoader: num_workers, generator ...
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        heads: Sequence[int] = (),
        self_loops: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(dataset, batch_size, shuffle, **options)
        self.collate_fn: Any = _SortingCollater(self.collate_fn, tuple(heads), self_loops)


class _SortingCollater:
    def __init__(self, collate: Callable[[list[Any]], Any], heads: tuple[int, ...], self_loops: bool) -> None:
        self.collate, self.heads, self.self_loops = collate, heads, self_loops

    def __call__(self, graphs: list[Any]) -> Any:
        batch = self.collate(graphs)
        if isinstance(batch, Data) and isinstance(batch.get("edge_index"), Tensor) and batch.num_nodes:
            edges = to_csr(batch.edge_index, batch.num_nodes, self.self_loops)
            batch.__dict__["_sorted"] = _Sorted(batch.edge_index, self.self_loops, edges, self.heads)
        return batch


class _Sorted:
    """Goes from a worker's process to another one beside its ``edge_index``, and is remembered with it there.

    All of it travels as one tensor: to unpack one takes as long as a layer takes for a few hundred edges.
    """

    def __init__(self, edge_index: Tensor, self_loops: bool, edges: CSRGraph, heads: tuple[int, ...]) -> None:
        graphs = [edges, *(block_diagonal(edges, count) for count in heads)]
        parts = [part for graph in graphs for part in (*graph.by_target, graph.target, *graph.by_source)]
        sizes = [(graph.num_sources, graph.num_targets, graph.num_given) for graph in graphs]
        if self_loops:
            assert edges.given is not None
            parts += [edges.given, normalize_values(edges, None, dtype=torch.float32).view(torch.int32)]
        numbers = torch.cat([part.to(parts[0].dtype) for part in parts])
        self.__setstate__((edge_index, self_loops, heads, sizes, [part.numel() for part in parts], numbers))

    def __getstate__(self) -> Any:
        return self.state

    def __setstate__(self, state: Any) -> None:
        self.state = edge_index, self_loops, heads, sizes, lengths, numbers = state
        parts = iter(numbers.split(lengths))
        graphs = iter([_graph(size, [next(parts) for _ in range(7)]) for size in sizes])
        edges = next(graphs)
        nodes = edges.num_sources
        for count in heads:
            edges.once(("block_diagonal", count), graphs.__next__)
        remember(edge_index, ("sorted", nodes, nodes, self_loops, "source_to_target"), lambda: edges)
        remember(edge_index, ("checked", nodes, nodes), lambda: None)
        remember(edge_index, PREPARED, lambda: True)
        if self_loops:
            edges.given = next(parts).long()
            values = next(parts).to(torch.int32).view(torch.float32)
            key = matrix_key(nodes, True, True, 1.0, "source_to_target", torch.float32)
            remember(edge_index, key, lambda: SparseMatrix(edges, values))


def _graph(sizes: tuple[int, int, int], parts: Sequence[Tensor]) -> CSRGraph:
    sources, targets, given = sizes
    made: dict[Hashable, Any] = {"target": parts[3], "by_source": Compressed(*parts[4:])}
    return CSRGraph(sources, targets, Compressed(*parts[:3]), None, given, made)
