"""GATv2's scores, a chunk of edges at a time, against the same in plain operations."""

import pytest
import torch
from torch import Tensor

from graphreel.gnn.kernels.csr import CSRGraph, to_csr
from graphreel.gnn.kernels.gatv2_scores import edge_scores, edge_scores_by_edges


def draw(edges: CSRGraph, generator: torch.Generator, heads: int, width: int) -> list[Tensor]:
    shapes = ((edges.num_sources, heads, width), (edges.num_targets, heads, width), (edges.num_edges, heads, width))
    return [
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in (*shapes, (heads, width))
    ]


@pytest.mark.parametrize("with_edges", [False, True])
@pytest.mark.parametrize("heads", [2, 17])  # one product with a block-diagonal matrix, and a sum per head
@pytest.mark.parametrize("numbers", [1, 20, 10**6])
def test_equals_plain_operations(graph, generator, numbers, heads, with_edges):
    edges = to_csr(graph.edge_index, (graph.num_nodes, graph.num_nodes + 2), self_loops=False)
    source, target, edge, att = draw(edges, generator, heads, width=3)
    given = edge if with_edges else None
    inputs = [source, target, *([edge] if with_edges else []), att]
    ours = edge_scores(source, target, given, att, edges, 0.3, numbers)
    plain = edge_scores_by_edges(source, target, given, att, edges, 0.3)
    torch.testing.assert_close(ours, plain)
    grad = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(plain, inputs, grad))


@pytest.mark.parametrize("with_edges", [False, True])
def test_gradients_of_first_and_second_order(everything, generator, with_edges):
    edges = to_csr(everything.edge_index, 7, self_loops=True)
    source, target, edge, att = draw(edges, generator, heads=2, width=2)
    inputs = (source, target, att, *([edge] if with_edges else []))

    def run(source: Tensor, target: Tensor, att: Tensor, edge: Tensor | None = None) -> Tensor:
        return edge_scores(source, target, edge, att, edges, numbers_at_once=12)

    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


def test_only_the_gradients_wanted(everything, generator):
    edges = to_csr(everything.edge_index, 7)
    source, target, _, att = draw(edges, generator, heads=2, width=2)
    (grad,) = torch.autograd.grad(edge_scores(source, target.detach(), None, att.detach(), edges).sum(), source)
    (plain,) = torch.autograd.grad(edge_scores_by_edges(source, target, None, att, edges, 0.2).sum(), source)
    torch.testing.assert_close(grad, plain)
