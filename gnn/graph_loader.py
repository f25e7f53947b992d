"""Mini-batches of graphs whose edges come sorted, so that no step of a training waits for that."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from .kernels.block_diagonal import block_diagonal
from .kernels.csr import to_csr
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
            for graph in (edges, *(block_diagonal(edges, heads) for heads in self.heads)):
                _ = graph.by_source, graph.target
            batch.__dict__["_sorted"] = _Sorted(batch.edge_index, edges, self.self_loops)
        return batch


class _Sorted:
    """Goes from a worker's process to another one beside its ``edge_index``, and is remembered with it there."""

    def __init__(self, *state: Any) -> None:
        self.__setstate__(state)

    def __getstate__(self) -> Any:
        return self.state

    def __setstate__(self, state: Any) -> None:
        self.state = edge_index, edges, self_loops = state
        nodes = edges.num_sources
        remember(edge_index, ("sorted", nodes, nodes, self_loops, "source_to_target"), lambda: edges)
        remember(edge_index, ("checked", nodes, nodes), lambda: None)
