import math

import pytest
import torch

from graphreel.gnn.kernels import sparse_features


@pytest.fixture
def x(generator):
    dense = torch.randn(40, 30, dtype=torch.float64, generator=generator)
    return dense.masked_fill(torch.rand(40, 30, generator=generator) < 0.8, 0.0)


def test_linear_and_its_gradients(x, generator):
    weight = torch.randn(5, 30, dtype=torch.float64, generator=generator, requires_grad=True)
    bias = torch.randn(5, dtype=torch.float64, generator=generator, requires_grad=True)
    results = []
    for features in (x, x.to_sparse_csr()):
        out = sparse_features.linear(features, weight, bias)
        results.append((out, *torch.autograd.grad(out.square().sum(), (weight, bias))))
    for dense, sparse in zip(*results, strict=True):
        torch.testing.assert_close(sparse, dense, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda w: sparse_features.linear(x[:3].to_sparse_csr(), w), (weight,))


def test_linear_of_sparse_features_that_require_a_gradient(x, generator):
    weight = torch.randn(5, 30, dtype=torch.float64, generator=generator)
    sparse, dense = x.to_sparse_csr().requires_grad_(), x.clone().requires_grad_()
    for features in (sparse, dense):
        sparse_features.linear(features, weight).square().sum().backward()
    torch.testing.assert_close(sparse.grad.to_dense(), dense.grad * (x != 0))


def test_a_write_into_the_values_is_noticed(x, generator):
    weight = torch.randn(5, 30, dtype=torch.float64, generator=generator)
    sparse = x.to_sparse_csr()
    sparse_features.linear(sparse, weight)
    sparse.values().mul_(3)
    torch.testing.assert_close(sparse_features.linear(sparse, weight), 3 * x @ weight.t())


def test_dropout_keeps_and_scales_stored_values(x):
    sparse = x.to_sparse_csr()
    dropped = sparse_features.dropout(sparse, 0.25).to_dense()
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], x[kept] / 0.75)
    stored = int((x != 0).sum())
    deviation = math.sqrt(stored * 0.25 * 0.75)
    assert abs(int(kept.sum()) - 0.75 * stored) < 5 * deviation
    assert not torch.equal(kept, sparse_features.dropout(sparse, 0.25).to_dense() != 0)


def test_dropout_is_the_identity_where_nothing_is_dropped(x):
    sparse = x.to_sparse_csr()
    assert sparse_features.dropout(sparse, 0.5, training=False) is sparse
    assert sparse_features.dropout(sparse, 0.0) is sparse
    assert not sparse_features.dropout(sparse, 1.0).to_dense().any()
    assert torch.equal(sparse_features.dropout(x, 0.5, training=False), x)


def test_gradient_through_dropped_features(x, generator):
    weight = torch.randn(5, 30, dtype=torch.float64, generator=generator, requires_grad=True)
    dropped = sparse_features.dropout(x.to_sparse_csr(), 0.5)
    (sparse,) = torch.autograd.grad(sparse_features.linear(dropped, weight).square().sum(), weight)
    (dense,) = torch.autograd.grad((dropped.to_dense() @ weight.t()).square().sum(), weight)
    torch.testing.assert_close(sparse, dense, rtol=1e-12, atol=1e-12)
