"""The GAT model."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch_geometric.typing import Adj

from .graph_network import GraphNetwork, layer_widths, make_layers


class GAT(GraphNetwork):
    r"""Graph attention network, `Velickovic et al., 2018 <https://arxiv.org/abs/1710.10903>`_.

    The paper's network for Cora is ``GAT(1433, 64, 2, 7, dropout=0.6, input_dropout=0.6)``: 8 heads of 8 features,
    concatenated, ELU, then one head of 7 features.

    Args:
        in_channels: Features per node, -1 to take it from the first input.
        hidden_channels: Features per node between layers, all heads together: a multiple of ``heads``.
        num_layers: The number of convolutions.
        out_channels: Numbers per node, or per graph if pooled.
        dropout: Probability of dropping a hidden feature, and of dropping an attention weight.
        input_dropout: Probability of dropping an input feature.
        heads: Attention heads of the hidden layers, concatenated.
        output_heads: Attention heads of the layer that yields a result per node, averaged.
        v2: Use :class:`GATv2Conv`.
        activation, norm, residual, pool: As in :class:`GraphNetwork`.
        **kwargs: Arguments of :class:`GATConv`, such as ``edge_dim``.

    Raises:
        ValueError: If there is no layer, the heads do not divide the width, a name is unknown, or a probability is not
            in [0, 1].
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        heads: int = 8,
        output_heads: int = 1,
        *,
        v2: bool = False,
        activation: str | Callable[[Tensor], Tensor] = "elu",
        norm: str | None = None,
        residual: bool = False,
        pool: str | None = None,
        **kwargs: Any,
    ) -> None:
        widths = layer_widths(in_channels, hidden_channels, num_layers, out_channels, pool)
        ends = None if pool else output_heads
        super().__init__(
            make_layers("gatv2" if v2 else "gat", widths, heads, ends, dropout=dropout, **kwargs),
            widths, out_channels, dropout=dropout, input_dropout=input_dropout, activation=activation, norm=norm,
            residual=residual, pool=pool,
        )  # fmt: skip

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        edge_index: Adj,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Classify the nodes, or the graphs if the network pools; arguments as :meth:`GraphNetwork.forward`'s."""
        return self.run(x, edge_index, edge_attr, batch, batch_size)
