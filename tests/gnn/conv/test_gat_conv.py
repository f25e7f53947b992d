"""GATConv and GATv2Conv against PyTorch Geometric's and against the dense formulas."""

import copy
import io
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor

from graphreel.gnn import GATConv, GATv2Conv, dense_gat, dense_gatv2
from graphreel.gnn.conv import attention_base
from graphreel.gnn.conv.attention_base import AttentionConv
from graphreel.gnn.kernels.csr import to_csr
from graphreel.gnn.kernels.dispatch import use_path

PAIRS = [(GATConv, pyg.GATConv), (GATv2Conv, pyg.GATv2Conv)]
both = pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["gat", "gatv2"])
each = pytest.mark.parametrize("kind", [GATConv, GATv2Conv])


@pytest.fixture(autouse=True, params=["edge_list", "csr"])
def path(request):
    """Every test runs on both paths, whatever the size of its graph."""
    with use_path(request.param):
        yield


def pair(ours: Any, theirs: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    a, b = ours(*args, **kwargs).double(), theirs(*args, **kwargs).double()
    with torch.no_grad():
        for parameter in b.parameters():
            parameter.normal_()
    a.load_state_dict(b.state_dict())
    return a, b


def compare(a: Any, b: Any, x: Any, *args: Any, **kwargs: Any) -> None:
    """The same values, and the same gradients in the features and in every parameter."""
    leaves = [part.requires_grad_() for part in (x if isinstance(x, tuple) else (x,)) if part is not None]
    results = []
    for layer in (a, b):
        out = layer(x, *args, **kwargs)
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        wanted = [*leaves, *layer.parameters()]
        results.append((out, *torch.autograd.grad((out * weights).sum(), wanted, allow_unused=True)))
    for mine, expected in zip(*results, strict=True):
        if mine is None or expected is None:  # without an edge PyG leaves out what multiplies nothing
            present = mine if mine is not None else expected
            assert present is None or not present.any()
        else:
            torch.testing.assert_close(mine, expected)


def features(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"heads": 3},
    {"heads": 2, "concat": False, "residual": True},
    {"heads": 2, "add_self_loops": False, "bias": False},
    {"negative_slope": 0.5, "residual": True},
    {"negative_slope": 1.5, "heads": 2},
]


@both
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_equals_pyg(ours, theirs, settings, graph, generator):
    compare(*pair(ours, theirs, 5, 4, **settings), features(generator, graph.num_nodes, 5), graph.edge_index)


@both
@pytest.mark.parametrize("fill_value", ["mean", "add", "max", 0.5, torch.tensor([1.0, -1.0, 2.0])], ids=str)
@pytest.mark.parametrize("add_self_loops", [True, False])
def test_edge_features_equal_pyg(ours, theirs, fill_value, add_self_loops, everything, generator):
    a, b = pair(ours, theirs, 5, 4, heads=2, edge_dim=3, fill_value=fill_value, add_self_loops=add_self_loops)
    x = features(generator, 7, 5)
    edge_attr = features(generator, everything.edge_index.size(1), 3).requires_grad_()
    compare(a, b, x, everything.edge_index, edge_attr)
    mine, expected = (
        torch.autograd.grad(layer(x, everything.edge_index, edge_attr).square().sum(), edge_attr) for layer in (a, b)
    )
    torch.testing.assert_close(mine, expected)


@both
def test_one_number_per_edge_equals_pyg(ours, theirs, graph, generator):
    compare(
        *pair(ours, theirs, 5, 4, edge_dim=1),
        features(generator, graph.num_nodes, 5),
        graph.edge_index,
        graph.edge_weight,
    )


@both
def test_bipartite_equals_pyg(ours, theirs, generator):
    edge_index = torch.tensor([[0, 1, 2, 3, 4, 4, 1], [0, 0, 1, 1, 2, 2, 1]])
    for add_self_loops in (True, False):
        a, b = pair(ours, theirs, (5, 3), 4, heads=2, residual=True, add_self_loops=add_self_loops)
        compare(a, b, (features(generator, 5, 5), features(generator, 3, 3)), edge_index)


def test_bipartite_without_target_features_equals_pyg(generator):
    edge_index = torch.tensor([[0, 1, 2, 3, 4, 4], [0, 0, 1, 1, 2, 2]])
    a, b = pair(GATConv, pyg.GATConv, (5, 3), 4, add_self_loops=False)
    compare(a, b, (features(generator, 5, 5), None), edge_index, size=(5, 3))


def test_shared_weights_equal_pyg(everything, generator):
    a, b = pair(GATv2Conv, pyg.GATv2Conv, 5, 4, heads=2, share_weights=True)
    compare(a, b, features(generator, 7, 5), everything.edge_index)


@both
def test_attention_weights_come_in_pygs_order(ours, theirs, graph, generator):
    a, b = pair(ours, theirs, 5, 4, heads=2)
    x = features(generator, graph.num_nodes, 5)
    out, (edge_index, alpha) = a(x, graph.edge_index, return_attention_weights=True)
    expected, (edge_index_there, alpha_there) = b(x, graph.edge_index, return_attention_weights=True)
    assert torch.equal(edge_index, edge_index_there)
    torch.testing.assert_close((out, alpha), (expected, alpha_there))
    torch.testing.assert_close(out, a(x, graph.edge_index))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # PyG makes them
@both
def test_sparse_adjacency_equals_pyg(ours, theirs, directed, generator):
    edge_index = directed.edge_index
    adjacency = torch.sparse_coo_tensor(
        edge_index.flip(0), torch.ones(5, dtype=torch.float64), (4, 4), check_invariants=False
    )
    adjacency = adjacency.coalesce().to_sparse_csr()
    a, b = pair(ours, theirs, 5, 4, heads=2)
    x = features(generator, 4, 5)
    compare(a, b, x, adjacency)
    torch.testing.assert_close(a(x, adjacency), a(x, edge_index))
    mine, expected = (layer(x, adjacency, return_attention_weights=True)[1] for layer in (a, b))
    torch.testing.assert_close(mine[0].to_dense(), expected[0].to_dense())
    torch.testing.assert_close(mine[1], expected[1])


def adjacency_with_loops(edge_index: Tensor, num_nodes: int) -> Tensor:
    """A[target, source] counting duplicate edges, with exactly one loop per node."""
    adjacency = torch.zeros(num_nodes, num_nodes, dtype=torch.float64)
    for source, target in edge_index.t().tolist():
        if source != target:
            adjacency[target, source] += 1
    return adjacency + torch.eye(num_nodes, dtype=torch.float64)


@pytest.mark.parametrize("concat", [True, False])
@each
def test_equals_the_dense_formula(kind, concat, graph, generator):
    torch.manual_seed(0)
    layer = kind(5, 4, heads=2, concat=concat).double()
    x = features(generator, graph.num_nodes, 5).requires_grad_()
    adjacency = adjacency_with_loops(graph.edge_index, graph.num_nodes)
    if kind is GATConv:
        names = ("lin.weight", "att_src", "att_dst", "bias")
        formula = dense_gat
    else:
        names = ("lin_l.weight", "lin_r.weight", "att", "bias", "lin_l.bias", "lin_r.bias")
        formula = dense_gatv2
    parameters = [layer.get_parameter(name) for name in names]
    expected = formula(x, adjacency, *parameters, concat=concat)
    out = layer(x, graph.edge_index)
    torch.testing.assert_close(out, expected)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    mine, theirs = (torch.autograd.grad((part * weights).sum(), [x, *parameters]) for part in (out, expected))
    torch.testing.assert_close(mine, theirs)


@each
@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(seed=st.integers(0, 10**6), num_nodes=st.integers(1, 8), num_edges=st.integers(0, 20))
def test_permuting_nodes_permutes_the_result(kind, seed, num_nodes, num_edges):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    x, order = features(generator, num_nodes, 3), torch.randperm(num_nodes, generator=generator)
    layer = kind(3, 2, heads=2).double()
    torch.testing.assert_close(layer(x[order], order.argsort()[edge_index]), layer(x, edge_index)[order])


@each
@pytest.mark.parametrize("edge_dim", [None, 3])
def test_leading_dimensions_equal_a_loop(kind, edge_dim, everything, generator):
    layer = kind(5, 4, heads=2, edge_dim=edge_dim, residual=True).double()
    x = features(generator, 2, 3, 7, 5).requires_grad_()
    edge_attr = () if edge_dim is None else (features(generator, everything.edge_index.size(1), edge_dim),)
    out = layer(x, everything.edge_index, *edge_attr)
    loop = torch.stack([torch.stack([layer(part, everything.edge_index, *edge_attr) for part in row]) for row in x])
    torch.testing.assert_close(out, loop)
    parameters = [x, *layer.parameters()]
    mine, expected = (torch.autograd.grad(part.square().sum(), parameters) for part in (out, loop))
    torch.testing.assert_close(mine, expected)
    _, (edges, alpha) = layer(x, everything.edge_index, *edge_attr, return_attention_weights=True)
    single = layer(x[1, 2], everything.edge_index, *edge_attr, return_attention_weights=True)[1]
    assert torch.equal(edges, single[0])
    torch.testing.assert_close(alpha[1, 2], single[1])


@each
@pytest.mark.parametrize("residual", [False, True])
def test_sparse_features_equal_dense_ones(kind, residual, everything, generator):
    layer = kind(-1, 4, heads=2, residual=residual).double()
    x = features(generator, 7, 5) * (torch.rand(7, 5, generator=generator) < 0.4)
    sparse = x.to_sparse_csr()
    out, expected = layer(sparse, everything.edge_index), layer(x, everything.edge_index)
    torch.testing.assert_close(out, expected)
    parameters = list(layer.parameters())
    mine, theirs = (torch.autograd.grad(part.square().sum(), parameters) for part in (out, expected))
    torch.testing.assert_close(mine, theirs)


@each
def test_dropout_drops_weights_and_keeps_the_mean(kind, generator):
    """Of a star's centre, whose weights are equal: the number of weights dropped is binomial, the mean stays."""
    leaves, trials, p = 40, 300, 0.6
    edge_index = torch.stack([torch.arange(1, leaves + 1), torch.zeros(leaves, dtype=torch.long)])
    layer = kind(1, 1, dropout=p, add_self_loops=False, bias=False)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1.0)
        x = torch.ones(leaves + 1, 1)
        torch.manual_seed(0)
        kept = torch.stack([layer(x, edge_index)[0, 0] for _ in range(trials)]) * leaves * (1 - p)
    torch.testing.assert_close(kept, kept.round(), atol=1e-3, rtol=0.0)
    mean, variance = leaves * (1 - p), leaves * p * (1 - p)
    assert abs(kept.mean().item() - mean) < 4 * (variance / trials) ** 0.5
    assert abs(kept.var().item() / variance - 1) < 4 * (2 / trials) ** 0.5
    assert torch.equal(layer.eval()(x, edge_index), layer(x, edge_index))


def without_fast_path(layer: AttentionConv) -> AttentionConv:
    slow = copy.deepcopy(layer)
    slow.register_propagate_forward_hook(lambda module, inputs, out: None)
    return slow


@each
def test_messages_and_fast_path_agree(kind, everything, generator):
    layer = kind(5, 4, heads=2, edge_dim=2).double()
    x, edge_attr = features(generator, 7, 5), features(generator, everything.edge_index.size(1), 2)
    compare(layer, without_fast_path(layer), x, everything.edge_index, edge_attr)


@each
@pytest.mark.parametrize(("width", "sorts"), [(4, 0), (4 * 10**5, 1)], ids=["little", "large"])
def test_only_what_is_worth_it_is_sorted(monkeypatch, kind, width, sorts, everything, generator):
    calls = []
    monkeypatch.setattr(attention_base, "to_csr", lambda *given: calls.append(given) or to_csr(*given))
    layer, x = kind(5, width).double(), features(generator, 7, 5)
    with use_path(None):
        ours = layer(x, everything.edge_index)
    torch.testing.assert_close(ours, without_fast_path(layer)(x, everything.edge_index))
    assert len(calls) == sorts


@pytest.mark.parametrize("heads", [3, 17])
@pytest.mark.parametrize("leading", [(), (3,)])
def test_scores_by_head_and_in_one_product_equal_pygs(leading, heads, everything, generator):
    a, b = pair(GATConv, pyg.GATConv, 5, 4, heads=heads)
    x = features(generator, *leading, 7, 5)
    if leading:
        torch.testing.assert_close(a(x, everything.edge_index)[1], b(x[1], everything.edge_index))
    else:
        compare(a, b, x, everything.edge_index)


@each
def test_hooks_see_the_messages(kind, everything, generator):
    layer = kind(5, 4, heads=2).double()
    observed = []
    layer.register_message_forward_hook(lambda module, inputs, out: observed.append(out.shape))
    layer(features(generator, 7, 5), everything.edge_index)
    assert observed == [(5 + 7, 2, 4)]


@each
def test_a_subclass_with_its_own_message_is_obeyed(kind, everything, generator):
    class Silent(kind):
        def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
            return 0 * alpha.unsqueeze(-1) * x_j

    # PyG names the code it generates after the class
    silent = type(f"Silent{kind.__name__}", (Silent,), {})
    assert not silent(5, 4, bias=False).double()(features(generator, 7, 5), everything.edge_index).any()


@both
@pytest.mark.parametrize("settings", [{"aggr": "max"}, {"flow": "target_to_source"}], ids=str)
def test_other_aggregation_and_flow_equal_pyg(ours, theirs, settings, everything, generator):
    compare(*pair(ours, theirs, 5, 4, **settings), features(generator, 7, 5), everything.edge_index)


@both
@pytest.mark.parametrize("edge_dim", [None, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_at_least_as_close_as_pygs(ours, theirs, dtype, edge_dim, everything, generator):
    a, b = (layer.to(dtype) for layer in pair(ours, theirs, 5, 4, heads=2, edge_dim=edge_dim))
    exact = copy.deepcopy(a).double()
    given = [features(generator, 7, 5).to(dtype)]
    if edge_dim is not None:
        given.append(features(generator, everything.edge_index.size(1), edge_dim).to(dtype))
    results = []
    for layer in (a, b, exact):
        x, *rest = (part.to(layer.bias.dtype) for part in given)
        out, (_, alpha) = layer(x.requires_grad_(), everything.edge_index, *rest, return_attention_weights=True)
        out = layer(x, everything.edge_index, *rest)
        assert out.dtype == alpha.dtype == layer.bias.dtype
        results.append([part.detach() for part in (out, alpha, *torch.autograd.grad(out.sum(), x))])
    for mine, other, expected in zip(*results, strict=True):
        error, allowed = (float((part - expected).abs().max()) for part in (mine, other))
        assert error <= allowed + 4 * torch.finfo(dtype).eps * float(expected.abs().max())


@both
def test_autocast_equals_pyg(ours, theirs, everything, generator):
    a, b = (layer.float() for layer in pair(ours, theirs, 5, 4, heads=2))
    x = features(generator, 7, 5).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(a(x, everything.edge_index), b(x, everything.edge_index))


@each
def test_second_derivatives(kind, everything, generator):
    layer = kind(3, 2, heads=2).double()
    x = features(generator, 7, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: layer(x, everything.edge_index), x)


@each
def test_copies_and_pickles_give_the_same(kind, everything, generator):
    layer = kind(5, 4, heads=2).double()
    x = features(generator, 7, 5)
    out = layer(x, everything.edge_index)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for other in (copy.deepcopy(layer), torch.load(file, weights_only=False)):
        assert torch.equal(other(x, everything.edge_index), out)


@both
def test_state_dicts_and_parameters_stand_in_pygs_order(ours, theirs):
    for settings in ({}, {"edge_dim": 3, "residual": True}, {"bias": False}):
        a, b = ours(5, 4, **settings), theirs(5, 4, **settings)
        assert list(a.state_dict()) == list(b.state_dict())
        assert [p.shape for p in a.parameters()] == [p.shape for p in b.parameters()]
        b.load_state_dict(a.state_dict())


@both
def test_lazy_sizes(ours, theirs, everything, generator):
    torch.manual_seed(0)
    a, b = ours(-1, 4, heads=2, residual=True), theirs(-1, 4, heads=2, residual=True)
    x = features(generator, 7, 5).float()
    b(x, everything.edge_index)
    a.load_state_dict(b.state_dict())
    torch.testing.assert_close(a(x, everything.edge_index), b(x, everything.edge_index))


@each
def test_an_edge_index_changed_in_place_is_noticed(kind, everything, generator):
    layer = kind(5, 4).double()
    x, edge_index = features(generator, 7, 5), everything.edge_index.clone()
    layer(x, edge_index)
    edge_index[0, 0] = 6
    torch.testing.assert_close(layer(x, edge_index), layer(x, edge_index.clone()))


@each
def test_bad_input(kind, generator):
    layer, x = kind(5, 4, edge_dim=2).double(), features(generator, 6, 5)
    with pytest.raises(ValueError, match="edge_index holds node 9, but x has 6 rows"):
        layer(x, torch.tensor([[0, 9], [1, 2]]))
    with pytest.raises(
        ValueError, match=r"edge_index must hold int64 or int32 node numbers, but its dtype is torch\.float32"
    ):
        layer(x, torch.zeros(2, 3))
    with pytest.raises(
        ValueError, match=r"edge_attr must have a row for each of the 2 edges, but its shape is \[3, 2\]"
    ):
        layer(x, torch.tensor([[0, 1], [1, 2]]), features(generator, 3, 2))
