import pytest
import torch

from graphreel.data.clips.clip import Clip
from graphreel.data.clips.splits import ClipSplits
from graphreel.experiments.clip_baselines import baselines_of, vectors_of
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.experiments.clips import Clips


def moving(label: int, noise: torch.Generator) -> Clip:
    """A still node at the left of the picture, and one at the right that moves early (0) or late (1)."""
    x = torch.zeros(16, 4)
    x[1::2, 3] = 0.1 * torch.rand(8, generator=noise)
    x[1::2, 3][slice(0, 4) if label == 0 else slice(4, 8)] += 1
    pos = torch.tensor([[1.0, 1.0], [39.0, 29.0]]).repeat(8, 1)
    frame, edges = torch.arange(8).repeat_interleave(2), torch.zeros(2, 0, dtype=torch.long)
    return Clip(
        x=x, edge_index=edges, edge_attr=torch.zeros(0, 1), frame=frame, num_frames=8, pos=pos,
        canvas=torch.tensor([[30, 40]]), y=torch.tensor([label]),
    )  # fmt: skip


@pytest.fixture
def splits():
    noise = torch.Generator().manual_seed(0)
    parts = [[moving(number % 2, noise) for number in range(10)] for _ in range(3)]
    return ClipSplits("moving", *parts, ["early", "late"], timeless=torch.arange(3))


def test_motion_is_averaged_on_a_grid_of_picture_and_time(splits):
    row = vectors_of(splits.train[:1], splits)[0].view(4, 16)
    assert row[:, :15].eq(0).all() and (row[:2, 15] > 1).all() and (row[2:, 15] < 0.1).all()


def test_a_logistic_regression_that_wins_is_said(splits):
    assert baselines_of(splits) == {"majority": 0.5, "logistic_regression": 1.0}
    experiment = Clips(ClipSettings("moving", device="cpu"), splits)
    figures = {"test_accuracy": {"mean": 0.75}, "baselines": baselines_of(splits)}
    assert experiment.warnings(figures) == ["logistic regression reaches 100.0 % of the test part, this model 75.0 %"]
