"""Run any recurrent layer once over a padded batch, and sum its steps up."""

import inspect
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from graphreel.rnn.layers.recurrent import Recurrent
from graphreel.rnn.sequence.batch_schedule import Schedule

from .pooling import within

READOUTS = ("last", "mean", "max", "attention")


def run_over_time(temporal: nn.Module, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Run a recurrent layer over sequences of different length.

    Args:
        temporal: one of `rnn`'s layers (they take `lengths=`), or of torch.nn's (the batch is packed for them).
        x: [sequences, longest, features].
        lengths: [sequences], at least 1 each.

    Returns:
        The outputs of all steps [sequences, longest, width], zero after each end, and the last state of the top layer
        [sequences, width]: the forward direction's at the end, with the backward one's at the start beside it.
    """
    if "lengths" in inspect.signature(temporal.forward).parameters:
        first = getattr(temporal, "batch_first", True)
        outputs, state = temporal(x if first else x.transpose(0, 1), lengths=lengths)
        outputs = outputs if first else outputs.transpose(0, 1)
        outputs = outputs * within(lengths, outputs.size(1))[..., None].to(outputs.dtype)
    else:
        first = bool(getattr(temporal, "batch_first", False))
        packed = pack_padded_sequence(
            x if first else x.transpose(0, 1), lengths.cpu(), batch_first=first, enforce_sorted=False
        )
        packed, state = temporal(packed)
        outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.size(1))
    hidden = state[0] if isinstance(state, tuple) else state
    directions = 2 if getattr(temporal, "bidirectional", False) else 1
    return outputs, torch.cat(list(hidden[-directions:]), dim=-1)


def ends_in_state(temporal: nn.Module) -> TypeGuard[Recurrent]:
    """Whether `state_after` serves: one of `rnn`'s layers, a single one in one direction, that nothing looks at."""
    return (
        isinstance(temporal, Recurrent)
        and (temporal.num_layers, temporal.num_directions) == (1, 1)
        and not (temporal._forward_hooks or temporal._forward_pre_hooks)
        and not (temporal.training and temporal.weight_dropout)
    )


def state_after(temporal: Recurrent, x: Tensor) -> Tensor:
    """The last output of a layer, x [steps, sequences, features] -> [sequences, hidden], without making the others."""
    temporal._check_features(x, dims=(3,))
    steps, sequences, width = x.shape
    zero = x.new_zeros(sequences, temporal.hidden_size)
    initial = tuple(zero for _ in temporal.state_names)
    schedule = Schedule((sequences,) * steps)
    flat = x.reshape(steps * sequences, width)
    return temporal.walk_once(flat, schedule, initial, temporal.layer_weights(0, 0), outputs=False)[1][0]


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

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        y = self.conv(self.dropout(x.transpose(1, 2))).transpose(1, 2)
        real = within(lengths, x.size(1))
        return y.new_zeros(y.shape).index_put((real,), self._normed(y[real]).relu())

    def _normed(self, steps: Tensor) -> Tensor:
        if len(steps) > 1:
            normed: Tensor = self.norm(steps)
            return normed
        norm = self.norm
        return F.batch_norm(steps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


class Readout(nn.Module):
    r"""Sums the steps of sequences up to one vector each: the last state, the mean, the maximum, or attention

    .. math:: \sum_t \alpha_t h_t, \qquad \alpha = \mathrm{softmax}_t(w^\top \tanh(W h_t)).

    Shapes: outputs [sequences, longest, width], last [sequences, width], lengths [sequences] -> [sequences, width] and
    the weights of the steps [sequences, longest], which sum to 1 and are 0 after each end ("last" weighs the last step
    alone; "max" is told as the mean).

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
        real = within(lengths, outputs.size(1))
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
