import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from graphreel.gnn.kernels.csr import to_csr
from graphreel.gnn.kernels.spmm import SparseMatrix, multiply, sampled_product, sparse_product


def dense_of(edges, values, num_nodes):
    """A[target, source] by adding up the entries."""
    places = (edges.target.long(), edges.by_target.neighbor.long())
    return values.new_zeros(num_nodes, num_nodes).index_put(places, values, accumulate=True)


@pytest.fixture
def matrix(graph, generator):
    edges = to_csr(graph.edge_index, graph.num_nodes)
    return edges, torch.randn(edges.num_edges, dtype=torch.float64, generator=generator), graph.num_nodes


@pytest.mark.parametrize("width", [0, 1, 3, 16])
def test_values_and_gradients_against_the_dense_product(matrix, width, generator):
    edges, values, num_nodes = matrix
    dense = torch.randn(num_nodes, width, dtype=torch.float64, generator=generator)
    grad = torch.randn(num_nodes, width, dtype=torch.float64, generator=generator)
    results = []
    for product in (
        lambda v, d: sparse_product(SparseMatrix(edges, v), d),
        lambda v, d: dense_of(edges, v, num_nodes) @ d,
    ):
        v, d = values.clone().requires_grad_(), dense.clone().requires_grad_()
        out = product(v, d)
        results.append((out, *torch.autograd.grad(out, (v, d), grad)))
    for ours, formula in zip(*results, strict=True):
        torch.testing.assert_close(ours, formula, rtol=1e-12, atol=1e-12)


def test_gradcheck(matrix, generator):
    edges, values, num_nodes = matrix
    if num_nodes == 0:
        pytest.skip("a graph without nodes has no derivative to compare")
    dense = torch.randn(num_nodes, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    values = values.requires_grad_()

    def product(v, d):
        return sparse_product(SparseMatrix(edges, v), d)

    assert gradcheck(product, (values, dense))
    assert gradgradcheck(product, (values, dense))


def test_only_what_needs_a_gradient_gets_one(everything, generator):
    edges = to_csr(everything.edge_index, everything.num_nodes)
    dense = torch.randn(everything.num_nodes, 2, dtype=torch.float64, generator=generator)
    for value_grad, dense_grad in ((True, False), (False, True), (False, False)):
        v, d = everything.edge_weight.clone().requires_grad_(value_grad), dense.clone().requires_grad_(dense_grad)
        out = sparse_product(SparseMatrix(edges, v[edges.origin]), d)
        assert out.requires_grad == (value_grad or dense_grad)
        if out.requires_grad:
            out.sum().backward()
        assert (v.grad is not None) == value_grad
        assert (d.grad is not None) == dense_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 7, 16, 33])
def test_sampled_product(everything, width, dtype, generator):
    edges = to_csr(everything.edge_index, everything.num_nodes)
    compressed = SparseMatrix(edges, torch.ones(edges.num_edges, dtype=dtype)).compressed
    left, right = torch.randn(2, everything.num_nodes, width, dtype=dtype, generator=generator)
    expected = [
        float((left[t] * right[s]).sum())
        for t, s in zip(edges.target.tolist(), edges.by_target.neighbor.tolist(), strict=True)
    ]
    torch.testing.assert_close(sampled_product(compressed, left, right), torch.tensor(expected, dtype=dtype))


def test_a_buffer_of_nan_does_not_leak(everything):
    edges = to_csr(everything.edge_index, everything.num_nodes)
    compressed = SparseMatrix(edges, torch.ones(edges.num_edges)).compressed
    for _ in range(20):
        rubbish = torch.full((everything.num_nodes, 5), float("nan"))
        del rubbish  # the allocator is likely to hand this memory to the product
        assert not multiply(compressed, torch.ones(everything.num_nodes, 5)).isnan().any()


def test_the_same_twice(generator):
    edge_index = torch.randint(200, (2, 5000), generator=generator)
    edges = to_csr(edge_index, 200)
    values, dense = torch.randn(5000, generator=generator), torch.randn(200, 16, generator=generator)
    results = []
    for _ in range(2):
        v, d = values.clone().requires_grad_(), dense.clone().requires_grad_()
        out = sparse_product(SparseMatrix(edges, v), d)
        results.append((out, *torch.autograd.grad(out.square().sum(), (v, d))))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
