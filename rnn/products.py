"""Matrix products of the fused walks, by MKL or oneDNN, whichever is the faster one on this processor.

torch.mm goes to MKL, which is the faster library on Intel's processors (156 against 99 GFLOP/s for [64, 128] times
[128, 512] on an Ice Lake Xeon) and runs at less than half of oneDNN's speed on AMD's (93 against 217 GFLOP/s a thread
on an EPYC of family 26). torch.nn.LSTM reaches oneDNN inside; a single product reaches it through an operator that
torch keeps for its own compiler. Because that is no public interface, it is tried once against torch.mm, and dropped
where it is missing or differs. Which library is taken depends on nothing but the processor, so that a resumed training
repeats its figures.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

_ROWS_AT_ONCE = 2048

Product = Callable[..., Tensor]


@lru_cache(maxsize=1)
def prefers_onednn() -> bool:
    """Whether oneDNN's product is the faster one here, and can be had."""
    return not mkl_is_at_home() and onednn_agrees()


def onednn_agrees() -> bool:
    """Whether oneDNN's product can be called in this process and agrees with torch.mm."""
    try:
        x, weight = torch.linspace(-1, 1, 15).view(3, 5), torch.linspace(-2, 2, 10).view(2, 5)
        return torch.allclose(_onednn(x, weight), x @ weight.t(), rtol=1e-5, atol=1e-5)
    except (AttributeError, RuntimeError, TypeError):
        return False


@lru_cache(maxsize=1)
def mkl_is_at_home() -> bool:
    """Whether torch brings MKL, and this is one of the processors that it is made for."""
    try:
        return torch.backends.mkl.is_available() and "Intel" in torch.cpu.get_capabilities()["cpu_name"]
    except (AttributeError, KeyError, RuntimeError):  # a torch that cannot tell
        return False


def _onednn(x: Tensor, weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def product_with(weight: Tensor) -> Product:
    """The product x W' with one W [N, K], which is laid out once as the library wants it.

    Returns:
        A function of a contiguous x [n, K] and `out` [n, N], where the result may be written, or else is new.
    """
    if weight.dtype == torch.float32 and prefers_onednn():
        contiguous = weight.contiguous()  # oneDNN is slower by orders of magnitude on some strides
        return lambda x, out=None: _onednn(x, contiguous)
    transposed = weight.t().contiguous()
    return lambda x, out=None: torch.mm(x, transposed, out=out)


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """gradient' [N, S] times x [S, K], the gradient of W [N, K] in x W' from that of all S rows at once."""
    if x.dtype != torch.float32 or not prefers_onednn():
        return torch.mm(x.t(), gradient).t()  # MKL takes 1.1 to 1.4 times as long the other way round
    # In parts that fit into the cache: a sum over 10 000 rows at once takes half as long again.
    parts = zip(gradient.split(_ROWS_AT_ONCE), x.split(_ROWS_AT_ONCE), strict=True)
    first, *others = (_onednn(rows.t().contiguous(), columns.t()) for rows, columns in parts)
    for other in others:
        first.add_(other)
    return first


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """tanh(x) into `out`; in float32 as 2 sigmoid(2x) - 1 where MKL, which torch.tanh calls, is slow."""
    if x.dtype != torch.float32 or mkl_is_at_home():
        return torch.tanh(x, out=out)
    return torch.mul(x, 2, out=out).sigmoid_().mul_(2).sub_(1)
