"""Whether two nodes are joined, from what a graph network says of each."""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LinkPredictor"]


class LinkPredictor(nn.Module):
    r"""An encoder :math:`z = f(X, G)` and a symmetric decoder of pairs.

    ``"dot"``: :math:`z_u^\top z_v + b`; ``"mlp"``: :math:`w^\top \mathrm{ReLU}(W (z_u \odot z_v) + c) + b`.

    Args:
        encoder: A :class:`GraphNetwork` for nodes.
        channels: The features per node that it yields.
        decoder: ``"dot"`` or ``"mlp"``.
    """

    def __init__(self, encoder: nn.Module, channels: int, decoder: str = "dot") -> None:
        super().__init__()
        self.encoder = encoder
        self.bias = nn.Parameter(torch.zeros(1))
        self.decoder = None
        if decoder == "mlp":
            self.decoder = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 1, bias=False))

    def hidden(self, x: Tensor, edge_index: Tensor, **edges: Any) -> Tensor:
        """What the encoder says of the nodes: ``[N, channels]``."""
        z: Tensor = self.encoder(x, edge_index, **edges)
        return z

    def decode(self, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits ``[P]`` of pairs ``[2, P]`` of nodes."""
        product = z[pairs[0]] * z[pairs[1]]
        return (product.sum(-1) if self.decoder is None else self.decoder(product).squeeze(-1)) + self.bias

    def forward(self, x: Tensor, edge_index: Tensor, pairs: Tensor, **edges: Any) -> Tensor:
        """Logits ``[P]`` that the pairs ``[2, P]`` are joined, where ``edge_index`` holds what is known."""
        return self.decode(self.hidden(x, edge_index, **edges), pairs)
