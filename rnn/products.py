"""Matrix products of the fused walks, by oneDNN where this torch brings it for float32 on the CPU.

torch.mm goes to MKL, which runs at less than half of oneDNN's speed on AMD processors (93 against 217 GFLOP/s a
thread on an EPYC of family 26). torch.nn.LSTM reaches oneDNN inside; a single product reaches it through an operator
that torch keeps for its own compiler. Because that is no public interface, it is tried once against torch.mm, and
dropped where it is missing or differs.
"""

from functools import lru_cache

import torch
from torch import Tensor

_ROWS_AT_ONCE = 2048


@lru_cache(maxsize=1)
def has_fast_product() -> bool:
    """Whether oneDNN's product can be called in this process and agrees with torch.mm."""
    try:
        x, weight = torch.linspace(-1, 1, 15).view(3, 5), torch.linspace(-2, 2, 10).view(2, 5)
        return torch.allclose(_onednn(x, weight), x @ weight.t(), rtol=1e-5, atol=1e-5)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _onednn(x: Tensor, weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def times_transposed(x: Tensor, weight: Tensor) -> Tensor:
    """x [n, K] times weight' [K, N]; both contiguous, since oneDNN is slower by orders of magnitude on some strides."""
    if x.dtype == torch.float32 and has_fast_product():
        return _onednn(x, weight)
    return torch.mm(x, weight.t())


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """gradient' [N, S] times x [S, K], the gradient of W [N, K] in x W' from that of all S rows at once."""
    if x.dtype != torch.float32 or not has_fast_product():
        return torch.mm(gradient.t(), x)
    # In parts that fit into the cache: a sum over 10 000 rows at once takes half as long again.
    parts = zip(gradient.split(_ROWS_AT_ONCE), x.split(_ROWS_AT_ONCE), strict=True)
    first, *others = (_onednn(rows.t().contiguous(), columns.t()) for rows, columns in parts)
    for other in others:
        first.add_(other)
    return first
