import pytest
import torch

from graphreel.core.checks import invalid_index


@pytest.mark.parametrize(
    ("index", "size", "found"),
    [([], 0, None), ([0, 2], 3, None), ([0, 3], 3, 3), ([-1, 7], 3, -1), ([[0, 1], [5, 1]], 2, 5), ([0], 0, 0)],
)
def test_invalid_index(index, size, found):
    assert invalid_index(torch.tensor(index, dtype=torch.long), size) == found
