"""Learning-rate schedules by name, for the experiments that train with one.

Each gives the factor of the peak learning rate at a step (from 0) of so many.
"""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


def warm_cosine(step: int, steps: int) -> float:
    """Rises for a tenth of the steps, then falls to 0 along half a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def short_warm_cosine(step: int, steps: int) -> float:
    """Half a cosine from the first step on, held down for 200 steps of warm-up."""
    return min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "warm-cosine": warm_cosine,
    "short-warm-cosine": short_warm_cosine,
}


def build_schedule(name: str, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The scheduler of an optimiser, stepped after each of `steps` steps."""
    return LambdaLR(optimizer, lambda step: SCHEDULES[name](step, steps))
