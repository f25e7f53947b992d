from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import Batch

from graphreel.data.clips.clip import Clip


def build(seed: int, counts: list[int], features: int = 3, y: int = 0) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(count, features, generator=generator, dtype=torch.float64) for count in counts]
    edges = [
        torch.randint(0, count, (2, 2 * count), generator=generator) if count else torch.empty(2, 0, dtype=torch.long)
        for count in counts
    ]
    return Clip.from_frames(frames, edges, y=y, tracks=[torch.arange(count) for count in counts])


@pytest.fixture
def make_clip() -> Callable[..., Clip]:
    """Makes a clip with so many nodes in its frames, random edges, and tracks 0, 1, 2 ... in each frame."""
    return build


@pytest.fixture
def clips() -> list[Clip]:
    """Four clips: several frames, an empty frame in the middle, one frame only, one node in every frame."""
    return [build(0, [3, 4, 2]), build(1, [2, 0, 3, 1], y=1), build(2, [4], y=2), build(3, [1, 1], y=1)]


@pytest.fixture
def batch(clips: list[Clip]) -> Batch:
    """The four clips as one batch."""
    return Batch.from_data_list(clips)
