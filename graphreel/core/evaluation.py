"""A model used without training it, and left as it was found."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every part of a model (`model.modules()`) is in its own again."""
    trained = [part for part in parts if part.training]
    for part in trained:
        part.training = False
    try:
        yield
    finally:
        for part in trained:
            part.training = True
