"""The GCN model."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch_geometric.typing import Adj

from .graph_network import GraphNetwork, layer_widths, make_layers


class GCN(GraphNetwork):
    r"""Graph convolutional network, `Kipf and Welling, 2017 <https://arxiv.org/abs/1609.02907>`_.

    The paper's network for Cora is ``GCN(1433, 16, 2, 7, dropout=0.5, input_dropout=0.5)``:
    :math:`\hat A \, \mathrm{ReLU}(\hat A X W_0 + b_0) W_1 + b_1`.

    Args:
        in_channels: Features per node, -1 to take it from the first input.
        hidden_channels: Features per node between layers.
        num_layers: The number of convolutions.
        out_channels: Numbers per node, or per graph if pooled.
        dropout: Probability of dropping a hidden feature.
        input_dropout: Probability of dropping an input feature.
        activation, norm, residual, pool: As in :class:`GraphNetwork`.
        **kwargs: Arguments of :class:`GCNConv`.

    Raises:
        ValueError: If there is no layer, a name is unknown, or a probability is not in [0, 1].
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        *,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        norm: str | None = None,
        residual: bool = False,
        pool: str | None = None,
        **kwargs: Any,
    ) -> None:
        widths = layer_widths(in_channels, hidden_channels, num_layers, out_channels, pool)
        super().__init__(
            make_layers("gcn", widths, **kwargs),
            widths, out_channels, dropout=dropout, input_dropout=input_dropout, activation=activation, norm=norm,
            residual=residual, pool=pool,
        )  # fmt: skip

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Classify the nodes, or the graphs if the network pools; arguments as :meth:`GraphNetwork.forward`'s."""
        return self.run(x, edge_index, edge_weight, batch, batch_size)
