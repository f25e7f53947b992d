"""Matrix products of the fused scans, by MKL or oneDNN, whichever is the faster one on this processor.

torch.mm goes to MKL, which is the faster library on Intel's processors (156 against 99 GFLOP/s for [64, 128] times
[128, 512] on an Ice Lake Xeon) and the slower one on AMD's: 93 against 217 GFLOP/s a thread on an EPYC of family 26; on
one of family 25, which has no wider arithmetic units than MKL makes use of there, still 129 against 221 for
[256, 321] times [321, 1024] on two threads. torch.nn.LSTM reaches oneDNN inside; a single product reaches it through
operators that torch keeps for its own compiler. Because they are no public interface, they are tried once against
torch.mm, and dropped where they are missing or differ. Which library is taken depends on nothing but the processor and
the shapes, so that a resumed training repeats its figures.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor

_WORK_TO_PACK = 2**27  # multiplications; packing a weight [1024, 321] costs as much as it saves on 300 to 450 rows
_WORK_FOR_ONEDNN = 2**21  # multiplications; a call of oneDNN costs some 18 us before it begins, one of MKL 1
_SMALL_RESULT = 2**18  # entries of a gradient that MKL, in pieces, makes in .5 to .95 of oneDNN's time on an EPYC
_PIECE = 1024  # rows, at least

Matmul = Callable[..., Tensor]


@dataclass(frozen=True)
class Library:
    """Whose products are taken, from how many multiplications oneDNN's, and for which gradients MKL's all the same."""

    onednn: bool
    work_for_onednn: int = _WORK_FOR_ONEDNN
    small_result: int = _SMALL_RESULT


_library: Library | None = None


def library() -> Library:
    """The faster one here, found out once, unless `with_library` has another say."""
    global _library
    if _library is None:
        _library = Library(not mkl_is_at_home() and onednn_agrees())
    return _library


@contextmanager
def with_library(chosen: Library) -> Iterator[None]:
    """Within the block, in all threads, take these products; where oneDNN's are, tanh is made of a sigmoid."""
    global _library
    before, _library = _library, chosen
    try:
        yield
    finally:
        _library = before


def onednn_agrees() -> bool:
    """Whether oneDNN's product can be called in this process and agrees with torch.mm."""
    try:
        x = torch.linspace(-1, 1, 15, dtype=torch.float32, device="cpu").view(3, 5)
        weight = torch.linspace(-2, 2, 10, dtype=torch.float32, device="cpu").view(2, 5)
        wanted = x @ weight.t()
        return all(torch.allclose(_onednn(x, w), wanted, rtol=1e-5, atol=1e-5) for w in (weight, _packed(weight)))
    except (AttributeError, RuntimeError, TypeError):
        return False


@lru_cache(maxsize=1)
def mkl_is_at_home() -> bool:
    """Whether torch brings MKL, and this is one of the processors that it is made for."""
    try:
        return torch.backends.mkl.is_available() and "Intel" in torch.cpu.get_capabilities()["cpu_name"]
    except (AttributeError, KeyError, RuntimeError):  # a torch that cannot tell
        return False


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _packed(weight: Tensor) -> Tensor:
    """W [N, K] in oneDNN's own layout, which no other operator reads."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())


def matmul_with(weight: Tensor, rows: int = 0, bias: Tensor | None = None) -> Matmul:
    """The product x W' + b with one W [N, K], which is laid out once as the library wants it.

    Args:
        rows: how many rows of x there will be, in all products together.
        bias: b [N], or none.

    Returns:
        A function of a contiguous x [n, K] and `out` [n, N], where the result may be written, or else is new.
    """
    if weight.dtype != torch.float32 or not library().onednn:
        return partial(_mm, weight.t().contiguous(), bias)
    # oneDNN is slower by orders of magnitude on some strides, and takes a bias for contiguous.
    laid_out = _packed(weight) if rows * weight.numel() >= _WORK_TO_PACK else weight.contiguous()
    few = library().work_for_onednn // weight.numel()
    return partial(_the_faster, few, weight.t(), laid_out, None if bias is None else bias.contiguous())


def _mm(transposed: Tensor, bias: Tensor | None, x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mm(x, transposed, out=out) if bias is None else torch.addmm(bias, x, transposed, out=out)


def _the_faster(
    few: int, transposed: Tensor, laid_out: Tensor, bias: Tensor | None, x: Tensor, out: Tensor | None = None
) -> Tensor:
    if x.shape[0] < few:
        return _mm(transposed, bias, x, out)
    return _onednn(x, laid_out, bias)


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """gradient' [N, S] times x [S, K], the gradient of W [N, K] in x W' from that of all S rows at once."""
    if x.dtype != torch.float32 or not library().onednn:
        return torch.mm(x.t(), gradient).t()  # MKL takes 1.1 to 1.4 times as long the other way round
    if gradient.shape[1] * x.shape[1] < library().small_result:
        return _tall_matmul(gradient, x)
    if gradient.shape[1] < x.shape[1]:  # the narrower one is transposed: oneDNN takes the other one as it is
        return _onednn(gradient.t().contiguous(), x.t())
    return _onednn(x.t().contiguous(), gradient.t()).t()


def _tall_matmul(a: Tensor, b: Tensor) -> Tensor:
    """a' b of a [S, N] and b [S, K] with S far above N and K: a sum over pieces of S, which stay in the cache."""
    pieces = len(a) // _PIECE
    if pieces < 2:
        return torch.mm(a.t(), b)
    cut = len(a) - len(a) % pieces
    left, right = (part[:cut].view(pieces, -1, part.shape[1]) for part in (a, b))
    result = torch.bmm(left.transpose(1, 2), right).sum(0)
    return result.addmm_(a[cut:].t(), b[cut:]) if cut < len(a) else result


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """tanh(x) into `out`; in float32 as 2 sigmoid(2x) - 1 where MKL, which torch.tanh calls, is slow."""
    if x.dtype != torch.float32 or not library().onednn:
        return torch.tanh(x, out=out)
    s = torch.add(x, x, out=out).sigmoid_()
    return torch.add(x.new_full((), -1), s, alpha=2, out=s)
