"""The three layers in place of PyTorch Geometric's: options and ways to call them, drawn at random and one by one."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

from graphreel import gnn
from graphreel.gnn.kernels.dispatch import use_path

KINDS = ["GCNConv", "GATConv", "GATv2Conv"]
PATHS = ["edge_list", "csr"]
each = pytest.mark.parametrize("kind", KINDS)
attention = pytest.mark.parametrize("kind", KINDS[1:])
sparse_warning = pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # PyG makes them


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with use_path(request.param):
        yield str(request.param)


def twins(kind: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs = getattr(pyg, kind)(*args, **options).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_()
    ours = getattr(gnn, kind)(*args, **options).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def derivatives(layer: nn.Module, result: Any, leaves: list[Tensor], again: bool = False) -> list[Tensor]:
    """The result, the gradients of a fixed functional of all of it, and those of the gradients' squares."""
    out, rest = result if isinstance(result, tuple) else (result, ())
    parts = [out, *(part for part in rest if part.is_floating_point() and part.layout == torch.strided)]
    total = sum((p * torch.linspace(-1, 2, p.numel(), dtype=p.dtype).view(p.shape)).sum() for p in parts)
    wanted = [*leaves, *layer.parameters()]
    grads = torch.autograd.grad(total, wanted, create_graph=again, allow_unused=True, materialize_grads=True)
    squares = sum(grad.square().sum() for grad in grads)
    more = torch.autograd.grad(squares, wanted, allow_unused=True, materialize_grads=True) if again else ()
    return [*parts, *grads, *more]


def same(first: list[Tensor], second: list[Tensor]) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


options_of_attention = st.fixed_dictionaries(
    {
        "heads": st.sampled_from([1, 2, 17]),
        "concat": st.booleans(),
        "negative_slope": st.sampled_from([0.0, 0.2, 1.5]),
        "add_self_loops": st.booleans(),
        "fill_value": st.sampled_from(["mean", "add", "max", "min", "mul", 1.5]),
        "residual": st.booleans(),
        "bias": st.booleans(),
        "flow": st.sampled_from(["source_to_target"] * 4 + ["target_to_source"]),
    }
)


@pytest.mark.parametrize("path", PATHS)
@attention
@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    options=options_of_attention,
    nodes=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    num_edges=st.integers(0, 50),
    bipartite=st.booleans(),
    edge_dim=st.sampled_from([None, 1, 2]),
    weights=st.booleans(),
    again=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_attention_with_any_options(kind, path, options, nodes, num_edges, bipartite, edge_dim, weights, again, seed):
    torch.manual_seed(seed)
    sources, targets = nodes if bipartite else (nodes[0], nodes[0])
    if options["flow"] == "target_to_source":
        bipartite, targets = False, sources
    if edge_dim is not None:  # PyG looks for the features of loops that there are not
        targets = min(sources, targets)
    num_edges = num_edges if min(sources, targets) else 0
    bounds = torch.tensor([[max(1, sources)], [max(1, targets)]])
    edge_index = torch.randint(2**30, (2, num_edges)) % bounds
    leaves = [draw(sources, 3), draw(targets, 2)] if bipartite else [draw(sources, 3)]
    x: Any = tuple(leaves) if bipartite else leaves[0]
    edge_attr = None
    if edge_dim is not None:
        edge_attr = draw(num_edges, edge_dim)
        leaves.append(edge_attr)
        edge_attr = edge_attr[:, 0] if edge_dim == 1 else edge_attr
    leaves = [leaf.requires_grad_() for leaf in leaves]
    results = []
    with use_path(path):
        for layer in twins(kind, (3, 2) if bipartite else 3, 2, edge_dim=edge_dim, **options):
            result = layer(x, edge_index, edge_attr, return_attention_weights=weights)
            if weights:
                assert torch.equal(result[1][0], result[1][0].long())
            results.append(derivatives(layer, result, leaves, again))
    same(*results)


@pytest.mark.parametrize("path", PATHS)
@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    options=st.sampled_from(
        [{}, {"improved": True}, {"add_self_loops": False}, {"normalize": False}, {"cached": True, "bias": False}]
    ),
    num_nodes=st.integers(0, 6),
    num_edges=st.integers(0, 50),
    weighted=st.booleans(),
    again=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_convolution_with_any_options(path, options, num_nodes, num_edges, weighted, again, seed):
    torch.manual_seed(seed)
    edge_index = torch.randint(max(1, num_nodes), (2, num_edges if num_nodes else 0))
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]  # of loops given twice PyG's gradient takes both
    leaves = [draw(num_nodes, 3).requires_grad_()]
    if weighted:
        leaves.append((torch.rand(edge_index.size(1), dtype=torch.float64) + 0.1).requires_grad_())
    results = []
    with use_path(path):
        for layer in twins("GCNConv", 3, 2, **options):
            results.append(derivatives(layer, layer(leaves[0], edge_index, *leaves[1:]), leaves, again))
    same(*results)


@each
def test_more_edges_than_pairs_of_nodes(kind, path):
    torch.manual_seed(0)
    edge_index, x = torch.randint(3, (2, 60)), draw(3, 4).requires_grad_()
    given = (torch.rand(60, dtype=torch.float64) + 0.1).requires_grad_()
    options = {"add_self_loops": False} if kind == "GCNConv" else {"edge_dim": 1}
    results = [derivatives(a, a(x, edge_index, given), [x, given]) for a in twins(kind, 4, 2, **options)]
    same(*results)


@attention
@pytest.mark.parametrize("bipartite", [False, True])
def test_a_gradient_with_a_graph_of_its_own_is_the_same(kind, bipartite, path, everything):
    options = {"heads": 2, "edge_dim": 2} if kind == "GATConv" else {"heads": 2, "edge_dim": 2, "share_weights": True}
    layer, _ = twins(kind, (3, 3) if bipartite else 3, 2, **options)
    leaves = [draw(7, 3).requires_grad_(), draw(len(everything.edge_weight), 2).requires_grad_()]
    x = (leaves[0], leaves[0] ** 2) if bipartite else leaves[0]
    wanted = [*leaves, *layer.parameters()]
    total = layer(x, everything.edge_index, leaves[1]).square().sum()
    first, second = (torch.autograd.grad(total, wanted, create_graph=again) for again in (True, False))
    torch.testing.assert_close(first, second)


@each
@pytest.mark.parametrize("options", [{}, {"add_self_loops": False}], ids=str)
@pytest.mark.parametrize("aggr", ["add", "mean"])
def test_int32_is_as_good_as_int64(kind, options, aggr, path, everything):
    """Also where messages are passed, although torch's gradient of scatter_add is wrong for int32."""
    given = draw(len(everything.edge_weight)).abs().requires_grad_()
    layer, _ = twins(kind, 3, 2, aggr=aggr, **options, **({} if kind == "GCNConv" else {"edge_dim": 1}))
    x = draw(7, 3).requires_grad_()
    same(
        *(
            derivatives(layer, layer(x, edge_index, given), [x, given])
            for edge_index in (everything.edge_index.int(), everything.edge_index)
        )
    )


@sparse_warning
@attention
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
@pytest.mark.parametrize("add_self_loops", [True, False])
@pytest.mark.parametrize("sources", [4, 6])
def test_a_sparse_adjacency(kind, weights, layout, add_self_loops, sources, path):
    torch.manual_seed(0)
    dense = (torch.rand(4, sources) < 0.4).double()
    adjacency = dense.to_sparse(layout=layout)
    x: Any = draw(4, 3) if sources == 4 else (draw(sources, 3), draw(4, 3))
    leaves = [part.requires_grad_() for part in (x if isinstance(x, tuple) else (x,))]
    results = []
    for layer in twins(kind, 3 if sources == 4 else (3, 3), 2, heads=2, add_self_loops=add_self_loops):
        for _ in range(2):
            result = layer(x, adjacency, return_attention_weights=weights)
        results.append(derivatives(layer, result, leaves))
        if weights:
            assert result[1][0].layout == layout
            results[-1].append(result[1][0].to_dense())
    same(*results)


@sparse_warning
@attention
def test_a_sparse_adjacency_passes_no_messages(kind, path, monkeypatch):
    layer = getattr(gnn, kind)(3, 2)
    monkeypatch.setattr(type(layer), "edge_updater", lambda *given, **more: pytest.fail("messages were passed"))
    layer(torch.randn(4, 3), torch.eye(4).to_sparse_csr(), return_attention_weights=True)


@pytest.mark.parametrize("p", [0.5, 1.0])
@attention
def test_weights_that_are_returned_are_those_that_were_used(kind, p, path, everything):
    layer, _ = twins(kind, 3, 2, heads=2, dropout=p, bias=False)
    x = draw(7, 3).requires_grad_()
    torch.manual_seed(1)
    out, (edge_index, alpha) = layer(x, everything.edge_index, return_attention_weights=True)
    h = (layer.lin if kind == "GATConv" else layer.lin_l)(x).view(7, 2, 2)
    messages = alpha.unsqueeze(-1) * h[edge_index[0]]
    torch.testing.assert_close(out, torch.zeros_like(h).index_add(0, edge_index[1], messages).flatten(1))
    results = [total + alpha.square().sum() for total in (out.sum(), messages.sum())]
    torch.testing.assert_close(*(torch.autograd.grad(total, x, retain_graph=True) for total in results))


@pytest.mark.parametrize("options", [{}, {"share_weights": True}, {"edge_dim": 2, "residual": True}], ids=str)
@attention
def test_the_same_initial_weights_from_the_same_seed(kind, options):
    if kind == "GATConv" and "share_weights" in options:
        pytest.skip("not an argument of this layer")
    layers = []
    for room in (gnn, pyg):
        torch.manual_seed(3)
        layers.append(getattr(room, kind)(5, 4, heads=2, **options))
    for ours, theirs in zip(*(layer.parameters() for layer in layers), strict=True):
        assert torch.equal(ours, theirs)


@each
def test_a_message_replaced_on_the_object_is_obeyed(kind, path, everything):
    layer, _ = twins(kind, 3, 2, bias=False)
    x = draw(7, 3)
    expected = 2 * layer(x, everything.edge_index)
    usual = layer.message
    layer.message = lambda *given, **more: 2 * usual(*given, **more)
    torch.testing.assert_close(layer(x, everything.edge_index), expected)


@each
def test_an_explanation_taken_back_leaves_no_trace(kind, path, everything, monkeypatch):
    layer, _ = twins(kind, 3, 2)
    layer.explain = True
    layer.explain = False
    assert "propagate" in layer.__dict__
    monkeypatch.setattr(type(layer), "message", lambda *given, **more: pytest.fail("messages were passed"))
    assert layer(draw(7, 3), everything.edge_index).shape == (7, 2)


def test_another_module_in_place_of_the_linear_map(path, everything):
    x = draw(7, 3)
    results = []
    for layer in twins("GCNConv", 3, 2):
        layer.lin = nn.Sequential(layer.lin, nn.Tanh())
        results.append(layer(x, everything.edge_index))
    torch.testing.assert_close(*results)
    torch.testing.assert_close(layer(x, everything.edge_index), results[0])


@each
def test_hooks_of_the_linear_map_see_sparse_features_too(kind, path, everything):
    layer, _ = twins(kind, 3, 2)
    linear = layer.lin_l if kind == "GATv2Conv" else layer.lin
    linear.register_forward_hook(lambda module, inputs, out: out.tanh())
    x = draw(7, 3).relu()
    torch.testing.assert_close(layer(x.to_sparse_csr(), everything.edge_index), layer(x, everything.edge_index))


@each
def test_one_sentence_for_features_that_are_none(kind):
    with pytest.raises(ValueError, match=r"x must have the shape \[\.\.\., nodes, features\], but its shape is \[3\]"):
        getattr(gnn, kind)(3, 2)(torch.ones(3), torch.tensor([[0], [1]]))


def test_what_only_gatv2_refuses():
    edge_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="x must hold the features of the targets too"):
        gnn.GATv2Conv(3, 2)((torch.ones(2, 3), None), edge_index)
    with pytest.raises(ValueError, match="edge_attr was given, but the layer has no edge_dim"):
        gnn.GATv2Conv(3, 2)(torch.ones(2, 3), edge_index, torch.ones(1, 2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@each
def test_a_trace_serves_a_graph_of_another_size(kind, path, everything):
    layer, _ = twins(kind, 3, 2)
    traced = torch.jit.trace(layer, (draw(7, 3), everything.edge_index))
    x, edge_index = draw(9, 3), torch.tensor([[0, 8, 8], [8, 1, 1]])
    torch.testing.assert_close(traced(x, edge_index), layer(x, edge_index))
