"""The sums of attention over a CSR graph, against the same in plain operations and in numbers known by hand."""

import pytest
import torch
from torch import Tensor

from graphreel.gnn.kernels.attention import attend, attend_by_edges
from graphreel.gnn.kernels.block_diagonal import block_diagonal
from graphreel.gnn.kernels.csr import CSRGraph, to_csr


def draw(
    edges: CSRGraph, generator: torch.Generator, heads: int = 2, width: int = 3, scale: float = 1.0
) -> list[Tensor]:
    shapes = (
        (edges.num_sources, heads, width),
        (edges.num_sources, heads),
        (edges.num_targets, heads),
        (edges.num_edges, heads),
    )
    return [(scale * torch.randn(s, dtype=torch.float64, generator=generator)).requires_grad_() for s in shapes]


@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize("with_edges", [False, True])
@pytest.mark.parametrize("at_once", [1, 10**6])
def test_equals_plain_operations(graph, generator, at_once, with_edges, scale):
    edges = to_csr(graph.edge_index, graph.num_nodes, self_loops=False)
    h, s, t, u = draw(edges, generator, scale=scale)
    u = u if with_edges else None
    inputs = [part for part in (h, s, t, u) if part is not None]
    ours, plain = attend(h, s, t, u, edges, edges_at_once=at_once)[0], attend_by_edges(h, s, t, u, edges)[0]
    torch.testing.assert_close(ours, plain)
    grad = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(plain, inputs, grad))


@pytest.mark.parametrize("with_edges", [False, True])
def test_gradients_of_first_and_second_order(everything, generator, with_edges):
    edges = to_csr(everything.edge_index, everything.num_nodes)
    inputs = draw(edges, generator, heads=2, width=2)[: 4 if with_edges else 3]

    def run(h: Tensor, s: Tensor, t: Tensor, u: Tensor | None = None) -> Tensor:
        return attend(h, s, t, u, edges)[0]

    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("with_edges", [False, True])
def test_gradients_under_dropout(everything, generator, with_edges):
    edges = to_csr(everything.edge_index, everything.num_nodes, self_loops=True)
    inputs = draw(edges, generator)[: 4 if with_edges else 3]

    def run(h: Tensor, s: Tensor, t: Tensor, u: Tensor | None = None) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return attend(h, s, t, u, edges, 0.2, 0.5)[0]

    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("heads", [2, 17])  # one product with a block-diagonal matrix, and a sum per head
@pytest.mark.parametrize("at_once", [1, 10**6])
def test_scores_from_the_features(everything, generator, at_once, heads):
    edges = to_csr(everything.edge_index, everything.num_nodes, self_loops=True)
    h = draw(edges, generator, heads, width=2)[0]
    attention = torch.randn(heads, 2, 2, dtype=torch.float64, generator=generator).requires_grad_()

    def run(h: Tensor, attention: Tensor) -> Tensor:
        return attend(h, None, None, None, edges, attention=attention, edges_at_once=at_once)[0]

    s, t = (torch.einsum("nhc,hc->nh", h, side) for side in attention.unbind(-1))
    torch.testing.assert_close(run(h, attention), attend_by_edges(h, s, t, None, edges)[0])
    assert torch.autograd.gradcheck(run, (h, attention), fast_mode=heads > 2)
    assert torch.autograd.gradgradcheck(run, (h, attention), fast_mode=heads > 2)


def test_small_and_large_scores_of_different_targets_are_exact():
    # targets 0 and 1 see scores 0, 0 and 200: one maximum for both would leave 0 / 0 for target 0
    edges = to_csr(torch.tensor([[0, 1, 2], [0, 0, 1]]), (3, 2))
    h = torch.tensor([[[1.0]], [[3.0]], [[5.0]]])
    out, _ = attend(h, torch.tensor([[0.0], [0.0], [200.0]]), torch.zeros(2, 1), None, edges)
    torch.testing.assert_close(out.flatten(), torch.tensor([2.0, 5.0]))


@pytest.mark.parametrize("score", [-1e4, -100.0, 100.0, 1e4])
def test_equal_scores_of_any_size_weigh_equally(score):
    edges = to_csr(torch.tensor([[0, 1], [0, 0]]), (2, 1))
    s = torch.full((2, 1), score, requires_grad=True)
    h = torch.tensor([[[1.0]], [[3.0]]], requires_grad=True)
    out, _ = attend(h, s, torch.zeros(1, 1), None, edges)
    out.sum().backward()
    torch.testing.assert_close(out.flatten(), torch.tensor([2.0]))
    torch.testing.assert_close(h.grad.flatten(), torch.tensor([0.5, 0.5]))
    slope = 1.0 if score > 0 else 0.2
    torch.testing.assert_close(s.grad.flatten(), slope * torch.tensor([-0.5, 0.5]))


def test_at_score_zero_the_slope_is_the_negative_one_as_in_pytorch():
    edges = to_csr(torch.tensor([[0, 1], [0, 0]]), (2, 1))
    s = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
    h = torch.tensor([[[1.0]], [[3.0]]], dtype=torch.float64)
    t = torch.zeros(1, 1, dtype=torch.float64)
    (ours,) = torch.autograd.grad(attend(h, s, t, None, edges)[0].sum(), s)
    (plain,) = torch.autograd.grad(attend_by_edges(h, s, t, None, edges)[0].sum(), s)
    torch.testing.assert_close(ours, plain)


def test_nan_reaches_the_targets_that_see_it(everything, generator):
    edges = to_csr(everything.edge_index, everything.num_nodes, self_loops=True)
    h, s, t, _ = draw(edges, generator)
    s.data[5] = float("nan")
    out, _ = attend(h, s, t, None, edges)
    assert out.isnan().flatten(1).any(1).tolist() == [True, False, False, False, False, True, False]


def test_block_diagonal_copies_know_nothing_of_each_other(everything):
    edges = to_csr(everything.edge_index, (7, 9))
    twice = block_diagonal(edges, 2)
    source, target = edges.by_target.neighbor.long(), edges.target.long()
    listed = torch.stack([torch.stack([source * 2 + k, target * 2 + k]) for k in (0, 1)], -1).flatten(1)
    fresh = to_csr(listed, (14, 18))
    for ours, expected in zip((*twice.by_target, *twice.by_source), (*fresh.by_target, *fresh.by_source), strict=True):
        assert torch.equal(ours, expected)
    assert torch.equal(twice.target, fresh.target)
