"""Sequences laid end to end, padded to one length, without a loop."""

import torch
from torch import Tensor


def pad_sequences(rows: Tensor, lengths: Tensor) -> Tensor:
    """Rows of sequences, one after the other, as [sequences, longest, features], padded with zeros."""
    sequence = torch.repeat_interleave(torch.arange(len(lengths), device=rows.device), lengths)
    step = torch.arange(len(rows), device=rows.device) - (lengths.cumsum(0) - lengths)[sequence]
    padded = rows.new_zeros(len(lengths), int(lengths.max()), rows.size(1))
    return padded.index_put((sequence, step), rows)


def step_mask(lengths: Tensor, longest: int) -> Tensor:
    """Which steps of a padded layout are real: bool [sequences, longest]."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
