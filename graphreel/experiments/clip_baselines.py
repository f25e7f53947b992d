"""How well clips are told apart without a network: by a logistic regression on what can be counted in them."""

from collections.abc import Sequence
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch_geometric.utils import scatter

_STRENGTH = 0.1  # C, chosen by cross-validation in the training part of JHMDB
_MOST = 2000  # training clips, so that it stays a matter of seconds


def baselines_of(splits: Any) -> dict[str, float]:
    """Test accuracies of what is no network, over the folds where there are some."""
    folds = splits.folds or [splits]
    ways = {"majority": lambda fold: fold.majority(), "logistic_regression": logistic_accuracy}
    return {name: sum(map(way, folds)) / len(folds) for name, way in ways.items()}


def logistic_accuracy(splits: Any) -> float:
    """The test accuracy of a logistic regression on `vectors_of` the clips."""
    kept = splits.train[:: max(1, len(splits.train) // _MOST)]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=300))
    rows, tested = (vectors_of(part, splits).numpy() for part in (kept, splits.test))
    return float(model.fit(rows, [int(clip.y) for clip in kept]).score(tested, [int(clip.y) for clip in splits.test]))


def vectors_of(clips: Sequence[Any], splits: Any) -> Tensor:
    """One row for every clip, [clips, numbers]: means of features in cells of space and time.

    Of keypoints: the raw joints, each about the middle of its frame and this middle's way, in 8 parts of the clip's
    time. Of regions and sprites: on a 4 x 4 grid of the picture, in 4 parts of the time, what tells of time; for
    videos that is a histogram of optical flow.
    """
    first = clips[0]
    if "joints" in splits.settings:
        raw, joints = 2 * first.pos.size(1), int(first.num_tracks)
        return torch.stack([_means(clip, clip.x[:, :raw], clip.track, joints, 8) for clip in clips])
    moving = torch.ones(first.x.size(1), dtype=torch.bool)
    if splits.timeless is not None:
        moving[splits.timeless] = False
    return torch.stack([_means(clip, clip.x[:, moving], _cell(clip), 16, 4) for clip in clips])


def _cell(clip: Any) -> Tensor:
    column, row = (4 * clip.pos / clip.canvas.flip(1)).long().clamp(0, 3).unbind(1)
    return 4 * row + column


def _means(clip: Any, x: Tensor, cell: Tensor, cells: int, parts: int) -> Tensor:
    part = clip.frame * parts // int(clip.num_frames)
    return scatter(x, part * cells + cell, dim=0, dim_size=parts * cells, reduce="mean").flatten()
