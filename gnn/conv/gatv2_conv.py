"""Graph attention with a score that ranks neighbours differently for every node (GATv2)."""

import math
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, PairTensor
from torch_geometric.utils import softmax

from graphreel.core.opaque import opaque, seeded

from ..kernels.attention import attend
from ..kernels.csr import CSRGraph
from ..kernels.dispatch import upcast, wide_index
from ..kernels.edge_list_attention import attend_edge_list
from ..kernels.fused_attention import fused_attention
from ..kernels.gatv2_scores import edge_scores
from .attention_base import AttentionConv, edges_of_operator, with_attention


class GATv2Conv(AttentionConv):
    r"""Graph attention layer with dynamic attention, `Brody et al., 2022 <https://arxiv.org/abs/2105.14491>`_.

    .. math::
        e_{ij} = a^\top \mathrm{LeakyReLU}(W_l h_j + W_r h_i + W_e f_{ij}), \qquad
        \alpha_{ij} = \frac{\exp e_{ij}}{\sum_{k \in N(i) \cup \{i\}} \exp e_{ik}}, \qquad
        h_i' = \sum_{j \in N(i) \cup \{i\}} \alpha_{ij} W_l h_j

    for each head, the heads concatenated (or averaged). Arguments, results and state dict are those of
    :class:`torch_geometric.nn.GATv2Conv`; :meth:`edge_update` and :meth:`message` are the definition.

    Args:
        bias: add learned biases, to the linear maps too.
        share_weights: W_r is W_l.

    The other arguments, and the shapes, are those of :class:`GATConv`.
    """

    _worth_sorting = (1 << 19, 1 << 13)  # more than GATConv's: features are gathered for every edge all the same

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        add_self_loops: bool = True,
        edge_dim: int | None = None,
        fill_value: float | Tensor | str = "mean",
        bias: bool = True,
        share_weights: bool = False,
        residual: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels, out_channels, heads, concat, negative_slope, dropout, add_self_loops, edge_dim, fill_value,
            residual, **kwargs,
        )  # fmt: skip
        self.share_weights = share_weights
        sources, targets = (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        self.lin_l = self._linear(sources, bias)
        self.lin_r = self.lin_l if share_weights else self._linear(targets, bias)
        self.att = Parameter(torch.empty(1, heads, out_channels))
        self._make_common_parts(bias)

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        """Attend over the graph.

        Args:
            x: node features, or (source, target) features.
            edge_index: source and target of each edge, or the sparse adjacency with A[target, source].
            edge_attr: features of each edge, or one number per edge.
            return_attention_weights: if true, also return the edges, self-loops included, with their weights.

        Returns:
            The node features, or ``(features, (edge_index, alpha))`` with alpha ``[E, heads]`` (a sparse adjacency
            comes back sparse, holding alpha).

        Raises:
            ValueError: if edge_index is no graph on the rows of x.
        """
        x_source, x_target = (x, x) if isinstance(x, Tensor) else x
        if x_target is None:
            raise ValueError("x must hold the features of the targets too, but is (source features, None)")
        if edge_attr is not None and self.lin_edge is None:
            raise ValueError("edge_attr was given, but the layer has no edge_dim to take it")
        residual = self._residual(x_target)
        h_source = self._map(self.lin_l, x_source)
        shared = x_target is x_source and self.share_weights
        h_target = h_source if shared else self._map(self.lin_r, x_target)
        leading = x_source.shape[:-2]

        self._check_edges(edge_index, edge_attr, (h_source.size(0), h_target.size(0)))
        if self._is_direct(GATv2Conv, h_source, h_target, edge_index, edge_attr, None):
            result = self._without_messages(
                h_source, h_target, edge_index, edge_attr, leading, residual, return_attention_weights
            )
            if result is not None:
                return result
        nodes = (h_source.size(0), h_target.size(0))
        edge_index, edge_attr = self._with_loops(wide_index(edge_index), edge_attr, *nodes, None)
        # edge_updater_type: (x: PairTensor, edge_attr: OptTensor)
        alpha = self.edge_updater(edge_index, x=(h_source, h_target), edge_attr=edge_attr)
        # propagate_type: (x: PairTensor, alpha: Tensor)
        out = self.propagate(edge_index, x=(h_source, h_target), alpha=alpha)

        out = self._finish(out, leading, residual)
        return with_attention(out, edge_index, alpha, leading) if return_attention_weights else out

    def _attend(
        self, h_source: Tensor, h_target: Tensor, edge_attr: OptTensor, edges: CSRGraph, want_weights: bool, fused: bool
    ) -> OptPairTensor:
        """The same sum of messages as :meth:`propagate`'s; no features are kept per edge unless there are any."""
        weights = (self.att[0], self._edge_weight(edge_attr))
        given = (h_source, h_target, edge_attr, *weights, edges, self.negative_slope)
        return _attend(*given, self.dropout if self.training else 0.0, want_weights, fused)

    def _operator(self, h_source: Tensor, h_target: Tensor, edge_index: Tensor, edge_attr: OptTensor) -> Tensor:
        settings = (self.add_self_loops, str(self.fill_value), self.negative_slope, self.dropout, self._seed())
        weights = (self.att[0], self._edge_weight(edge_attr))
        out: Tensor = _gatv2(h_source, h_target, edge_index, edge_attr, *weights, *settings)[0]
        return out

    def _attend_edge_list(
        self, h_source: Tensor, h_target: Tensor, edge_index: Tensor, edge_attr: OptTensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same over few edges as an edge list."""
        source, target = edge_index
        sent = h_source.index_select(0, source)  # read twice: by the score and as the message
        score = self._score(h_target.index_select(0, target), sent, edge_attr)
        p = self.dropout if self.training else 0.0
        return attend_edge_list(h_source, score, source, target, h_target.size(0), p, sent=sent)

    def edge_update(
        self,
        x_j: Tensor,
        x_i: Tensor,
        edge_attr: OptTensor,
        index: Tensor,
        ptr: OptTensor,
        dim_size: Optional[int],  # noqa: UP045 (PyG inspects it)
    ) -> Tensor:
        alpha = softmax(self._score(x_i, x_j, edge_attr), index, ptr, dim_size)
        return F.dropout(alpha, p=self.dropout, training=self.training)

    def _score(self, x_i: Tensor, x_j: Tensor, edge_attr: OptTensor) -> Tensor:
        z = x_i + x_j
        if edge_attr is not None:
            z = z + self._edge_features(edge_attr, z.dim() == 4)
        return (F.leaky_relu(z, self.negative_slope) * self.att).sum(-1)

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        return alpha.unsqueeze(-1) * x_j


def _attend(
    h_source: Tensor,
    h_target: Tensor,
    edge_attr: OptTensor,
    att: Tensor,
    edge_weight: OptTensor,
    edges: CSRGraph,
    negative_slope: float,
    dropout: float,
    want_weights: bool = False,
    fused: bool = False,
) -> OptPairTensor:
    """What `attend` of the kernels gives, for h ``[N, (B,) heads, C]`` and edge_attr in the by-target order."""
    batch, on_edge = math.prod(h_source.shape[1:-2]), None
    if edge_attr is not None and edge_weight is not None:
        on_edge = upcast(F.linear(edge_attr, edge_weight)).view(-1, *att.shape).repeat(1, batch, 1)
    h, ends, att = h_source.flatten(1, -2), h_target.flatten(1, -2), upcast(att).repeat(batch, 1)
    if fused:
        out, alpha = fused_attention(h, None, ends, on_edge, att, edges, negative_slope), None
    else:
        score = edge_scores(h, ends, on_edge, att, edges, negative_slope)
        out, alpha = attend(h, None, None, score, edges, 1.0, dropout, want_weights=want_weights)
    return out.view(edges.num_targets, *h_source.shape[1:]), alpha


@opaque("gatv2", lambda h, target, *_: [h.new_empty(target.shape)])
def _gatv2(
    h_source: Tensor,
    h_target: Tensor,
    edge_index: Tensor,
    edge_attr: Tensor | None,
    att: Tensor,
    edge_weight: Tensor | None,
    add_self_loops: bool,
    fill_value: str,
    negative_slope: float,
    dropout: float,
    seed: Tensor | None,
) -> list[Tensor]:
    nodes = (h_source.size(0), h_target.size(0))
    edges, features = edges_of_operator(edge_index, edge_attr, nodes, add_self_loops, fill_value)
    weights = (att, edge_weight, edges, negative_slope)
    with seeded(seed):
        return [_attend(h_source, h_target, features, *weights, 0.0 if seed is None else dropout)[0]]
