"""An edge list sorted by target and by source: what sparse products and segment operations read."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from graphreel.core.guard import is_capturing

from .tensor_cache import no_graph, remember

_INT32_MAX = 2**31 - 1
_FEW_NUMBERS = 1 << 13  # looking at so few again is as fast as remembering that they were looked at


class Compressed(NamedTuple):
    """Edges grouped by row: row ``i`` owns the entries ``pointer[i]:pointer[i + 1]``.

    Attributes:
        pointer: ``[rows + 1]``, where each row starts.
        neighbor: ``[E]``, the node at the other end of each entry.
        position: ``[E]``, where the entry stands in another order of the same edges.
    """

    pointer: Tensor
    neighbor: Tensor
    position: Tensor


@dataclass(eq=False)
class CSRGraph:
    """The edges of a graph in three orders, with the ways between them.

    *Edge list*: as in ``edge_index``; with self-loops added, the edges that are no loops, in their order, and then the
    loops 0..N-1 (the order of PyG's ``add_self_loops``). *By target*: stable by target, the compressed rows of
    A[target, source]. *By source*: the compressed rows of the transpose of A. Indices are int32, which MKL reads
    without converting, or int64 where the graph is too large for it; :attr:`wide` has them as int64.

    Attributes:
        num_sources: Columns of A.
        num_targets: Rows of A.
        by_target: ``pointer`` [num_targets + 1], ``neighbor`` the source of each edge, ``position`` in the list.
        given: ``[E]`` int64, for each edge of the list its place in ``edge_index``, or ``num_given`` for an added
            loop; of several loops of a node the last is meant. None where the list is ``edge_index`` itself.
        num_given: The number of edges in ``edge_index``.
    """

    num_sources: int
    num_targets: int
    by_target: Compressed
    given: Tensor | None
    num_given: int
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def num_edges(self) -> int:
        """The number of edges, added loops included."""
        return self.by_target.neighbor.numel()

    @property
    def by_source(self) -> Compressed:
        """The transpose: ``pointer`` [num_sources + 1], ``neighbor`` targets, ``position`` in the by-target order."""
        return self.once("by_source", lambda: _transpose(self.by_target, self.num_targets, self.num_sources))

    @property
    def flipped(self) -> "CSRGraph":
        """The edges reversed: what is by source here is by target there."""
        sizes = (self.num_targets, self.num_sources)
        return self.once("flipped", lambda: CSRGraph(*sizes, self.by_source, None, self.num_edges))

    @property
    def target(self) -> Tensor:
        """``[E]``, the target of each edge in the by-target order (the sources are ``by_target.neighbor``)."""

        def expand() -> Tensor:
            pointer = self.by_target.pointer
            rows = torch.arange(self.num_targets, dtype=pointer.dtype, device=pointer.device)
            return rows.repeat_interleave(pointer.diff(), output_size=self.num_edges)

        return self.once("target", expand)

    @property
    def wide(self) -> Compressed:
        """``by_target`` as int64, for operations that take no other index."""
        return self.once("wide", lambda: Compressed(*(part.long() for part in self.by_target)))

    @property
    def origin(self) -> Tensor:
        """``[E]``, the place in ``edge_index`` (or ``num_given``, as in ``given``) of each edge by target."""
        position = self.by_target.position
        if self.given is None:
            return position
        given = self.given
        return self.once("origin", lambda: given.index_select(0, position))

    def once(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """Return ``make()``, kept under ``name`` as long as these edges are."""
        if name not in self._made:
            with no_graph():
                self._made[name] = make()
        return self._made[name]

    def edge_list(self) -> Tensor:
        """The edge list as an ``edge_index`` [2, E], int64: row 0 sources, row 1 targets."""
        position = self.by_target.position.long()
        edge_list = torch.empty(2, self.num_edges, dtype=torch.long, device=position.device)
        edge_list[0, position] = self.by_target.neighbor.long()
        edge_list[1, position] = self.target.long()
        return edge_list


def to_csr(
    edge_index: Tensor,
    num_nodes: int | tuple[int, int],
    self_loops: bool = False,
    flow: str = "source_to_target",
    name: str = "x",
) -> CSRGraph:
    """Sort an edge list into a CSR graph, or return the one remembered from the last call with the same tensor object.

    Sorting also validates: every later call with the same unchanged ``edge_index`` costs a dictionary look-up.

    Args:
        edge_index: ``[2, E]`` int64 or int32, row 0 the sources and row 1 the targets.
        num_nodes: The number of nodes, or (sources, targets) of a bipartite graph.
        self_loops: Whether exactly one loop per node takes the place of the loops in ``edge_index``.
        flow: ``"target_to_source"`` exchanges the two rows.
        name: What the caller names the features whose rows ``num_nodes`` counts, for the error message.

    Raises:
        ValueError: If ``edge_index`` is not [2, E] of integers or holds a node that does not exist.
    """
    num_sources, num_targets = (num_nodes, num_nodes) if isinstance(num_nodes, int) else num_nodes
    return remember(
        edge_index,
        ("sorted", num_sources, num_targets, self_loops, flow),
        lambda: _sort(edge_index, num_sources, num_targets, self_loops, flow, name),
    )


def _sort(edge_index: Tensor, num_sources: int, num_targets: int, self_loops: bool, flow: str, name: str) -> CSRGraph:
    check_edges(edge_index, (num_sources, num_targets), flow, name)
    num_given = edge_index.size(1)
    narrow = max(num_given + num_targets, num_sources) < _INT32_MAX
    # PyG's EdgeIndex is a subclass whose own operations would answer in place of the plain ones
    edges = edge_index.as_subclass(Tensor).detach().to(torch.int32 if narrow else torch.long)
    source, target = (edges[0], edges[1]) if flow == "source_to_target" else (edges[1], edges[0])
    given = None
    if self_loops:
        source, target, given = _one_loop_each(source, target, min(num_sources, num_targets))
    return CSRGraph(num_sources, num_targets, _compress(target, source, num_targets), given, num_given)


def _one_loop_each(source: Tensor, target: Tensor, num_nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Drop the loops, append one per node, and say where each edge was given (the last loop of a node wins)."""
    num_given, device = source.numel(), source.device
    loops = torch.arange(num_nodes, dtype=source.dtype, device=device)
    loop_given = torch.full((num_nodes,), num_given, dtype=torch.long, device=device)
    is_loop = source == target
    places = find(is_loop)
    if places.numel():
        node = source.index_select(0, places).long()
        loop_given.scatter_reduce_(0, node, places, "amax", include_self=False)
        kept = find(~is_loop)
        source, target = source.index_select(0, kept), target.index_select(0, kept)
    else:
        kept = torch.arange(num_given, device=device)
    return torch.cat([source, loops]), torch.cat([target, loops]), torch.cat([kept, loop_given])


def split_loops(edge_index: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Which edges are no loops, and which are: their places in the list, or None twice if there is no loop."""
    is_loop = edge_index[0] == edge_index[1]
    if not bool(is_loop.any()):
        return None, None
    return find(~is_loop), find(is_loop)


def find(mask: Tensor) -> Tensor:
    """``mask.nonzero().view(-1)``, on a CPU by NumPy, which takes a third of the time."""
    if mask.device.type != "cpu":
        return mask.nonzero().view(-1)
    return torch.from_numpy(np.flatnonzero(mask.numpy()))


def _compress(row: Tensor, column: Tensor, num_rows: int) -> Compressed:
    """Group the entries (row, column) by row, keeping their order within a row."""
    count = row.numel()
    if count == 0 or row.device.type != "cpu":
        ordered, position = torch.sort(row, stable=True)
        pointer = torch._convert_indices_from_coo_to_csr(ordered, num_rows, out_int32=row.dtype == torch.int32)
        return Compressed(pointer, column.index_select(0, position), position.to(row.dtype))
    # all entries as one row of a matrix whose columns are the rows wanted
    pointer, _, position = _by_column(torch.tensor([0, count], dtype=row.dtype), row, 1, num_rows)
    return Compressed(pointer, column.index_select(0, position), position)


def _transpose(compressed: Compressed, num_rows: int, num_columns: int) -> Compressed:
    """Group entries that are grouped by row by their column instead."""
    pointer, neighbor, _ = compressed
    if neighbor.numel() == 0 or neighbor.device.type != "cpu":
        rows = torch.arange(num_rows, dtype=pointer.dtype, device=pointer.device)
        return _compress(neighbor, rows.repeat_interleave(pointer.diff()), num_columns)
    return Compressed(*_by_column(pointer, neighbor, num_rows, num_columns))


def _by_column(pointer: Tensor, column: Tensor, num_rows: int, num_columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """SciPy's change from rows to columns: a stable counting sort, several times faster than ``torch.sort``."""
    position = torch.arange(column.numel(), dtype=column.dtype)
    rows = csr_matrix((position.numpy(), column.numpy(), pointer.numpy()), shape=(num_rows, num_columns), copy=False)
    columns = rows.tocsc()
    parts = (columns.indptr, columns.indices, columns.data)
    new_pointer, row, order = (torch.from_numpy(part).to(column.dtype) for part in parts)
    return new_pointer, row, order


def check_edges(
    edge_index: Tensor, num_nodes: int | tuple[int, int], flow: str = "source_to_target", name: str = "x"
) -> None:
    """Raise a ValueError unless ``edge_index`` is [2, E] of existing nodes; remembered like the CSR graph.

    The arguments are those of :func:`to_csr`.
    """
    num_sources, num_targets = (num_nodes, num_nodes) if isinstance(num_nodes, int) else num_nodes
    bounds = (num_sources, num_targets) if flow == "source_to_target" else (num_targets, num_sources)
    if is_capturing(edge_index.device):
        return  # to look at numbers is to wait for them
    if edge_index.numel() < _FEW_NUMBERS and edge_index.device.type == "cpu":
        _check(edge_index, bounds, name)
    else:
        remember(edge_index, ("checked", *bounds), lambda: _check(edge_index, bounds, name))


def _check(edge_index: Tensor, bounds: tuple[int, int], name: str) -> None:
    if edge_index.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"edge_index must hold int64 or int32 node numbers, but its dtype is {edge_index.dtype}")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(f"edge_index must have the shape [2, edges], but its shape is {list(edge_index.shape)}")
    if edge_index.size(1) == 0:
        return
    edges = edge_index.as_subclass(Tensor).detach()
    sides = [(edges, bounds[0])] if bounds[0] == bounds[1] else zip(edges, bounds, strict=True)
    for nodes, bound in sides:
        low, high = (int(value) for value in nodes.aminmax())
        if low < 0 or high >= bound:
            unit = "rows" if name == "x" else "nodes"
            raise ValueError(f"edge_index holds node {low if low < 0 else high}, but {name} has {bound} {unit}")
