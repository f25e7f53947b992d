"""Dropout whose random numbers cost a fifth of torch's on a CPU."""

from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout as torch_dropout


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Set each element to zero with probability p and scale the others by 1 / (1 - p), as torch.nn.functional.dropout.

    On the CPU one 64-bit random number serves two elements, which leaves p exact to 2^-32; torch draws a whole
    Bernoulli variable for each.
    """
    if not training or p == 0:
        return x
    plain = type(x) in (Tensor, nn.Parameter) and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    if not plain or p == 1 or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return torch_dropout(x, p)
    count = x.numel()
    bits = x.new_empty(-(-count // 2), dtype=torch.int64).random_(-(2**63), None).view(torch.int32)[:count]
    factors = (bits >= round(p * 2**32) - 2**31).to(x.dtype).mul_(1 / (1 - p))
    return x * factors.view(x.shape)


def check_probability(name: str, value: float) -> None:
    """See that a rate is a number from 0 to 1.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (float, Real)) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability between 0 and 1, but got {value!r}")


class Dropout(nn.Module):
    """`dropout` as a module.

    Args:
        p: probability of dropping an element.

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
