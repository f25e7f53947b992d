"""Features as a sparse CSR matrix: dropout and the first product touch stored values only."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graphreel.core.dropout import dropout as dense_dropout

from .csr import Compressed, CSRGraph
from .spmm import SparseMatrix, sparse_product
from .tensor_cache import remember


def is_sparse_csr(x: Tensor) -> bool:
    """Whether ``x`` is a sparse CSR tensor."""
    return x.layout == torch.sparse_csr


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` for dense ``x`` [..., F] or sparse CSR ``x`` [N, F].

    The product with a sparse ``x`` is exact and costs as many multiplications as ``x`` stores values. Where a sparse
    ``x`` itself requires a gradient, it is made dense.
    """
    if not is_sparse_csr(x):
        return F.linear(x, weight, bias)
    if x.requires_grad or x.dtype != weight.dtype or x.device.type != "cpu":
        return F.linear(x.to_dense(), weight, bias)
    out = sparse_product(SparseMatrix(_pattern(x), x.values()), weight.t())
    return out if bias is None else out + bias


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Dropout for dense or sparse CSR ``x``.

    On a sparse ``x`` only stored values are drawn for, which is the same distribution as on the dense ``x``: a zero
    stays zero whether it is kept or not.
    """
    if not training or p == 0.0:
        return x
    if not is_sparse_csr(x):
        return dense_dropout(x, p)
    pattern = _pattern(x)
    dropped = torch.sparse_csr_tensor(
        x.crow_indices(), x.col_indices(), dense_dropout(x.values(), p), x.shape, check_invariants=False
    )
    remember(dropped, "pattern", lambda: pattern)
    return dropped


def repeat(x: Tensor, times: int) -> Tensor:
    """The rows of sparse CSR ``x`` [N, F] over again: [times * N, F], remembered with ``x``."""

    def stack() -> Tensor:
        start = torch.arange(times)[:, None].to(x.crow_indices()) * x.values().numel()
        pointer = torch.cat([x.crow_indices()[:1], (x.crow_indices()[1:] + start).flatten()])
        parts = pointer, x.col_indices().repeat(times), x.values().repeat(times)
        return torch.sparse_csr_tensor(*parts, (times * x.size(0), x.size(1)), check_invariants=False)

    return remember(x, ("repeat", times), stack)


def _pattern(x: Tensor) -> CSRGraph:
    """Where ``x`` stores values: an entry in row t and column s is an edge from s to t."""

    def read() -> CSRGraph:
        index_dtype = torch.int32 if max(x.values().numel(), *x.shape) < 2**31 - 1 else torch.long
        pointer, column = x.crow_indices().to(index_dtype), x.col_indices().to(index_dtype)
        position = torch.arange(column.numel(), dtype=index_dtype, device=column.device)
        return CSRGraph(x.size(1), x.size(0), Compressed(pointer, column, position), None, column.numel())

    return remember(x, "pattern", read)
