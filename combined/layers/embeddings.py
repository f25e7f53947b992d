"""What tells sensors and moments apart where their recent values are alike: learned embeddings, as in STID."""

import math

import torch
from torch import Tensor, nn

HARMONICS = 3


class EmbeddedHead(nn.Module):
    r"""Forecasts from what is known of a node, which node it is, and where in the day and the week the moment lies.

    .. math::
        u_0 = W_0\, [z_i, e_i, e_{c_1}(t), e_{c_2}(t) \dots], \quad u_{k+1} = u_k + \mathrm{MLP}_k(u_k), \quad
        \hat y_i = W\, \mathrm{ReLU}(u_K)

    The device is STID's (Shao et al., "Spatial-Temporal Identity", 2022). The embedding of a moment is linear in three
    harmonics of where it lies in the cycle, and not a row of a table for each slot: a few days fill no table, and
    three harmonics tell the seven days of a week apart. W starts at 0, so that nothing is forecast before training.

    Shapes: z [windows, nodes, channels], clock [windows, cycles] (0 to 1 through each) -> [windows, horizon, nodes].

    Args:
        channels: of z.
        nodes, horizon: how many.
        cycles: of the clock, such as day and week; 0 for none.
        width: of the layers.
        embedding: features learned for every node, and for the moment in each cycle.
        blocks: K.
        dropout: within the blocks.
    """

    def __init__(
        self, channels: int, nodes: int, horizon: int, cycles: int = 0, width: int = 64, embedding: int = 8,
        blocks: int = 2, dropout: float = 0.15,
    ) -> None:  # fmt: skip
        super().__init__()
        self.node = nn.Parameter(0.1 * torch.randn(nodes, embedding))
        self.moments = nn.ModuleList(nn.Linear(2 * HARMONICS, embedding, bias=False) for _ in range(cycles))
        self.enter = nn.Linear(channels + embedding * (1 + cycles), width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.head = nn.Linear(width, horizon)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, z: Tensor, clock: Tensor | None = None) -> Tensor:
        parts = [z, self.node.expand(len(z), -1, -1)]
        if self.moments:
            assert clock is not None
            angle = 2 * math.pi * clock[..., None] * torch.arange(1, HARMONICS + 1, device=z.device)
            waves = torch.cat([angle.sin(), angle.cos()], dim=-1).to(z.dtype)
            own = [moment(waves[:, cycle]) for cycle, moment in enumerate(self.moments)]
            parts += [moment[:, None].expand(-1, z.size(1), -1) for moment in own]
        u = self.enter(torch.cat(parts, dim=-1))
        for block in self.blocks:
            u = u + block(u)
        return self.head(torch.relu(u)).transpose(1, 2)
