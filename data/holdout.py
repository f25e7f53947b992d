"""Which of a data set's members are held out: a share of every class, or of whole groups where these are known."""

from collections.abc import Sequence

import torch
from torch import Tensor


def hold_out(
    among: Sequence[int], labels: Tensor, groups: Sequence[str] | None, fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Split the members `among` all into (kept, held out), by `labels` [all] or by the groups of all.

    Where there are groups, the share is of these, and each stays whole: at least one is held out, and one kept.
    """
    if groups is None:
        kept, held = stratified_holdout(labels[list(among)], fraction, seed)
        return [among[i] for i in kept], [among[i] for i in held]
    names = sorted({groups[i] for i in among})
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    count = min(len(names) - 1, max(1, round(fraction * len(names))))
    chosen = {names[i] for i in order[:count]}
    return [i for i in among if groups[i] not in chosen], [i for i in among if groups[i] in chosen]


def stratified_holdout(labels: Tensor, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split indices into (kept, held out): `fraction` of every class is held out, at least one where it has two."""
    generator = torch.Generator().manual_seed(seed)
    kept: list[int] = []
    held: list[int] = []
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)].tolist()
        count = min(len(members) - 1, max(1, round(fraction * len(members))))
        held += members[:count]
        kept += members[count:]
    return sorted(kept), sorted(held)
