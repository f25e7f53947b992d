"""The state of torch's random numbers, as a checkpoint keeps it."""

from collections.abc import Mapping
from typing import Any

import torch

from graphreel.training import ranks


def random_state() -> dict[str, Any]:
    """Of the CPU and all GPUs; of several ranks each has its own GPU alone."""
    cuda: list[torch.Tensor] = []
    if torch.cuda.is_available():
        cuda = torch.cuda.get_rng_state_all() if ranks.size() == 1 else [torch.cuda.get_rng_state()]
    return {"random": torch.get_rng_state(), "random_cuda": cuda}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on where `random_state` was."""
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        if ranks.size() == 1:
            torch.cuda.set_rng_state_all(state["random_cuda"])
        else:
            torch.cuda.set_rng_state(state["random_cuda"][0])
