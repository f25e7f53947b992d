"""Products of a sparse and a dense matrix over a CSR graph, with gradients for both."""

import warnings
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from graphreel.core.guard import Guard

from .csr import CSRGraph, to_csr
from .tensor_cache import no_graph

_HAS_MKL = torch.backends.mkl.is_available()

# PyTorch says once per process that its CSR format is in beta, at the first such tensor: that is no news to the caller
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor(torch.zeros(1, dtype=torch.int32), [], [], (0, 0), check_invariants=False)


class SparseMatrix:
    """A[target, source]: one value per sorted edge. The transpose, wanted by every backward pass, is kept as well.

    Args:
        edges: Where the values stand.
        values: ``[E]`` in the by-target order of ``edges``.
    """

    def __init__(self, edges: CSRGraph, values: Tensor) -> None:
        self.edges = edges
        self.values = values
        self._compressed: Tensor | None = None
        self._transposed: Tensor | None = None

    @property
    def compressed(self) -> Tensor:
        """A as a sparse CSR tensor [num_targets, num_sources]."""
        if self._compressed is None:
            with no_graph():
                self._compressed = EdgeMatrix(self.edges, self.values.detach()).csr()
        return self._compressed

    @property
    def transposed(self) -> Tensor:
        """The transpose of A as a sparse CSR tensor [num_sources, num_targets]."""
        if self._transposed is None:
            with no_graph():
                values = self.values.detach().index_select(0, self.edges.by_source.position)
                self._transposed = EdgeMatrix(self.edges, values, transposed=True).csr()
        return self._transposed


class EdgeMatrix:
    """A[target, source] of one value per edge in the by-target order, for products without a graph of the gradient.

    Args:
        edges: Where the values stand.
        values: ``[E]``, in the by-target order, or in the by-source order if ``transposed``.
        transposed: Make the transpose of A.
    """

    def __init__(self, edges: CSRGraph, values: Tensor, transposed: bool = False) -> None:
        self.edges, self.values = edges, values
        self.rows = edges.by_source if transposed else edges.by_target
        size = (edges.num_targets, edges.num_sources)
        self.size = size[::-1] if transposed else size

    def csr(self) -> Tensor:
        """The matrix as a sparse CSR tensor."""
        return _csr(self.rows.pointer, self.rows.neighbor, self.values, self.size)

    def __matmul__(self, dense: Tensor) -> Tensor:
        """The product with ``[columns]`` or ``[columns, F]``."""
        return multiply(self.csr(), dense)

    def row_sums(self) -> Tensor:
        """The sum of each row's values, ``[rows]``."""
        return self @ self.values.new_ones(self.size[1])


def sum_by_source(edges: CSRGraph, values: Tensor) -> Tensor:
    """The sum of the values ``[E]``, in the by-target order, on the edges that leave each source, without a graph."""
    rows = edges.by_source
    selection = _csr(rows.pointer, rows.position, torch.ones_like(values), (edges.num_sources, values.numel()))
    return multiply(selection, values)


def sparse_product(matrix: SparseMatrix, dense: Tensor) -> Tensor:
    """A @ dense, differentiable in ``dense`` and, where they require it, in the values of A (any number of times).

    Args:
        matrix: A ``[T, S]``.
        dense: ``[S, F]``, of the same dtype.

    Returns:
        ``[T, F]``.
    """
    if torch.is_grad_enabled() and (dense.requires_grad or matrix.values.requires_grad):
        return cast(Tensor, _Product.apply(matrix.values, dense, matrix))
    return multiply(matrix.compressed, dense)


class _Product(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, dense: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        ctx.save_for_backward(values, dense if ctx.needs_input_grad[0] else None)
        return multiply(matrix.compressed, dense)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        values, dense = ctx.saved_tensors
        matrix: SparseMatrix = ctx.matrix
        edges = matrix.edges
        grad_values = grad_dense = None
        if torch.is_grad_enabled():  # a graph of the gradient is wanted: only differentiable operations
            if ctx.needs_input_grad[0]:
                ends = grad.index_select(0, edges.target), dense.index_select(0, edges.by_target.neighbor)
                grad_values = (ends[0] * ends[1]).sum(-1)
            if ctx.needs_input_grad[1]:
                flipped = SparseMatrix(edges.flipped, values.index_select(0, edges.by_source.position))
                grad_dense = sparse_product(flipped, grad)
        else:
            if ctx.needs_input_grad[0]:
                grad_values = sampled_product(matrix.compressed, grad, dense)
            if ctx.needs_input_grad[1]:
                grad_dense = multiply(matrix.transposed, grad)
        return grad_values, grad_dense, None


def _csr(pointer: Tensor, column: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.sparse_csr_tensor(pointer, column, values, size, check_invariants=False)


def multiply(compressed: Tensor, dense: Tensor, out: Tensor | None = None) -> Tensor:
    """A @ dense without a graph, for A sparse CSR ``[T, S]`` and dense ``[S, F]`` or ``[S]``.

    Args:
        compressed: A.
        dense: What it is multiplied with.
        out: ``[T, F]``, to be written over, where the dense operand is ``[S, F]``.
    """
    if dense.dim() == 1:
        return torch.mv(compressed, dense) if compressed.values().numel() else dense.new_zeros(compressed.size(0))
    if compressed.values().numel() == 0 or dense.size(1) == 0:
        return dense.new_zeros(compressed.size(0), dense.size(1))
    if dense.device.type != "cpu":
        return torch.sparse.mm(compressed, dense)
    if not _HAS_MKL:
        return torch.sparse.mm(compressed, dense, "sum")
    # torch.sparse.mm would fill a buffer with zeros and add to it; beta = 0 never reads the buffer
    if out is None:
        out = dense.new_empty(compressed.size(0), dense.size(1))
    return torch.addmm(out, compressed, dense, beta=0, out=out)


def sampled_product(compressed: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """For each entry (t, s) stored in a sparse CSR ``[T, S]``, ``left[t] . right[s]``, without a graph.

    Args:
        compressed: Where the entries stand; its values are not read.
        left: ``[T, F]``.
        right: ``[S, F]``.

    Returns:
        ``[E]`` in the order of the entries.
    """
    width = left.size(1)
    if compressed.values().numel() == 0 or width == 0:
        return left.new_zeros(compressed.values().numel())
    num_rows, num_columns = compressed.shape
    if left.device.type != "cpu":
        rows = torch.arange(num_rows, device=left.device).repeat_interleave(compressed.crow_indices().diff())
        return (left.index_select(0, rows) * right.index_select(0, compressed.col_indices())).sum(-1)
    if compressed.values().numel() > num_rows * num_columns:  # duplicates that the kernel refuses, and a small matrix
        rows = torch.arange(num_rows, device=left.device).repeat_interleave(compressed.crow_indices().diff())
        return (left @ right.t()).view(-1).index_select(0, rows * num_columns + compressed.col_indices())
    if width > 1 and width % 16:  # the kernel takes whole vectors and is five times slower on what is left over
        left, right = (F.pad(part, (0, -width % 16)) for part in (left, right))
    return torch.sparse.sampled_addmm(compressed, left.contiguous(), right.t(), beta=0.0).values()


def _check(device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """A product and its gradients by the matrix and by the edges, of which one is there twice."""
    generator = torch.Generator("cpu").manual_seed(0)
    edge_index = torch.randint(6, (2, 30), generator=generator, device="cpu")
    edge_index[:, 1] = edge_index[:, 0]
    edges = to_csr(edge_index.to(device), 8)
    drawn = [torch.randn(shape, generator=generator, device="cpu").to(device) for shape in ((30,), (8, 5), (8, 5))]
    values, dense, above = drawn[0].requires_grad_(), drawn[1].requires_grad_(), drawn[2]
    messages = values.unsqueeze(-1) * dense.index_select(0, edges.by_target.neighbor)
    plain = torch.zeros_like(above).index_add(0, edges.target, messages)
    ours = sparse_product(SparseMatrix(edges, values), dense)
    found = [[out, *torch.autograd.grad(out, (values, dense), above)] for out in (ours, plain)]
    return found[0], found[1]


PRODUCT = Guard("the product with a sparse matrix", "message passing", _check)


def product_serves(device: torch.device) -> bool:
    """Whether the product can be trusted on a device: on a CPU, or where it agreed with message passing."""
    return device.type == "cpu" or PRODUCT.passes(device)
