"""What the two graph attention layers share: arguments, self-loops, heads, and the order of the steps."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.dense.linear import Linear, is_uninitialized_parameter
from torch_geometric.nn.inits import glorot, zeros
from torch_geometric.typing import Adj, OptTensor, Size, SparseTensor, torch_sparse
from torch_geometric.utils import add_self_loops, is_torch_sparse_tensor, remove_self_loops, to_edge_index
from torch_geometric.utils.loop import compute_loop_attr
from torch_geometric.utils.sparse import set_sparse_value

from graphreel.core.transforms import is_compiled, is_transforming

from ..kernels import sparse_features
from ..kernels.csr import CSRGraph, check_edges, split_loops, to_csr
from ..kernels.dispatch import fast_path_serves, fastest_way, is_plain_linear, upcast
from ..kernels.fused_attention import fused_attention_serves
from ..kernels.tensor_cache import remember


class AttentionConv(MessagePassing):
    """A message-passing layer whose messages are weighed by a softmax over each target's edges.

    A subclass makes its linear maps and defines ``edge_update`` (the weights) and ``message``.
    """

    _worth_sorting = (1 << 16, 1 << 13)  # numbers and edges, see fastest_way

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        heads: int,
        concat: bool,
        negative_slope: float,
        dropout: float,
        add_self_loops: bool,
        edge_dim: int | None,
        fill_value: float | Tensor | str,
        residual: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(node_dim=0, **kwargs)
        self.in_channels, self.out_channels, self.heads, self.concat = in_channels, out_channels, heads, concat
        self.negative_slope, self.dropout, self.residual = negative_slope, dropout, residual
        self.add_self_loops, self.edge_dim, self.fill_value = add_self_loops, edge_dim, fill_value

    def _linear(self, channels: int, bias: bool = False) -> Linear:
        return Linear(channels, self.heads * self.out_channels, bias=bias, weight_initializer="glorot")

    def _make_common_parts(self, bias: bool) -> None:
        """Made last, so that parameters keep the order of PyG's, which an optimizer's state dict relies on."""
        self.lin_edge = None if self.edge_dim is None else self._linear(self.edge_dim)
        width = self.out_channels * (self.heads if self.concat else 1)
        channels = self.in_channels if isinstance(self.in_channels, int) else self.in_channels[1]
        residual = Linear(channels, width, bias=False, weight_initializer="glorot") if self.residual else None
        self.add_module("res", residual)
        self.register_parameter("bias", Parameter(torch.empty(width)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew (Glorot), the biases zero."""
        super().reset_parameters()
        for module in self._modules.values():  # a shared one is drawn twice, as in PyG
            if isinstance(module, Linear):
                module.reset_parameters()
        for name, parameter in self.named_parameters(recurse=False):
            if name.startswith("att"):
                glorot(parameter)
        zeros(self.bias)

    def _map(self, linear: Linear, x: Tensor) -> Tensor:
        """``linear(x)`` as ``[N, heads, C]`` or, with leading dimensions, ``[N, B, heads, C]``; x may be sparse CSR."""
        if x.dim() < 2:
            raise ValueError(f"x must have the shape [..., nodes, features], but its shape is {list(x.shape)}")
        h = sparse_features.linear(x, linear.weight, linear.bias) if _is_sparse(linear, x) else linear(x)
        H, C = self.heads, self.out_channels
        if h.dim() == 2:
            return h.view(-1, H, C)
        return h.movedim(-2, 0).reshape(h.size(-2), math.prod(h.shape[:-2]), H, C)

    def _residual(self, x: OptTensor) -> OptTensor:
        if self.res is None or x is None:
            return None
        return sparse_features.linear(x, self.res.weight) if _is_sparse(self.res, x) else self.res(x)

    def _finish(self, out: Tensor, leading: torch.Size, residual: OptTensor) -> Tensor:
        """The aggregated heads ``[N, (B,) heads, C]`` joined, nodes and leading dimensions back in place."""
        out = out.flatten(-2) if self.concat or self.heads == 1 else out.mean(-2)
        if leading:
            out = out.view(out.size(0), *leading, out.size(-1)).movedim(0, -2)
        if residual is not None:
            out = out + residual
        return out if self.bias is None else out + self.bias

    def _with_loops(
        self, edge_index: Adj, edge_attr: OptTensor, sources: int, targets: int | None, size: Size
    ) -> tuple[Adj, OptTensor]:
        """The edges as the layer means them: self-loops dropped, and one added to each node that can have one."""
        if not self.add_self_loops:
            return edge_index, edge_attr
        if isinstance(edge_index, Tensor):
            nodes = min(size) if size is not None else sources if targets is None else min(sources, targets)
            edge_index, edge_attr = remove_self_loops(edge_index, edge_attr)
            return add_self_loops(edge_index, edge_attr, fill_value=self.fill_value, num_nodes=nodes)
        if isinstance(edge_index, SparseTensor):
            if self.edge_dim is not None:
                raise NotImplementedError("edge features with added self-loops are not supported for a SparseTensor")
            return torch_sparse.set_diag(edge_index), edge_attr
        return edge_index, edge_attr

    def _check_edges(self, edge_index: Adj, edge_attr: OptTensor, nodes: tuple[int, int]) -> None:
        if not isinstance(edge_index, Tensor) or is_torch_sparse_tensor(edge_index) or is_transforming():
            return
        check_attributed(edge_index, edge_attr, nodes, self.flow)

    def _is_direct(
        self, defined_in: type, h_source: Tensor, h_target: Tensor, edge_index: Adj, edge_attr: OptTensor, size: Size
    ) -> bool:
        """Whether the sum over messages may be computed in another way."""
        if self.flow != "source_to_target" or (
            size is not None and tuple(size) != (h_source.size(0), h_target.size(0))
        ):
            return False
        if edge_attr is not None and (edge_attr.dtype != h_source.dtype or not is_plain_linear(self.lin_edge)):
            return False
        if is_torch_sparse_tensor(edge_index) and (
            edge_attr is not None
            or edge_index.shape != (h_target.size(0), h_source.size(0))
            or (edge_index.layout == torch.sparse_coo and not edge_index.is_coalesced())
        ):
            return False
        layouts = (torch.strided, torch.sparse_csr, torch.sparse_coo)
        return fast_path_serves(self, defined_in, h_source, edge_index, node_dim=0, layouts=layouts)

    def _without_messages(
        self,
        h_source: Tensor,
        h_target: Tensor,
        edge_index: Tensor,
        edge_attr: OptTensor,
        leading: torch.Size,
        residual: OptTensor,
        return_attention_weights: bool | None,
    ) -> Any:
        """What ``forward`` returns, over a CSR graph, or over few edges as an edge list.

        A subclass defines ``_attend`` (over a CSR graph), which gives what `attend` in kernels/attention.py does, on a
        GPU by the kernels of kernels/fused_attention.py,
        ``_operator``, the same without weights as an operator of compilers, and ``_attend_edge_list``, which gives what
        `attend_edge_list` in kernels/edge_list_attention.py does.

        Returns:
            The result, or None where messages have to be passed after all.
        """
        given, loops, nodes = edge_index, self.add_self_loops, (h_source.size(0), h_target.size(0))
        if edge_index.layout != torch.strided:
            if is_compiled():
                return None
            (given, edge_index), loops = self._entries(edge_index), False
        width, device = math.prod(h_source.shape[1:]), h_source.device.type
        way = fastest_way(edge_index, edge_index.size(1) + nodes[1], width, *self._worth_sorting)
        dtype, wide, alpha = h_source.dtype, upcast(h_source), None
        wide_target = wide if h_target is h_source else upcast(h_target)
        fused = way == "triton" or (way == "csr" and device != "cpu")
        if fused and (return_attention_weights or not self._fuses(wide, wide_target)):
            return None
        if way == "operator" and not return_attention_weights and not isinstance(self.fill_value, Tensor):
            out = self._operator(wide, wide_target, edge_index, edge_attr)
        elif way in ("operator", "messages"):
            return None
        elif fused or way == "csr":
            edges = to_csr(edge_index, nodes, loops)
            features = None if edge_attr is None else by_target(edges, edge_attr, self.fill_value)
            out, alpha = self._attend(wide, wide_target, features, edges, bool(return_attention_weights), fused)
            if alpha is not None:
                alpha = torch.empty_like(alpha).index_copy(0, edges.by_target.position.long(), alpha)
                alpha = alpha.view(-1, *h_source.shape[1:-1])
                edge_index = edge_index if edges.given is None else edges.edge_list()
        else:
            edge_index, edge_attr = self._edge_list(edge_index, edge_attr, nodes, loops)
            out, weight, total = self._attend_edge_list(wide, wide_target, edge_index, edge_attr)
            if return_attention_weights:
                alpha = weight / total.index_select(0, edge_index[1])
        out = self._finish(out.to(dtype), leading, residual)
        if alpha is None:
            return out
        return with_attention(out, edge_index if given.layout == torch.strided else given, alpha.to(dtype), leading)

    def _fuses(self, h_source: Tensor, h_target: Tensor) -> bool:
        """Whether the kernels for a GPU do what this layer asks for."""
        if self.training and self.dropout > 0.0:
            return False
        here = all(parameter.device == h_source.device for parameter in self.parameters())
        return here and fused_attention_serves(h_source, h_target)

    def _entries(self, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        """A sparse A[target, source] with its self-loops, and what it stores as an edge list; remembered with it."""

        def read(matrix: Tensor) -> Tensor:
            return to_edge_index(matrix)[0].flip(0)

        def read_with_loops() -> tuple[Tensor, Tensor]:
            looped = add_self_loops(remove_self_loops(adjacency.detach())[0], fill_value=1.0)[0]
            return looped, read(looped)

        if self.add_self_loops:
            return remember(adjacency, "entries and loops", read_with_loops)
        return adjacency, remember(adjacency, "entries", lambda: read(adjacency.detach()))

    def _edge_list(
        self, edge_index: Tensor, edge_attr: OptTensor, nodes: tuple[int, int], loops: bool
    ) -> tuple[Tensor, OptTensor]:
        """What :meth:`_with_loops` gives, in fewer operations."""
        if not loops:
            return edge_index, edge_attr
        kept = split_loops(edge_index)[0]
        if kept is not None:
            edge_index = edge_index.index_select(1, kept)
            edge_attr = None if edge_attr is None else edge_attr.index_select(0, kept)
        node = torch.arange(min(nodes), device=edge_index.device)
        looped = torch.cat([edge_index, node.expand(2, -1)], 1)  # int64, as the gradient of compute_loop_attr needs it
        if edge_attr is not None:
            kept_edges = looped[:, : edge_attr.size(0)]
            added = compute_loop_attr(kept_edges, edge_attr, node.numel(), False, self.fill_value)
            edge_attr = torch.cat([edge_attr, added])
        return looped, edge_attr

    def _edge_features(self, edge_attr: Tensor, batched: bool) -> Tensor:
        """Edge features mapped to ``[E, heads, C]``, or ``[E, 1, heads, C]`` beside batched nodes."""
        assert self.lin_edge is not None
        mapped = self.lin_edge(edge_attr.view(-1, 1) if edge_attr.dim() == 1 else edge_attr)
        mapped = mapped.view(-1, self.heads, self.out_channels)
        return mapped.unsqueeze(1) if batched else mapped

    def _edge_weight(self, edge_attr: OptTensor) -> OptTensor:
        """The weight of the map of edge features, a lazy one with its size, or None if there are no features."""
        if edge_attr is None or self.lin_edge is None:
            return None
        self.lin_edge(edge_attr[:0] if edge_attr.dim() > 1 else edge_attr[:0, None])
        weight: Tensor = self.lin_edge.weight
        return weight

    def _seed(self) -> OptTensor:
        """A seed for the dropout within an operator, which itself draws nothing from the generator."""
        return torch.randint(2**62, ()) if self.training and self.dropout else None

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, heads={self.heads})"


def check_attributed(
    edge_index: Tensor, edge_attr: OptTensor, nodes: tuple[int, int], flow: str = "source_to_target"
) -> None:
    """Raise a ValueError unless the edges join nodes that exist, each with a row of features if there are any."""
    check_edges(edge_index, nodes, flow)
    if edge_attr is not None and edge_attr.size(0) != edge_index.size(1):
        raise ValueError(
            f"edge_attr must have a row for each of the {edge_index.size(1)} edges, "
            f"but its shape is {list(edge_attr.shape)}"
        )


def by_target(edges: CSRGraph, edge_attr: Tensor, fill_value: float | Tensor | str) -> Tensor:
    """Edge features ``[E, D]`` in the by-target order of ``edges``, those of added loops filled in."""
    if edge_attr.dim() == 1:
        edge_attr = edge_attr.view(-1, 1)
    if edges.given is not None:
        num_loops = min(edges.num_sources, edges.num_targets)
        edge_attr = edge_attr.index_select(0, edges.given[:-num_loops] if num_loops else edges.given)
        ends = edges.edge_list()[:, : edge_attr.size(0)]
        loops = compute_loop_attr(ends, edge_attr, num_loops, False, fill_value)
        edge_attr = torch.cat([edge_attr, loops])
    return edge_attr.index_select(0, edges.by_target.position)


def edges_of_operator(
    edge_index: Tensor, edge_attr: Tensor | None, nodes: tuple[int, int], self_loops: bool, fill_value: str
) -> tuple[CSRGraph, Tensor | None]:
    """The CSR graph and its edge features for an operator, whose arguments are tensors, numbers and strings."""
    check_attributed(edge_index, edge_attr, nodes)
    edges = to_csr(edge_index, nodes, self_loops)
    if edge_attr is None:
        return edges, None
    words = ("add", "mean", "min", "max", "mul")
    return edges, by_target(edges, edge_attr, fill_value if fill_value in words else float(fill_value))


def _is_sparse(linear: Linear, x: Tensor) -> bool:
    if not sparse_features.is_sparse_csr(x) or not is_plain_linear(linear):
        return False
    if is_uninitialized_parameter(linear.weight):
        linear.initialize_parameters(linear, (x,))
    return True


def with_attention(out: Tensor, edge_index: Adj, alpha: Tensor, leading: torch.Size) -> Any:
    """The layer's result when the attention weights are asked for, as PyG gives it."""
    if isinstance(edge_index, SparseTensor):
        return out, edge_index.set_value(alpha, layout="coo")
    if leading:
        alpha = alpha.view(alpha.size(0), *leading, alpha.size(-1)).movedim(0, -2)
    if is_torch_sparse_tensor(edge_index):
        return out, (set_sparse_value(edge_index, alpha), alpha)
    return out, (edge_index, alpha)
