"""One vector out of the steps of a sequence."""

import torch
from torch import Tensor, nn

from .padding import step_mask

READOUTS = ("last", "mean", "max", "attention")


class Readout(nn.Module):
    r"""Sums the steps of sequences up to one vector each: the last state, the mean, the maximum, or attention

    .. math:: \sum_t \alpha_t h_t, \qquad \alpha = \mathrm{softmax}_t(w^\top \tanh(W h_t)).

    Shapes: outputs [sequences, longest, width], last [sequences, width], lengths [sequences] -> [sequences, width] and
    the weights of the steps [sequences, longest], which sum to 1 and are 0 after each end ("last" weighs the last step
    alone; "max" gives those of the mean).

    Raises:
        ValueError: an unknown readout.
    """

    def __init__(self, readout: str, width: int) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {readout!r}")
        self.readout = readout
        self.score = (
            nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))
            if readout == "attention"
            else None
        )

    def forward(self, outputs: Tensor, last: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        real = step_mask(lengths, outputs.size(1))
        if self.readout == "last":
            steps = torch.arange(outputs.size(1), device=lengths.device)
            return last, (steps == lengths[:, None] - 1).to(outputs.dtype)
        if self.score is not None:
            scores = self.score(outputs).squeeze(-1).masked_fill(~real, -torch.inf)
            weights = scores.softmax(dim=1)
            return torch.einsum("bt,bth->bh", weights, outputs), weights
        weights = real.to(outputs.dtype) / lengths[:, None]
        if self.readout == "max":
            return outputs.masked_fill(~real[..., None], -torch.inf).amax(dim=1), weights
        return torch.einsum("bt,bth->bh", weights, outputs), weights
