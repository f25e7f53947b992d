"""Whether a model fits the memory, asked before any of it is made."""

import os
from collections.abc import Callable

import torch
from torch import nn

_BYTES = 4 * 4  # of a weight, its gradient and Adam's two moments, in float32


def refuse_too_large(build: Callable[[], nn.Module], available: int | None = None) -> None:
    """See that a model's weights, their gradients and what Adam keeps of them fit the memory.

    Args:
        build: makes the model; it is called under torch's device "meta", which allocates nothing.
        available: bytes; the machine's by default.

    Raises:
        ValueError: they do not.
    """
    if available is None:
        available = _of_the_machine()
    with torch.device("meta"):
        numbers = sum(parameter.numel() for parameter in build().parameters())
    if available is not None and numbers * _BYTES > available:
        raise ValueError(
            f"a model of {numbers:,} parameters needs {numbers * _BYTES / 2**30:,.0f} GB to train, "
            f"and this machine has {available / 2**30:,.0f}: take a smaller --hidden"
        )


def _of_the_machine() -> int | None:
    """Bytes of memory, less where a control group allows less; None where the system does not say."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            return min(physical, int(file.read()))
    except (OSError, ValueError):  # "max", or no control groups
        return physical
