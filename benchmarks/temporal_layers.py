"""Layers of PyTorch Geometric Temporal as its examples use them, and our TGCN under the same head."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from graphreel.combined import TGCN


def temporal_layer(name: str) -> Callable[..., nn.Module] | None:
    """A layer of PyTorch Geometric Temporal, or None, and a line that says so."""
    try:
        from torch_geometric_temporal.nn import recurrent
    except ImportError:
        print(f"skipped: PyG-Temporal {name} (torch_geometric_temporal is not installed)", flush=True)
        return None
    layer: Callable[..., nn.Module] = getattr(recurrent, name)
    return layer


class OneStep(nn.Module):
    """PyG-Temporal's layers as its examples use them: called step by step, or with all steps last.

    Args:
        all_at_once: the layer reads [windows, nodes, features, steps].
        side_by_side: it reads [nodes, features], so the graphs of a batch are laid side by side.

    Shapes: x [windows, steps, nodes, features] or [steps, nodes, features] -> [(windows,) horizon, nodes].
    """

    def __init__(
        self, layer: nn.Module, hidden: int, horizon: int, all_at_once: bool = False, side_by_side: bool = False
    ) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(hidden, horizon)
        self.all_at_once, self.side_by_side = all_at_once, side_by_side

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        x = x.transpose(0, 1) if x.dim() == 4 else x
        shape = x.shape[1:-1]
        if self.side_by_side:
            windows, nodes = shape
            offset = nodes * torch.arange(windows).repeat_interleave(edge_index.size(1))
            edge_index, edge_weight = edge_index.repeat(1, windows) + offset, edge_weight.repeat(windows)
            x = x.flatten(1, 2)
        if self.all_at_once:
            h = self.layer(x.permute(1, 2, 3, 0), edge_index, edge_weight)
        else:
            h = None
            for step in x:
                h = self.layer(step, edge_index, edge_weight, h)
        told: Tensor = self.head(torch.relu(h)).view(*shape, -1).transpose(-1, -2)
        return told


class AllSteps(nn.Module):
    """Our TGCN under the head of `OneStep`."""

    def __init__(self, layer: TGCN, hidden: int, horizon: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(hidden, horizon)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        h = self.layer.over_time(x.transpose(0, 1), edge_index, edge_weight, every_step=False)
        told: Tensor = self.head(torch.relu(h)).transpose(-1, -2)
        return told
