"""Mixed-order propagation: every node averages what lies up to K steps away, with whole nodes dropped in training."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch_geometric.typing import Adj, OptTensor

from graphreel.core.dropout import check_probability, dropout_factors
from graphreel.core.transforms import is_transforming

from ..kernels import sparse_features
from ..kernels.dispatch import fast_path_serves, upcast, wide_index
from ..kernels.spmm import SparseMatrix, product_serves, sparse_product
from .gcn_conv import GCNConv, _matrix


class MixedOrderConv(GCNConv):
    r"""The mean of the first powers of the adjacency, `Feng et al., 2020 <https://arxiv.org/abs/2005.11079>`_ (GRAND).

    .. math::
        X' = \frac{1}{K + 1} \sum_{k=0}^{K} \hat A^k D X W^\top + b, \qquad
        D = \mathrm{diag}(\delta), \quad \delta_i \in \{0, 1 / (1 - p)\}

    with :math:`\hat A` as in :class:`GCNConv` and a :math:`\delta` drawn at each call in training (DropNode), 1
    otherwise. Dropping a row of X drops that row of :math:`X W^\top`, so that several draws share one product with the
    weight, and propagate side by side as columns of one matrix. Dropout of single features is drawn anew for each too.

    Args:
        in_channels: features per node, -1 to take it from the first input.
        out_channels: features per node of the result.
        order: K, the longest paths; 0 mixes nothing.
        drop_node: p, the probability of dropping a node.
        dropout: the probability of dropping a feature in training.
        draws: how many :math:`\delta` a call in training draws; results of several lie in a leading dimension.
        **kwargs: arguments of :class:`GCNConv`.

    Shapes:
        x ``[..., N, F]`` or sparse CSR ``[N, F]``; edge_index ``[2, E]`` or sparse ``[targets, sources]``; edge_weight
        ``[E]``; result ``[..., N, out_channels]``, in training ``[draws, ..., N, out_channels]`` of several draws.

    Raises:
        ValueError: If the order is negative, there is no draw, or drop_node is not a probability.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int,
        drop_node: float = 0.0,
        draws: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_probability("drop_node", drop_node)
        check_probability("dropout", dropout)
        if order < 0 or draws < 1:
            raise ValueError(f"order must be at least 0 and draws at least 1, but are {order} and {draws}")
        super().__init__(in_channels, out_channels, **kwargs)
        self.order, self.drop_node, self.draws, self.dropout = order, drop_node, draws, dropout

    def forward(self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None) -> Tensor:
        """Mix node features ``x`` over the graph; arguments as :meth:`GCNConv.forward`'s."""
        edge_index, edge_weight = self._checked(x, edge_index, edge_weight)
        h = self._draw(x) if self.training else self._map(x)
        direct = not is_transforming() and fast_path_serves(self, MixedOrderConv, x, edge_index, edge_weight)
        if direct and product_serves(x.device):
            meaning = (self.normalize, self.add_self_loops, 2.0 if self.improved else 1.0, self.flow)
            matrix = _matrix(edge_index, edge_weight, h.size(-2), upcast(h).dtype, *meaning)
            nodes_first = upcast(h).movedim(-2, 0)
            mixed = mixed_powers(matrix, nodes_first.flatten(1), self.order)
            out = mixed.view(nodes_first.shape).movedim(0, -2).to(h.dtype)
        else:
            edge_index = wide_index(edge_index)
            if self.normalize:
                edge_index, edge_weight = self._normalized(h, edge_index, edge_weight)
            out = h
            for _ in range(self.order):
                out = h + self.propagate(edge_index, x=out, edge_weight=edge_weight)
            out = out / (self.order + 1)
        return out if self.bias is None else out + self.bias

    def _draw(self, x: Tensor) -> Tensor:
        """The product with the weight ``[(draws,) ..., N, C]`` in training."""
        leading = (self.draws,) if self.draws > 1 else ()
        shape = torch.Size((*leading, *x.shape[:-1]))
        if self.dropout > 0.0:
            is_sparse = sparse_features.is_sparse_csr(x)
            x = sparse_features.repeat(x, self.draws) if is_sparse else x.expand(*shape, -1)
            h = self._map(sparse_features.dropout(x, self.dropout)).view(*shape, -1)
        else:
            h = self._map(x).expand(*shape, -1)
        if self.drop_node == 0.0:
            return h
        return h * dropout_factors(torch.Size((*shape, 1)), self.drop_node, h.dtype).to(h.device)


def mixed_powers(matrix: SparseMatrix, dense: Tensor, order: int) -> Tensor:
    """The mean of A^0 .. A^order, times ``dense`` ``[N, F]``; the values of A may require a gradient too."""
    if matrix.values.requires_grad and torch.is_grad_enabled():
        out = dense
        for _ in range(order):
            out = dense + sparse_product(matrix, out)
        return out / (order + 1)
    return cast(Tensor, _MixedPowers.apply(dense, matrix, order, False))


class _MixedPowers(Function):
    """By Horner's rule, and so is its gradient: that of a polynomial in A is the same polynomial in A^T."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: SparseMatrix, order: int, transposed: bool) -> Tensor:
        ctx.fixed = matrix, order, transposed
        compressed, out = matrix.transposed if transposed else matrix.compressed, dense
        for _ in range(order):
            out = torch.addmm(dense, compressed, out)
        return out / (order + 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        matrix, order, transposed = ctx.fixed
        return _MixedPowers.apply(grads[0].contiguous(), matrix, order, not transposed), None, None, None
