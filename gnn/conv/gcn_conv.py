"""Graph convolution (GCN): every node averages its neighbours, weighted by their degrees."""

from collections.abc import Callable, Hashable
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.nn.dense.linear import Linear, is_uninitialized_parameter
from torch_geometric.nn.inits import zeros
from torch_geometric.typing import Adj, OptTensor, SparseTensor
from torch_geometric.utils import is_torch_sparse_tensor, spmm, to_edge_index

from graphreel.core.opaque import opaque
from graphreel.core.transforms import is_transforming

from ..adjacency import check_weight, normalize_values, weight_by_target
from ..kernels import sparse_features
from ..kernels.csr import CSRGraph, check_edges, to_csr
from ..kernels.dispatch import fast_path_serves, fastest_way, is_plain_linear, upcast, wide_index
from ..kernels.edge_list_convolution import EdgeList, convolve_edge_list, normalize_edge_list
from ..kernels.spmm import SparseMatrix, product_serves, sparse_product
from ..kernels.tensor_cache import no_graph, remember


class GCNConv(MessagePassing):
    r"""Graph convolution, `Kipf and Welling, 2017 <https://arxiv.org/abs/1609.02907>`_.

    .. math::
        X' = \hat A X W^\top + b, \qquad \hat A = \tilde D^{-1/2} \tilde A \tilde D^{-1/2}, \qquad
        x_i' = W \sum_{j \in N(i) \cup \{i\}} \frac{\tilde a_{ij}}{\sqrt{\tilde d_i \tilde d_j}} x_j + b

    with :math:`\tilde A` the adjacency with self-loops (see :func:`gnn.normalized_adjacency`) and :math:`\tilde d` its
    row sums. Arguments, results and state dict are those of :class:`torch_geometric.nn.GCNConv`; :meth:`message` and
    the sum over a node's edges are the definition. The same result comes from one product of a sparse matrix (sorted
    once per ``edge_index``, see :mod:`graphreel.gnn.kernels.csr`) wherever nothing asks to see the messages.

    Args:
        in_channels: features per node, -1 to take it from the first input.
        out_channels: features per node of the result.
        improved: added loops weigh 2. As in PyG this acts where there are edge weights (or a sparse adjacency, which
            has values): give weights of one for an unweighted graph.
        cached: keep the normalised edges of the first call and use them in all later ones, whatever is passed.
        add_self_loops: give every node a loop; by default the value of ``normalize``.
        normalize: False takes the edge weights as they are.
        bias: add a learned bias.
        **kwargs: arguments of :class:`torch_geometric.nn.MessagePassing`.

    Shapes:
        x ``[N, F]``, ``[..., N, F]`` or sparse CSR ``[N, F]``; edge_index ``[2, E]`` or sparse ``[targets, sources]``;
        edge_weight ``[E]``; result ``[..., N, out_channels]``.

    Raises:
        ValueError: If loops are to be added without normalisation, or ``edge_index`` names a node that x has not.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool | None = None,
        normalize: bool = True,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("aggr", "add")
        super().__init__(**kwargs)
        if add_self_loops is None:
            add_self_loops = normalize
        if add_self_loops and not normalize:
            raise ValueError(
                f"'{self.__class__.__name__}' does not support adding self-loops to the graph when no "
                "on-the-fly normalization is applied"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.improved, self.cached = improved, cached
        self.add_self_loops, self.normalize = add_self_loops, normalize
        self._cached_edge_index: tuple[Tensor, Tensor] | None = None
        self._cached_adj_t: Any = None
        self.lin = Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
        self.register_parameter("bias", Parameter(torch.empty(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew, zero the bias, forget the cached edges."""
        super().reset_parameters()
        self.lin.reset_parameters()
        zeros(self.bias)
        self._cached_edge_index = None
        self._cached_adj_t = None

    def forward(self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None) -> Tensor:
        """Convolve node features ``x`` over the graph.

        Args:
            x: ``[N, F]``, ``[..., N, F]`` or sparse CSR ``[N, F]``.
            edge_index: ``[2, E]``, or a sparse adjacency ``[targets, sources]``.
            edge_weight: ``[E]``, all ones if left out.

        Returns:
            ``[..., N, out_channels]``.
        """
        if isinstance(x, (tuple, list)):
            raise ValueError(
                f"'{self.__class__.__name__}' received a tuple of node features as input while this layer "
                "does not support bipartite message passing. Please try other layers such as 'SAGEConv' or "
                "'GraphConv' instead"
            )
        if x.dim() < 2:
            raise ValueError(f"x must have the shape [..., nodes, features], but its shape is {list(x.shape)}")
        if self.normalize and self.cached and self._cached_edge_index is not None:
            edge_index, edge_weight = self._cached_edge_index
        else:
            edge_index, edge_weight = self._checked(x, edge_index, edge_weight)
            if self.normalize and self.cached:
                edge_index, edge_weight = self._normalized(x, wide_index(edge_index), edge_weight)
        normalize = self.normalize and not self.cached
        meaning = (normalize, self.add_self_loops, 2.0 if self.improved else 1.0, self.flow)
        way = "messages"
        if fast_path_serves(self, GCNConv, x, edge_index, edge_weight):
            way = fastest_way(edge_index, edge_index.size(1) + x.size(-2), prod(x.shape[:-2]) * self.out_channels)
            if way == "csr" and not product_serves(x.device):
                way = "messages"
        if way == "operator":
            return self._convolve(x, lambda h: _sum_neighbors(h, edge_index, edge_weight, *meaning)[0])
        if way == "edge_list":
            edges = _edge_list(edge_index, edge_weight, x.size(-2), upcast(x).dtype, *meaning)
            out = convolve_edge_list(upcast(self._map(x)), edge_index, edges, self.flow, self.bias)
            return out.to(x.dtype)
        if way == "csr":
            matrix = _matrix(edge_index, edge_weight, x.size(-2), upcast(x).dtype, *meaning)
            return self._convolve(x, partial(_gather, matrix))
        if sparse_features.is_sparse_csr(x):
            x = x.to_dense()
        edge_index = wide_index(edge_index)
        if normalize:
            edge_index, edge_weight = self._normalized(x, edge_index, edge_weight)
        out = self.propagate(edge_index, x=self.lin(x), edge_weight=edge_weight)
        return out if self.bias is None else out + self.bias

    def message(self, x_j: Tensor, edge_weight: OptTensor) -> Tensor:
        """What node j sends to node i: its features times the weight of the edge."""
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def message_and_aggregate(self, adj_t: Adj, x: Tensor) -> Tensor:
        """The same for all nodes at once, where the graph comes as a sparse matrix."""
        return spmm(adj_t, x, reduce=self.aggr)

    def _checked(self, x: Tensor, edge_index: Adj, edge_weight: OptTensor) -> tuple[Adj, OptTensor]:
        """The graph as an edge list with weights, found to fit x."""
        if is_torch_sparse_tensor(edge_index):
            if self.flow == "target_to_source":
                raise ValueError(
                    "flow 'target_to_source' needs an edge_index [2, E]: transpose a sparse adjacency instead"
                )
            edge_index, edge_weight = _as_edge_list(edge_index)
        if isinstance(edge_index, Tensor) and not is_transforming():
            _check(x, edge_index, edge_weight, self.node_dim)
        return edge_index, edge_weight

    def _normalized(self, x: Tensor, edge_index: Adj, edge_weight: OptTensor) -> tuple[Adj, OptTensor]:
        """The list of edges with their entries of the normalised adjacency, cached if wanted."""
        options = (x.size(self.node_dim), self.improved, self.add_self_loops, self.flow, x.dtype)
        if isinstance(edge_index, SparseTensor):
            adjacency = self._cached_adj_t
            if adjacency is None:
                adjacency = gcn_norm(edge_index, edge_weight, *options)
                if self.cached:
                    self._cached_adj_t = adjacency
            return adjacency, None
        normalized = gcn_norm(edge_index, edge_weight, *options)
        if self.cached:
            self._cached_edge_index = normalized
        return normalized

    def _map(self, x: Tensor) -> Tensor:
        """``lin(x)``, for a sparse x too."""
        if not sparse_features.is_sparse_csr(x):
            return self.lin(x)
        if not is_plain_linear(self.lin):
            return self.lin(x.to_dense())
        _initialize(self.lin, x)
        return sparse_features.linear(x, self.lin.weight)

    def _convolve(self, x: Tensor, gather: Callable[[Tensor], Tensor]) -> Tensor:
        """The product with the adjacency, and the product with the weight, in the cheaper order."""
        lin = self.lin
        # where x needs no gradient, gathering first saves the sparse product of the backward pass
        passes = 1 if x.requires_grad or not torch.is_grad_enabled() else 2
        gather_first = x.size(-1) <= passes * self.out_channels and upcast(x) is x and x.layout == torch.strided
        if gather_first and is_plain_linear(lin):
            _initialize(lin, x)
            return F.linear(gather(x), lin.weight, self.bias)
        out = gather(upcast(self._map(x))).to(x.dtype)
        return out if self.bias is None else out + self.bias


@opaque("gcn", lambda h, *_: [h.new_empty(h.shape)])
def _sum_neighbors(
    h: Tensor,
    edge_index: Tensor,
    edge_weight: Tensor | None,
    normalize: bool,
    add_self_loops: bool,
    fill: float,
    flow: str,
) -> list[Tensor]:
    """The adjacency times h ``[..., N, F]``."""
    _check(h, edge_index, edge_weight)
    meaning = (normalize, add_self_loops, fill, flow)
    return [_gather(_matrix(edge_index, edge_weight, h.size(-2), h.dtype, *meaning), h)]


def _check(x: Tensor, edge_index: Tensor, edge_weight: OptTensor, node_dim: int = -2) -> None:
    check_edges(edge_index, x.size(node_dim))
    if edge_weight is not None:
        check_weight(edge_weight, edge_index.size(1))


def matrix_key(num_nodes: int, *meaning: Hashable) -> Hashable:
    """Under which the matrix of a graph without weights is remembered with its edge_index.

    Args:
        meaning: normalize, add_self_loops, fill, flow and dtype.
    """
    return ("matrix", num_nodes, *meaning)


def _matrix(
    edge_index: Tensor,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype,
    normalize: bool,
    add_self_loops: bool,
    fill: float,
    flow: str,
) -> SparseMatrix:
    """The sparse matrix that the messages and their sum multiply by."""
    edges = to_csr(edge_index, num_nodes, normalize and add_self_loops, flow)
    if edge_weight is None:
        # remembered with the edges, but not in them: a cycle would live until the next garbage collection
        make = partial(_make_matrix, edges, None, normalize, fill, dtype)
        return remember(edge_index, matrix_key(num_nodes, normalize, add_self_loops, fill, flow, dtype), make)
    weight = upcast(edge_weight)
    if weight.requires_grad and torch.is_grad_enabled():
        return _make_matrix(edges, weight, normalize, fill, dtype)
    # remembered by the weights, one graph at a time: a new edge list for the same weights takes the old one's place
    # The values are compared, because a view of learned weights changes without any version counter saying so.
    slot: list[Any] = remember(weight, ("matrix", normalize, fill, dtype), list)
    if not slot or slot[0].edges is not edges or not torch.equal(slot[1], weight):
        with no_graph():
            made = _make_matrix(edges, weight.detach(), normalize, fill, dtype)
            slot[:] = [made, weight.detach().clone()]
    matrix: SparseMatrix = slot[0]
    return matrix


def _edge_list(
    edge_index: Tensor,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype,
    normalize: bool,
    add_self_loops: bool,
    fill: float,
    flow: str,
) -> EdgeList:
    """The same without sorting: what is fastest where there is little to multiply."""
    weight = None if edge_weight is None else upcast(edge_weight)
    options = (num_nodes, add_self_loops, fill, flow, dtype)
    if not normalize:
        return EdgeList(None, weight, None, None, False)
    if weight is None:
        return remember(edge_index, ("edge list", *options), lambda: normalize_edge_list(edge_index, None, *options))
    return normalize_edge_list(edge_index, weight, *options)


def _gather(matrix: SparseMatrix, x: Tensor) -> Tensor:
    """A @ x for x ``[..., N, F]``, with one product for all leading dimensions."""
    if x.dim() == 2:
        return sparse_product(matrix, x)
    nodes_first = x.movedim(-2, 0)
    out = sparse_product(matrix, nodes_first.reshape(x.size(-2), prod(nodes_first.shape[1:])))
    return out.view(nodes_first.shape).movedim(0, -2).contiguous()


def _initialize(lin: Linear, x: Tensor) -> None:
    """Give a lazy weight its size."""
    if is_uninitialized_parameter(lin.weight):
        lin.initialize_parameters(lin, (x,))


def _make_matrix(
    edges: CSRGraph, edge_weight: OptTensor, normalize: bool, fill: float, dtype: torch.dtype
) -> SparseMatrix:
    if normalize:
        return SparseMatrix(edges, normalize_values(edges, edge_weight, fill, dtype))
    if edge_weight is None:
        return SparseMatrix(edges, torch.ones(edges.num_edges, dtype=dtype, device=edges.by_target.pointer.device))
    return SparseMatrix(edges, weight_by_target(edges, edge_weight))


def _as_edge_list(adjacency: Tensor) -> tuple[Tensor, Tensor]:
    """A sparse A[target, source] as the edges that it stores, remembered with it: then loops mean the same as there."""

    def read(matrix: Tensor) -> tuple[Tensor, Tensor]:
        (target, source), weight = to_edge_index(matrix)
        return torch.stack([source, target]), weight

    if adjacency.requires_grad:
        return read(adjacency)
    # detached, because the weights are a view that would keep the matrix alive, and with it what is remembered
    return remember(adjacency, "edge list", lambda: read(adjacency.detach()))
