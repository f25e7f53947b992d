"""Run any recurrent layer once over a padded batch."""

import inspect
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from graphreel.rnn.layers.recurrent import Recurrent
from graphreel.rnn.sequence.batch_schedule import BatchSchedule

from .padding import step_mask


def run_over_time(temporal: nn.Module, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Run a recurrent layer over sequences of different length.

    Args:
        temporal: one of `rnn`'s layers (they take `lengths=`), or of torch.nn's (the batch is packed for them).
        x: [sequences, longest, features].
        lengths: [sequences], at least 1 each; None: all are of the full length.

    Returns:
        The outputs of all steps [sequences, longest, width], zero after each end, and the last state of the top layer
        [sequences, width]: the forward direction's at the end, with the backward one's at the start beside it.
    """
    if lengths is None:
        first = getattr(temporal, "batch_first", False)
        outputs, state = temporal(x if first else x.transpose(0, 1))
        outputs = outputs if first else outputs.transpose(0, 1)
    elif "lengths" in inspect.signature(temporal.forward).parameters:
        first = getattr(temporal, "batch_first", True)
        outputs, state = temporal(x if first else x.transpose(0, 1), lengths=lengths)
        outputs = outputs if first else outputs.transpose(0, 1)
        outputs = outputs * step_mask(lengths, outputs.size(1))[..., None].to(outputs.dtype)
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
    """Whether `last_state` serves: one of `rnn`'s layers, a single one in one direction, that nothing looks at."""
    return (
        isinstance(temporal, Recurrent)
        and (temporal.num_layers, temporal.num_directions) == (1, 1)
        and not (temporal._forward_hooks or temporal._forward_pre_hooks)
        and not (temporal.training and temporal.weight_dropout)
    )


def last_state(temporal: Recurrent, x: Tensor) -> Tensor:
    """The last output of a layer, x [steps, sequences, features] -> [sequences, hidden], without making the others."""
    temporal._check_features(x, dims=(3,))
    steps, sequences, width = x.shape
    zero = x.new_zeros(sequences, temporal.hidden_size)
    initial = tuple(zero for _ in temporal.state_names)
    schedule = BatchSchedule((sequences,) * steps)
    flat = x.reshape(steps * sequences, width)
    return temporal.scan_layer(flat, schedule, initial, temporal.layer_weights(0, 0), outputs=False)[1][0]
