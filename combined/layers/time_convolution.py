"""A convolution over the steps of padded sequences."""

import torch.nn.functional as F
from torch import Tensor, nn

from .padding import step_mask


class TimeConvolution(nn.Module):
    r"""A convolution over time, brought to mean 0 and deviation 1 over the steps of the batch, and a ReLU:

    .. math:: y_t = \mathrm{ReLU}\Bigl(\mathrm{norm}\bigl(b + \sum_{k=-r}^{r} W_k x_{t+k}\bigr)\Bigr),

    where x is 0 beyond the ends of a sequence.

    A single step has no deviation: it is normalised by those of the batches before, in training too.

    Shapes: x [sequences, longest, in_channels], zero after each end, lengths [sequences] -> [sequences, longest,
    out_channels], zero after each end.

    Args:
        in_channels, out_channels: features of a step that come in, and that come out.
        span: the steps 2 r + 1 that each output reads, an odd number.
        dropout: the share of features that is left out of a sequence in training, each at all of its steps.

    Raises:
        ValueError: an even span.
    """

    def __init__(self, in_channels: int, out_channels: int, span: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        if span < 1 or span % 2 == 0:
            raise ValueError(f"span must be odd, as many steps before as after, got {span}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.dropout = nn.Dropout1d(dropout)
        self.conv = nn.Conv1d(in_channels, out_channels, span, padding=span // 2)
        self.norm = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        y = self.conv(self.dropout(x.transpose(1, 2))).transpose(1, 2)
        if lengths is None:  # all are of the full length
            return self._normed(y.flatten(0, 1)).relu().view(y.shape)
        real = step_mask(lengths, x.size(1))
        return y.new_zeros(y.shape).index_put((real,), self._normed(y[real]).relu())

    def _normed(self, steps: Tensor) -> Tensor:
        norm = self.norm
        if len(steps) > 1 or type(norm) is not nn.BatchNorm1d:  # one of several processes sees more than its own
            return norm(steps)
        return F.batch_norm(steps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
