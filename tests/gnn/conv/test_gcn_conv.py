import copy
import gc
import pickle

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric import EdgeIndex
from torch_geometric.nn import GCNConv as PyGGCNConv
from torch_geometric.nn import MessagePassing

from graphreel.gnn import GCNConv, dense_gcn, normalized_adjacency
from graphreel.gnn.kernels.dispatch import use_path
from graphreel.gnn.kernels.tensor_cache import _entries

F64 = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture(autouse=True, params=["edge_list", "csr"])
def path(request):
    """Every test runs on both paths, whatever the size of its graph."""
    with use_path(request.param):
        yield


def twins(in_channels, out_channels, dtype=torch.float64, **kwargs):
    """A layer of PyG and ours with the same parameters, the bias not zero."""
    theirs = PyGGCNConv(in_channels, out_channels, **kwargs).to(dtype)
    if theirs.bias is not None:
        torch.nn.init.normal_(theirs.bias)
    ours = GCNConv(in_channels, out_channels, **kwargs).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def with_gradients(function, *leaves):
    """The result and the gradients of a fixed random functional of it."""
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    out = function(*leaves)
    direction = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view(out.shape)
    return out, *torch.autograd.grad(out, leaves, direction, allow_unused=True, materialize_grads=True)


def assert_same(first, second, **tolerance):
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, **(tolerance or F64))


@pytest.mark.parametrize(("in_channels", "out_channels"), [(2, 5), (5, 2), (3, 3)])
@pytest.mark.parametrize("add_self_loops", [True, False])
def test_against_the_formula(graph, in_channels, out_channels, add_self_loops):
    _, conv = twins(in_channels, out_channels, add_self_loops=add_self_loops)
    x = torch.randn(graph.num_nodes, in_channels, dtype=torch.float64)

    def formula(x, weight, bias, edge_weight):
        adjacency = normalized_adjacency(graph.edge_index, edge_weight, len(x), add_self_loops=add_self_loops)
        return dense_gcn(x, adjacency, weight, bias)

    def layer(x, weight, bias, edge_weight):
        parameters = {"lin.weight": weight, "bias": bias}
        return torch.func.functional_call(conv, parameters, (x, graph.edge_index, edge_weight))

    leaves = (x, conv.lin.weight.detach(), conv.bias.detach(), graph.edge_weight)
    assert_same(with_gradients(layer, *leaves), with_gradients(formula, *leaves))


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"improved": True},
        {"cached": True},
        {"add_self_loops": False},
        {"normalize": False},
        {"bias": False},
        {"flow": "target_to_source"},
        {"aggr": "mean"},
        {"aggr": "max"},
        {"aggr": ["add", "mean"], "bias": False},
        {"decomposed_layers": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [True, False])
def test_against_pyg(graph, kwargs, weighted):
    if graph.num_nodes == 0 and kwargs.get("aggr") == "max":
        pytest.skip("PyG takes no maximum over an empty graph")
    theirs, ours = twins(3, 4, **kwargs)
    weight = graph.edge_weight if weighted else None
    for leading in ((), (2, 3)):
        x = torch.randn(*leading, graph.num_nodes, 3, dtype=torch.float64)
        if "cached" in kwargs:
            theirs.reset_parameters()
            ours.reset_parameters()
            ours.load_state_dict(theirs.state_dict())
        for _ in range(2):
            assert_same(
                *(
                    with_gradients(
                        lambda x, w, conv=conv: torch.func.functional_call(
                            conv, {"lin.weight": w}, (x, graph.edge_index, weight)
                        ),
                        x,
                        ours.lin.weight.detach(),
                    )
                    for conv in (ours, theirs)
                )
            )


def test_state_dict_goes_both_ways():
    theirs, ours = PyGGCNConv(3, 4), GCNConv(3, 4)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(theirs.lin.weight, ours.lin.weight)
    assert isinstance(ours, MessagePassing)
    assert repr(ours) == repr(theirs)


def test_the_same_initial_weights_from_the_same_seed():
    torch.manual_seed(3)
    theirs = PyGGCNConv(5, 4)
    torch.manual_seed(3)
    ours = GCNConv(5, 4)
    assert torch.equal(theirs.lin.weight, ours.lin.weight)
    assert torch.equal(theirs.bias, ours.bias)


def test_edge_index_changed_in_place(everything):
    theirs, ours = twins(3, 4)
    x, edge_index = torch.randn(7, 3, dtype=torch.float64), everything.edge_index.clone()
    weight = everything.edge_weight.clone()
    assert_same([ours(x, edge_index, weight)], [theirs(x, edge_index, weight)])
    edge_index[0, 0] = 3
    assert_same([ours(x, edge_index, weight)], [theirs(x, edge_index, weight)])
    weight.mul_(torch.linspace(1, 2, len(weight)))
    assert_same([ours(x, edge_index, weight)], [theirs(x, edge_index, weight)])
    other = edge_index.flip(0)
    assert_same([ours(x, other, weight)], [theirs(x, other, weight)])


def test_a_write_between_forward_and_backward_does_not_touch_the_gradient(everything):
    _, conv = twins(3, 4)
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    edge_index = everything.edge_index.clone()
    expected = torch.autograd.grad(conv(x, edge_index).sum(), x)
    out = conv(x, edge_index).sum()
    edge_index.zero_()
    assert_same(torch.autograd.grad(out, x), expected)


def test_nothing_is_kept_of_a_graph_that_is_gone(everything):
    conv = GCNConv(3, 4)
    gc.collect()
    before = len(_entries)
    for _ in range(3):
        conv(torch.randn(7, 3), everything.edge_index.clone(), everything.edge_weight.float()).sum().backward()
    assert len(_entries) == before


@pytest.mark.parametrize("layout", [torch.sparse_csr, torch.sparse_coo, torch.sparse_csc])
@pytest.mark.parametrize("improved", [False, True])
def test_a_sparse_adjacency_means_the_same(everything, layout, improved):
    adjacency = torch.zeros(7, 7, dtype=torch.float64)
    for (s, t), w in zip(everything.edge_index.t().tolist(), everything.edge_weight.tolist(), strict=True):
        adjacency[t, s] = w  # neither duplicate edges nor loops: of both the last is kept
    target, source = adjacency.nonzero().t()
    x = torch.randn(7, 3, dtype=torch.float64)
    conv = GCNConv(3, 4, improved=improved).double()
    expected = conv(x, torch.stack([source, target]), adjacency[target, source])
    sparse = adjacency.to_sparse(layout=layout)
    for _ in range(2):
        assert_same([conv(x, sparse)], [expected])
    sparse.values().mul_(2) if layout != torch.sparse_coo else sparse._values().mul_(2)
    assert_same([conv(x, sparse)], [conv(x, torch.stack([source, target]), 2 * adjacency[target, source])])


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # by PyG's layer
def test_a_sparse_adjacency_against_pyg():
    adjacency = torch.tensor([[0, 2.0, 0], [0.5, 0, 1.0], [0, 0, 0]], dtype=torch.float64).to_sparse_csr()
    x = torch.randn(3, 3, dtype=torch.float64)
    for kwargs in ({}, {"improved": True}, {"normalize": False}, {"add_self_loops": False}):
        theirs, ours = twins(3, 4, **kwargs)
        assert_same([ours(x, adjacency)], [theirs(x, adjacency)])
    for conv in twins(3, 4, flow="target_to_source"):
        with pytest.raises(ValueError, match="target_to_source"):
            conv(x, adjacency)


def test_sparse_features(everything):
    _, conv = twins(5, 4)
    x = torch.randn(7, 5, dtype=torch.float64).relu()

    def layer(x, weight):
        return torch.func.functional_call(conv, {"lin.weight": weight}, (x, everything.edge_index))

    weight = conv.lin.weight.detach()
    dense = with_gradients(lambda w: layer(x, w), weight)
    sparse = with_gradients(lambda w: layer(x.to_sparse_csr(), w), weight)
    assert_same(sparse, dense)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same([conv(x.to_sparse_csr(), everything.edge_index)], [conv(x, everything.edge_index)])


def test_lazy_size(everything):
    ours, theirs = GCNConv(-1, 4), PyGGCNConv(-1, 4)
    x = torch.randn(7, 3)
    theirs(x, everything.edge_index)
    ours(x, everything.edge_index)
    assert ours.lin.weight.shape == (4, 3)
    ours.load_state_dict(theirs.state_dict())
    assert_same([ours(x, everything.edge_index)], [theirs(x, everything.edge_index)], rtol=1e-5, atol=1e-6)
    fresh = GCNConv(-1, 4)
    fresh.load_state_dict(theirs.state_dict())
    assert torch.equal(fresh.lin.weight, theirs.lin.weight)


def test_cached_keeps_the_first_graph(everything):
    theirs, ours = twins(3, 4, cached=True)
    x, other = torch.randn(7, 3, dtype=torch.float64), torch.tensor([[0], [1]])
    for edge_index in (everything.edge_index, other):
        assert_same([ours(x, edge_index)], [theirs(x, edge_index)])
    assert_same([copy.deepcopy(ours)(x, other)], [theirs(x, other)])
    for conv in (theirs, ours):
        conv._cached_edge_index = None
    assert_same([ours(x, other)], [theirs(x, other)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weighted", [False, True])
def test_half_precision_is_at_least_as_close_as_pyg(everything, dtype, weighted):
    theirs, ours = twins(3, 4, dtype)
    exact = copy.deepcopy(ours).double()
    x, weight = torch.randn(7, 3).to(dtype), everything.edge_weight.to(dtype) if weighted else None
    expected = with_gradients(
        lambda x: exact(x, everything.edge_index, None if weight is None else weight.double()), x.double()
    )
    errors = []
    for conv in (ours, theirs):
        found = with_gradients(lambda x, c=conv: c(x, everything.edge_index, weight), x)
        assert [part.dtype for part in found] == [dtype, dtype]
        errors.append([float((part - right).abs().detach().max()) for part, right in zip(found, expected, strict=True)])
    step = torch.finfo(dtype).eps * max(float(part.detach().abs().max()) for part in expected)
    assert all(mine <= other + step for mine, other in zip(*errors, strict=True))


def test_autocast_is_what_pyg_computes(everything):
    theirs, ours = twins(3, 4, torch.float32)
    x = torch.randn(7, 3)
    with torch.autocast("cpu", torch.bfloat16):
        results = [with_gradients(lambda x, c=c: c(x, everything.edge_index), x) for c in (ours, theirs)]
    assert_same(*results, rtol=0, atol=0)


def test_hooks_see_the_messages(everything):
    theirs, ours = twins(3, 4)
    x, observed = torch.randn(7, 3, dtype=torch.float64), []
    for conv in (theirs, ours):
        conv.register_message_forward_hook(lambda module, inputs, out: out * 2)
        conv.register_propagate_forward_hook(lambda module, inputs, out: observed.append(out))
        conv.lin.register_forward_hook(lambda module, inputs, out: out + 1)
    assert_same([ours(x, everything.edge_index)], [theirs(x, everything.edge_index)])
    assert len(observed) == 2


def test_a_hook_on_the_linear_map_alone(everything):
    theirs, ours = twins(3, 4)
    x = torch.randn(7, 3, dtype=torch.float64)
    for conv in (theirs, ours):
        conv.lin.register_forward_hook(lambda module, inputs, out: out.tanh())
    assert_same([ours(x, everything.edge_index)], [theirs(x, everything.edge_index)])


def test_explain_mode_masks_edges(everything):
    x, results = torch.randn(7, 3, dtype=torch.float64), []
    for conv in twins(3, 4):
        conv.explain = True
        conv._edge_mask = torch.linspace(-1, 1, everything.edge_index.size(1), dtype=torch.float64)
        conv._loop_mask = everything.edge_index[0] != everything.edge_index[1]
        conv._apply_sigmoid = True
        results.append([conv(x, everything.edge_index)])
    assert_same(*results)


def test_a_subclass_with_its_own_message(everything):
    class Doubled(GCNConv):
        def message(self, x_j, edge_weight):
            return 2 * super().message(x_j, edge_weight)

    _, conv = twins(3, 4, bias=False)
    doubled = Doubled(3, 4, bias=False).double()
    doubled.load_state_dict(conv.state_dict())
    x = torch.randn(7, 3, dtype=torch.float64)
    assert_same([doubled(x, everything.edge_index)], [2 * conv(x, everything.edge_index)])


def test_edge_index_class_of_pyg(everything):
    theirs, ours = twins(3, 4)
    edge_index = EdgeIndex(everything.edge_index, sparse_size=(7, 7))
    x = torch.randn(7, 3, dtype=torch.float64)
    assert_same([ours(x, edge_index)], [theirs(x, edge_index)])


def test_function_transforms(everything):
    theirs, ours = twins(3, 4)
    x = torch.randn(5, 7, 3, dtype=torch.float64)
    results = []
    for conv in (ours, theirs):

        def loss(weight, x, conv=conv):
            return torch.func.functional_call(conv, {"lin.weight": weight}, (x, everything.edge_index)).square().sum()

        weight = conv.lin.weight.detach()
        results.append(
            [
                torch.func.grad(loss)(weight, x[0]),
                torch.func.vmap(torch.func.grad(loss), (None, 0))(weight, x),
                torch.func.jvp(lambda w, loss=loss: loss(w, x[0]), (weight,), (weight,))[1],
            ]
        )
    assert_same(*results)


def test_second_derivatives(everything):
    conv = GCNConv(2, 3).double()
    x = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    weight = everything.edge_weight[everything.edge_index[0] != everything.edge_index[1]].clone().requires_grad_()
    edge_index = everything.edge_index[:, everything.edge_index[0] != everything.edge_index[1]]
    assert torch.autograd.gradcheck(lambda x, w: conv(x, edge_index, w), (x, weight))
    assert torch.autograd.gradgradcheck(lambda x, w: conv(x, edge_index, w), (x, weight))


def test_inference_mode_then_training(everything):
    theirs, ours = twins(3, 4)
    edge_index, weight = everything.edge_index.clone(), everything.edge_weight.clone()
    x = torch.randn(7, 3, dtype=torch.float64)
    with torch.inference_mode():
        assert_same([ours(x, edge_index, weight)], [theirs(x, edge_index, weight)])
        assert_same([ours(x, edge_index.clone(), weight.clone())], [theirs(x, edge_index, weight)])
    assert_same(*(with_gradients(lambda x, w, c=c: c(x, edge_index[:, :2], w), x, weight[:2]) for c in (ours, theirs)))
    assert_same(*(with_gradients(lambda x, c=c: c(x, edge_index, weight), x) for c in (ours, theirs)))


def test_copies_and_pickles(everything):
    _, conv = twins(3, 4)
    x = torch.randn(7, 3, dtype=torch.float64)
    expected = conv(x, everything.edge_index)
    for twin in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        assert_same([twin(x, everything.edge_index)], [expected])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 8), st.integers(0, 20), st.integers(0, 2**31))
def test_renaming_nodes_renames_the_result(num_nodes, num_edges, seed):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    weight = torch.rand(num_edges, generator=generator, dtype=torch.float64)
    edge_index, weight = (part[..., edge_index[0] != edge_index[1]] for part in (edge_index, weight))
    x = torch.randn(num_nodes, 3, generator=generator, dtype=torch.float64)
    order = torch.randperm(num_nodes, generator=generator)
    shuffle = torch.randperm(edge_index.size(1), generator=generator)
    conv = GCNConv(3, 2).double()
    renamed = torch.empty_like(x)
    renamed[order] = x
    out = conv(renamed, order[edge_index][:, shuffle], weight[shuffle])
    assert_same([out[order]], [conv(x, edge_index, weight)])


def test_a_model_trained_in_pyg_goes_on_here():
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(20, (2, 60), generator=generator)
    x = torch.randn(20, 5, generator=generator)
    y = torch.randint(3, (20,), generator=generator)
    theirs, ours = twins(5, 3, torch.float32)

    def train(conv, steps):
        optimizer = torch.optim.Adam(conv.parameters(), lr=0.05)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(conv(x, edge_index), y).backward()
            optimizer.step()

    for first, second in ((theirs, ours), (ours, theirs)):
        train(first, 10)
        second.load_state_dict(first.state_dict())
        assert_same([second(x, edge_index)], [first(x, edge_index)], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.tensor([[0, 9], [1, 0]]),), "edge_index holds node 9, but x has 6 rows"),
        ((torch.tensor([[0.0], [1.0]]),), "edge_index must hold int64 or int32 node numbers"),
        ((torch.tensor([[0], [1], [2]]),), r"edge_index must have the shape \[2, edges\], but its shape is \[3, 1\]"),
        ((torch.tensor([[0], [1]]), torch.ones(2)), r"edge_weight must hold one number for each of the 1 edges"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cached", [False, True])
def test_bad_input(arguments, message, dtype, cached):
    conv = GCNConv(3, 4, cached=cached).to(dtype)
    arguments = [a.to(dtype) if i == 1 else a for i, a in enumerate(arguments)]
    with pytest.raises(ValueError, match=message):
        conv(torch.randn(6, 3).to(dtype), *arguments)


def test_bad_construction():
    with pytest.raises(ValueError, match="does not support adding self-loops"):
        GCNConv(3, 4, normalize=False, add_self_loops=True)
    with pytest.raises(ValueError, match="tuple of node features"):
        GCNConv(3, 4)((torch.randn(2, 3), torch.randn(2, 3)), torch.tensor([[0], [1]]))
