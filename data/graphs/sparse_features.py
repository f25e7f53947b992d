"""Node features of which few are non-zero, stored as sparse rows."""

import warnings

import torch
from torch import Tensor


def to_sparse(x: Tensor) -> Tensor:
    """The same matrix [N, F] as torch.sparse_csr, holding only its non-zero values.

    A bag of words is about 1 % dense (Cora: 1.3 %), so that dropout and the first product on the stored values alone
    cost a fraction. torch's one-time note that CSR is in beta is not passed on.

    Raises:
        ValueError: x is not a matrix.
    """
    if x.dim() != 2:
        raise ValueError(f"x has shape {list(x.shape)}, expected [nodes, features]")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]parse CSR.*")
        return x if x.layout == torch.sparse_csr else x.to_sparse_csr()


def select_rows(x: Tensor, index: Tensor) -> Tensor:
    """x[index] for a torch.sparse_csr x [N, F], again as torch.sparse_csr."""
    start = x.crow_indices()[index]
    count = x.crow_indices()[index + 1] - start
    end = count.cumsum(0)
    place = torch.arange(int(count.sum())) + (start - (end - count)).repeat_interleave(count)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]parse CSR.*")
        return torch.sparse_csr_tensor(
            torch.cat([end.new_zeros(1), end]),
            x.col_indices()[place],
            x.values()[place],
            size=(index.numel(), x.size(1)),
            check_invariants=False,
        )
