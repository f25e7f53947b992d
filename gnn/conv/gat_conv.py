"""Graph attention (GAT): every node weighs its neighbours by scores of their features."""

import math
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size
from torch_geometric.utils import softmax

from graphreel.core.opaque import opaque, seeded

from ..kernels.attention import attend, node_scores
from ..kernels.csr import CSRGraph
from ..kernels.dispatch import upcast, wide_index
from ..kernels.edge_list_attention import attend_edge_list
from ..kernels.fused_attention import fused_attention
from .attention_base import AttentionConv, edges_of_operator, with_attention


class GATConv(AttentionConv):
    r"""Graph attention network layer, `Velickovic et al., 2018 <https://arxiv.org/abs/1710.10903>`_.

    .. math::
        e_{ij} = \mathrm{LeakyReLU}(a_{src}^\top W h_j + a_{dst}^\top W h_i + a_{edge}^\top W_e f_{ij}), \qquad
        \alpha_{ij} = \frac{\exp e_{ij}}{\sum_{k \in N(i) \cup \{i\}} \exp e_{ik}}, \qquad
        h_i' = \sum_{j \in N(i) \cup \{i\}} \alpha_{ij} W h_j

    for each head, the heads concatenated (or averaged). Arguments, results and state dict are those of
    :class:`torch_geometric.nn.GATConv`; :meth:`edge_update` and :meth:`message` are the definition.

    Args:
        in_channels: features per node, -1 to take it from the first input, a pair (source, target) if bipartite.
        out_channels: features per node and head of the result.
        heads: number of attention heads.
        concat: concatenate the heads; False averages them.
        negative_slope: slope of LeakyReLU below zero.
        dropout: probability of dropping an attention weight in training.
        add_self_loops: drop self-loops and add one to every node.
        edge_dim: features per edge, if there are any.
        fill_value: edge features of the added loops: a number, a tensor, or how to reduce those of the edges that enter
            the node (``"add"``, ``"mean"``, ``"min"``, ``"max"``, ``"mul"``).
        bias: add a learned bias.
        residual: add a learned linear map of the target's features.
        **kwargs: arguments of :class:`torch_geometric.nn.MessagePassing`.

    Shapes:
        x ``[N, F]``, ``[..., N, F]``, sparse CSR ``[N, F]``, or a pair of source and target features;
        edge_index ``[2, E]`` or sparse ``[targets, sources]``; edge_attr ``[E, D]``; result ``[..., N, heads * C]``
        or ``[..., N, C]`` where heads are averaged.
    """

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
        residual: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("aggr", "add")
        super().__init__(
            in_channels, out_channels, heads, concat, negative_slope, dropout, add_self_loops, edge_dim, fill_value,
            residual, **kwargs,
        )  # fmt: skip
        self.lin = self.lin_src = self.lin_dst = None
        if isinstance(in_channels, int):
            self.lin = self._linear(in_channels)
        else:
            self.lin_src, self.lin_dst = self._linear(in_channels[0]), self._linear(in_channels[1])
        self.att_src = Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = Parameter(torch.empty(1, heads, out_channels))
        self.register_parameter("att_edge", None)
        if edge_dim is not None:
            self.att_edge = Parameter(torch.empty(1, heads, out_channels))
        self._make_common_parts(bias)

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        size: Size = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        """Attend over the graph.

        Args:
            x: node features, or (source, target) features; the target's may be None.
            edge_index: source and target of each edge, or the sparse adjacency with A[target, source].
            edge_attr: features of each edge, or one number per edge.
            size: (sources, targets), where x does not say.
            return_attention_weights: if true, also return the edges, self-loops included, with their weights.

        Returns:
            The node features, or ``(features, (edge_index, alpha))`` with alpha ``[E, heads]`` (a sparse adjacency
            comes back sparse, holding alpha).

        Raises:
            ValueError: if edge_index is no graph on the rows of x.
        """
        x_source, x_target = (x, x) if isinstance(x, Tensor) else x
        leading, residual = x_source.shape[:-2], self._residual(x_target)
        h_source, h_target = self._project(x_source, x_target)
        if h_target is not None:
            self._check_edges(edge_index, edge_attr, (h_source.size(0), h_target.size(0)))
            if self._is_direct(GATConv, h_source, h_target, edge_index, edge_attr, size):
                result = self._without_messages(
                    h_source, h_target, edge_index, edge_attr, leading, residual, return_attention_weights
                )
                if result is not None:
                    return result

        targets = None if h_target is None else h_target.size(0)
        edge_index, edge_attr = self._with_loops(wide_index(edge_index), edge_attr, h_source.size(0), targets, size)
        # edge_updater_type: (alpha: OptPairTensor, edge_attr: OptTensor)
        alpha = self.edge_updater(edge_index, alpha=self._scores(h_source, h_target), edge_attr=edge_attr, size=size)
        # propagate_type: (x: OptPairTensor, alpha: Tensor)
        out = self.propagate(edge_index, x=(h_source, h_target), alpha=alpha, size=size)
        out = self._finish(out, leading, residual)
        return with_attention(out, edge_index, alpha, leading) if return_attention_weights else out

    def _attend(
        self, h_source: Tensor, h_target: Tensor, edge_attr: OptTensor, edges: CSRGraph, want_weights: bool, fused: bool
    ) -> OptPairTensor:
        """The same sum of messages as :meth:`propagate`'s, head by head of each leading index."""
        given = (h_source, h_target, edge_attr, *self._attention(edge_attr), edges, self.negative_slope)
        return _attend(*given, self.dropout if self.training else 0.0, want_weights, fused)

    def _operator(self, h_source: Tensor, h_target: Tensor, edge_index: Tensor, edge_attr: OptTensor) -> Tensor:
        settings = (self.add_self_loops, str(self.fill_value), self.negative_slope, self.dropout, self._seed())
        targets = None if h_target is h_source else h_target
        out: Tensor = _gat(h_source, targets, edge_index, edge_attr, *self._attention(edge_attr), *settings)[0]
        return out

    def _attention(self, edge_attr: OptTensor) -> tuple[Tensor, OptTensor]:
        """What scores a source and a target ``[heads, C, 2]``, and the features of an edge ``[heads, D]``."""
        ends = upcast(torch.stack([self.att_src[0], self.att_dst[0]], -1))
        weight = self._edge_weight(edge_attr)
        if weight is None:
            return ends, None
        # a^T (W f) = (W^T a)^T f: a number per edge and head in place of C
        return ends, torch.einsum("hcd,hc->hd", weight.unflatten(0, self.att_edge.shape[1:]), self.att_edge[0])

    def _attend_edge_list(
        self, h_source: Tensor, h_target: Tensor, edge_index: Tensor, edge_attr: OptTensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same over few edges as an edge list."""
        source, target = edge_index
        source_score, target_score = self._scores(h_source, h_target)
        assert target_score is not None
        score = source_score.index_select(0, source) + target_score.index_select(0, target)
        p = self.dropout if self.training else 0.0
        return attend_edge_list(h_source, self._score(score, edge_attr), source, target, h_target.size(0), p)

    def _scores(self, h_source: Tensor, h_target: OptTensor) -> OptPairTensor:
        """``a_src . h_j`` and ``a_dst . h_i``, each ``[N, (B,) heads]``."""
        target_score = None if h_target is None else (h_target * self.att_dst).sum(-1)
        return (h_source * self.att_src).sum(-1), target_score

    def _project(self, x_source: Tensor, x_target: OptTensor) -> OptPairTensor:
        source, target = (self.lin_src, self.lin_dst) if self.lin is None else (self.lin, self.lin)
        assert source is not None and target is not None
        h_source = self._map(source, x_source)
        if x_target is None:
            return h_source, None
        if x_target is x_source and target is source:
            return h_source, h_source
        return h_source, self._map(target, x_target)

    def edge_update(
        self,
        alpha_j: Tensor,
        alpha_i: OptTensor,
        edge_attr: OptTensor,
        index: Tensor,
        ptr: OptTensor,
        dim_size: Optional[int],  # noqa: UP045 (PyG inspects it)
    ) -> Tensor:
        alpha = alpha_j if alpha_i is None else alpha_j + alpha_i
        if index.numel() == 0:
            return alpha
        alpha = softmax(self._score(alpha, edge_attr), index, ptr, dim_size)
        return F.dropout(alpha, p=self.dropout, training=self.training)

    def _score(self, score: Tensor, edge_attr: OptTensor) -> Tensor:
        """``LeakyReLU`` of the scores of both ends, plus that of the edge."""
        if edge_attr is not None and self.lin_edge is not None:
            score = score + (self._edge_features(edge_attr, score.dim() == 3) * self.att_edge).sum(-1)
        return F.leaky_relu(score, self.negative_slope)

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        return alpha.unsqueeze(-1) * x_j


def _attend(
    h_source: Tensor,
    h_target: Tensor,
    edge_attr: OptTensor,
    attention: Tensor,
    edge_attention: OptTensor,
    edges: CSRGraph,
    negative_slope: float,
    dropout: float,
    want_weights: bool = False,
    fused: bool = False,
) -> OptPairTensor:
    """What `attend` of the kernels gives, for h ``[N, (B,) heads, C]`` and edge_attr in the by-target order."""
    edge_score = None
    if edge_attr is not None and edge_attention is not None:
        edge_score = upcast(F.linear(edge_attr, edge_attention)).repeat(1, math.prod(h_source.shape[1:-2]))
    h = h_source.flatten(1, -2)
    scores: tuple[OptTensor, OptTensor] = (None, None)
    ends: OptTensor = attention
    if h_target is not h_source:
        scores, ends = ((h_source * attention[..., 0]).sum(-1), (h_target * attention[..., 1]).sum(-1)), None
    elif h_source.dim() > 3 or fused:
        scores, ends = node_scores(h_source.flatten(0, -3), attention), None
    source_score, target_score = (None if part is None else part.reshape(-1, h.size(1)) for part in scores)
    if fused and target_score is not None:
        out, alpha = fused_attention(h, source_score, target_score, edge_score, None, edges, negative_slope), None
    else:
        given = (h, source_score, target_score, edge_score, edges, negative_slope)
        out, alpha = attend(*given, dropout, ends, want_weights)
    return out.view(edges.num_targets, *h_source.shape[1:]), alpha


@opaque("gat", lambda h, target, *_: [h.new_empty((h if target is None else target).shape)])
def _gat(
    h_source: Tensor,
    h_target: Tensor | None,
    edge_index: Tensor,
    edge_attr: Tensor | None,
    attention: Tensor,
    edge_attention: Tensor | None,
    add_self_loops: bool,
    fill_value: str,
    negative_slope: float,
    dropout: float,
    seed: Tensor | None,
) -> list[Tensor]:
    h_target = h_source if h_target is None else h_target
    nodes = (h_source.size(0), h_target.size(0))
    edges, features = edges_of_operator(edge_index, edge_attr, nodes, add_self_loops, fill_value)
    weights = (attention, edge_attention, edges, negative_slope)
    with seeded(seed):
        return [_attend(h_source, h_target, features, *weights, 0.0 if seed is None else dropout)[0]]
