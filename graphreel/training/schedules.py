"""Learning-rate schedules by name: another one is a function here and its line in `SCHEDULES`.

Each gives the factor of the peak learning rate at a step (from 0) of so many. torch is imported when one is built.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphreel.training.option import one_of, option

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def constant(step: int, steps: int) -> float:
    """The peak throughout."""
    return 1.0


def cosine(step: int, steps: int) -> float:
    """Falls to 0 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def warm_cosine(step: int, steps: int) -> float:
    """Rises for a tenth of the steps, then falls to 0 along half a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return cosine(step - warm, max(1, steps - warm))


def short_warm_cosine(step: int, steps: int) -> float:
    """Half a cosine from the first step on, held down for 200 steps of warm-up."""
    return min(1.0, (step + 1) / 200) * cosine(step, steps)


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": constant,
    "cosine": cosine,
    "warm-cosine": warm_cosine,
    "short-warm-cosine": short_warm_cosine,
}


def schedule_option(default: str) -> Any:
    """The setting that chooses one; runs made before there was a choice had the default."""
    return option(
        default, "How the step size goes over the steps", check=one_of(*SCHEDULES), panel="Training", before=default
    )


def build_schedule(name: str, optimizer: "Optimizer", steps: int) -> "LRScheduler":
    """The scheduler of an optimiser, stepped after each of `steps` steps."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda step: SCHEDULES[name](step, steps))
