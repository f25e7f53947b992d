"""The fused kernels of graph attention against the formula in float64."""

import warnings

import pytest
import torch
from torch import Tensor

from graphreel.gnn import GATConv, GATv2Conv
from graphreel.gnn.kernels import fused_attention
from graphreel.gnn.kernels.csr import to_csr
from graphreel.gnn.kernels.dispatch import use_path
from graphreel.gnn.kernels.fused_attention import ATTENTION, attention_by_messages

# name -> sources, targets, edges
GRAPHS = {
    "directed": (6, 6, [(0, 1), (1, 2), (2, 0), (0, 3), (3, 1), (0, 1), (2, 2)]),  # node 4 and 5 have no edge
    "hub": (3, 2, [(k % 3, 0) for k in range(37)] + [(1, 1)]),  # more edges than a block holds, and bipartite
    "no edges": (3, 2, []),
    "no nodes": (0, 0, []),
}


def draw(name: str, dynamic: bool, with_edges: bool, heads: int, width: int, scale: float = 1.0):
    sources, targets, ends = GRAPHS[name]
    edges = to_csr(torch.tensor(ends, dtype=torch.long).view(-1, 2).t().contiguous(), (sources, targets))
    generator = torch.Generator().manual_seed(1)
    form = (heads, width) if dynamic else (heads,)

    def tensor(*shape: int) -> Tensor:
        return (scale * torch.randn(shape, generator=generator)).requires_grad_()

    edge = tensor(len(ends), *form) if with_edges else None
    source, att = (None, tensor(heads, width)) if dynamic else (tensor(sources, heads), None)
    return [tensor(sources, heads, width), source, tensor(targets, *form), edge, att], edges


def gradients(way, parts, edges):
    out = way(*parts, edges, 0.2)
    weight = torch.arange(out.numel(), dtype=torch.float64).view_as(out).sin().to(out.dtype)
    leaves = [part for part in parts if part is not None]
    return [out, *torch.autograd.grad((out * weight).sum(), leaves)]


def in_double(parts):
    return [None if part is None else part.detach().double().requires_grad_() for part in parts]


@pytest.mark.parametrize("dynamic", [False, True], ids=["gat", "gatv2"])
@pytest.mark.parametrize(
    ("graph", "with_edges", "heads", "width"),
    [
        ("directed", True, 3, 5),
        ("hub", False, 1, 8),
        ("hub", True, 2, 3),
        ("no edges", False, 2, 4),
        ("no nodes", True, 1, 4),
    ],
)
def test_values_and_gradients(graph, with_edges, heads, width, dynamic):
    parts, edges = draw(graph, dynamic, with_edges, heads, width)
    ours = gradients(fused_attention.fused_attention, parts, edges)
    formula = gradients(attention_by_messages, in_double(parts), edges)
    torch.testing.assert_close(ours, formula, check_dtype=False, rtol=1e-4, atol=1e-5)


def test_large_scores_keep_their_softmax():
    parts, edges = draw("directed", False, True, 2, 4, scale=200.0)
    ours = gradients(fused_attention.fused_attention, parts, edges)
    formula = gradients(attention_by_messages, in_double(parts), edges)
    assert ours[0].isfinite().all()
    torch.testing.assert_close(ours, formula, check_dtype=False, rtol=1e-3, atol=1e-2)


def test_gradient_of_a_gradient():
    parts, edges = draw("directed", False, False, 2, 3)
    results = []
    for way, given in ((fused_attention.fused_attention, parts), (attention_by_messages, in_double(parts))):
        leaves = [part for part in given if part is not None]
        first = torch.autograd.grad(way(*given, edges, 0.2).square().sum(), leaves, create_graph=True)
        results.append(torch.autograd.grad(sum(part.sin().sum() for part in first), leaves))
    torch.testing.assert_close(*results, check_dtype=False, rtol=1e-4, atol=1e-4)


@pytest.fixture
def launches(monkeypatch):
    """The names of the kernels that are run."""
    found = []
    launch = fused_attention._launch
    monkeypatch.setattr(fused_attention, "_launch", lambda name, *args: (found.append(name), launch(name, *args)))
    return found


@pytest.mark.parametrize("kind", [GATConv, GATv2Conv])
def test_a_layer_gives_what_its_messages_do(kind, launches):
    torch.manual_seed(0)
    layer = kind(4, 3, heads=2, edge_dim=2, dropout=0.5, residual=True).eval()
    x, edge_index, edge_attr = torch.randn(2, 5, 4), torch.tensor([[0, 1, 1, 0, 2], [1, 1, 2, 1, 0]]), torch.randn(5, 2)
    assert ATTENTION.passes(x.device)
    results = []
    for path in ("triton", "messages"):
        launches.clear()
        with use_path(path):
            out = layer(x, edge_index, edge_attr)
            results.append([out, *torch.autograd.grad(out.sin().sum(), list(layer.parameters()))])
        assert launches == (["forward", "backward_by_target", "backward_by_source"] if path == "triton" else [])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)
    launches.clear()
    with use_path("triton"):  # what the kernels do not do
        layer(x, edge_index, edge_attr, return_attention_weights=True)
        layer.train()(x, edge_index, edge_attr)
        layer.double().eval()(x.double(), edge_index, edge_attr.double())
    assert launches == []


class _Wrong:
    """A kernel that leaves zeros behind, or raises."""

    def __init__(self, error):
        self.error = error

    def __getitem__(self, grid):
        def run(*args, **options):
            if self.error is not None:
                raise self.error
            args[7].zero_()

        return run


@pytest.mark.parametrize("error", [None, RuntimeError("ptxas fatal: no such card\nmore")])
def test_a_kernel_that_fails_or_differs_is_not_used(error, monkeypatch):
    torch.manual_seed(0)
    layer, x, edge_index = GATConv(4, 3), torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])
    expected = layer(x, edge_index)
    monkeypatch.setattr(ATTENTION, "_passed", {})
    monkeypatch.setattr(fused_attention, "kernels", lambda: {"forward": _Wrong(error)})
    message = "graph attention is not used on cpu, message passing is: "
    with use_path("triton"):
        with pytest.warns(UserWarning, match=message + ("ptxas fatal: no such card$" if error else "")):
            torch.testing.assert_close(layer(x, edge_index), expected)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            torch.testing.assert_close(layer(x, edge_index), expected)
