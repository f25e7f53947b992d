"""Token sequences that begin alike share the steps of their common beginning.

From a state of zero, sequences with the same first k tokens have the same state after k steps. The distinct beginnings
form a tree; the scan runs each of its nodes once: a sequence joins the batch only where it departs from an earlier one,
and takes over that one's state. Padding on the left, where it counts as a token, is one shared chain; 256 palindromes
of 41 tokens, 57 % of them not padding, need 47 % of the 256 * 41 steps. Backward, shared states gather the gradients of
all that departed from them. Values and gradients are those of the separate scans.
"""

import numpy as np
import torch
from torch import Tensor

from .batch_schedule import BatchSchedule, Fork

_GRANULE = 16  # batches of few different sizes, since oneDNN prepares a kernel for each


def share_prefixes(tokens: Tensor, first: Tensor) -> tuple[BatchSchedule, Tensor, Tensor]:
    """Plan a scan over sequences that all end at the last step.

    Args:
        tokens: [B, T].
        first: [B] step at which each sequence starts; what stands before it is ignored.

    Returns:
        The schedule; the token that each row of the scan reads [sum of counts]; each sequence's place in the final
        batch [B].
    """
    table = np.where(np.arange(tokens.shape[1]) < first.cpu().numpy()[:, None], 0, tokens.cpu().numpy() + 1)
    table = np.ascontiguousarray(table, dtype=">u4")
    keys = table.view(np.dtype((np.void, table.strides[0])))[:, 0]
    by_key = np.argsort(keys, kind="stable")
    table, start = table[by_key], first.cpu().numpy()[by_key]
    enters, parent = _tree(table, start)

    steps = table.shape[1]
    entering = np.flatnonzero(enters < steps)
    rank = np.full(len(table), -1)
    forked = parent[entering] >= 0
    entering = entering[np.lexsort((~forked, enters[entering]))]
    rank[entering] = np.arange(len(entering))
    enters, parent, same = enters[entering], parent[entering], parent
    under_way = np.searchsorted(enters, np.arange(steps), side="right")
    begin = int(enters[0])
    counts = -(-under_way[begin:] // _GRANULE) * _GRANULE

    forks = {}
    for step in np.unique(enters):
        low, high = np.searchsorted(enters, (step, step + 1))
        parents = rank[parent[low:high][parent[low:high] >= 0]]
        forks[int(step) - begin] = Fork(int(low), int(high), torch.from_numpy(parents).to(tokens.device))
    reads = np.concatenate([entering, np.full(counts[-1] - len(entering), entering[0])])
    step, place = np.nonzero(np.arange(counts[-1]) < counts[:, None])
    read = np.maximum(table[reads[place], begin + step].astype(np.int64) - 1, 0)
    final = np.empty(len(rank), dtype=np.int64)
    final[by_key] = np.where(rank >= 0, rank, rank[same])
    device = tokens.device
    return (
        BatchSchedule(tuple(counts.tolist()), forks),
        torch.from_numpy(read).to(device),
        torch.from_numpy(final).to(device),
    )


def _tree(table: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each sequence in sorted order: the step at which it enters the scan (T where it equals its parent), and the
    sequence that it departs from (-1 where it starts from zero)."""
    batch, steps = table.shape
    differs = table[1:] != table[:-1]
    common = np.concatenate([[0], np.where(differs.any(1), differs.argmax(1), steps)])
    enters, parent = np.maximum(common, start).tolist(), [-1] * batch
    start, common = start.tolist(), common.tolist()
    for row in range(1, batch):
        if common[row] > start[row]:
            above = row - 1
            while enters[above] >= common[row]:
                above = parent[above]
            parent[row] = above
    return np.array(enters), np.array(parent)
