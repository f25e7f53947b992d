"""Dropout whose random numbers cost a fifth of torch's on a CPU."""

from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .transforms import is_transforming

_FEW_NUMBERS = 1 << 12  # up to here making a generator takes longer than torch's draws
_DRAWS = ((np.uint8, 2**8), (np.int16, 2**16), (np.int32, 2**32))


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Set each element to zero with probability p and scale the others by 1 / (1 - p), as ``F.dropout`` does.

    Args:
        x: Any dense tensor.
        p: Probability of dropping an element.
        training: Return ``x`` itself if False.
    """
    if not training or p == 0.0:
        return x
    plain = type(x) in (Tensor, nn.Parameter) and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    if not plain or x.numel() <= _FEW_NUMBERS or is_transforming():
        return F.dropout(x, p)
    return x * dropout_factors(x.shape, p, x.dtype)


def dropout_factors(shape: torch.Size, p: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Independent factors, 0 with probability p and 1 / (1 - p) otherwise.

    PyTorch's CPU generator seeds NumPy's SFC64, which draws several times faster. An element takes 8, 16 or 32 random
    bits: as many as give p to one part in 10^4 (0.5 takes 8, 0.6 takes 16). The others are scaled for the p that was
    drawn with, which leaves the mean as it is.
    """
    if p == 1.0:
        return torch.zeros(shape, dtype=dtype)
    count = shape.numel()
    drawn, levels = next(
        (kind, n) for kind, n in _DRAWS if abs(p - round(p * n) / n) <= 1e-4 * min(p, 1 - p) or n == 2**32
    )
    threshold = min(round(p * levels), levels - 1)
    generator = np.random.SFC64(int(torch.randint(2**63 - 1, ())))
    words = generator.random_raw(-(-count * drawn().itemsize // 8))
    bits = torch.from_numpy(words.view(drawn)[:count])
    # written as numbers at once, because PyTorch takes longer to turn a mask into numbers than to draw it
    factors = torch.ge(bits, threshold + int(np.iinfo(drawn).min), out=torch.empty(count, dtype=dtype))
    return factors.mul_(1.0 / (1.0 - threshold / levels)).view(shape)


class Dropout(nn.Module):
    """:func:`dropout` as a module.

    Args:
        p: Probability of dropping an element.

    Raises:
        ValueError: p is not a probability.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_probability("dropout", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def check_probability(name: str, value: float) -> None:
    """See that a rate is a number from 0 to 1.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (float, Real)) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability between 0 and 1, but got {value!r}")
