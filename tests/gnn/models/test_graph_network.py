import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.nn import GAT as PyGGAT
from torch_geometric.nn import GCN as PyGGCN
from torch_geometric.nn import global_max_pool

from graphreel.gnn import GAT, GCN, GATConv, GATv2Conv
from graphreel.gnn.models.graph_network import GraphNetwork, make_layers

MODELS = [GCN, GAT]


@pytest.fixture
def x(generator):
    return torch.randn(7, 6, dtype=torch.float64, generator=generator)


def with_parameters_of(theirs, ours):
    """Ours with the parameters of PyG's model, whose convolutions stand in a list of the same name."""
    ours.convs.load_state_dict(theirs.convs.state_dict())
    return ours.double()


@pytest.mark.parametrize("num_layers", [1, 2, 4])
@pytest.mark.parametrize("act", ["relu", "elu"])
def test_gcn_is_the_model_of_pyg(everything, x, num_layers, act):
    theirs = PyGGCN(6, 8, num_layers, 3, act=act).double()
    ours = with_parameters_of(theirs, GCN(6, 8, num_layers, 3, activation=act))
    expected = theirs(x, everything.edge_index, everything.edge_weight)
    torch.testing.assert_close(ours(x, everything.edge_index, everything.edge_weight), expected)


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_gat_is_the_model_of_pyg(everything, x, num_layers, v2):
    theirs = PyGGAT(6, 8, num_layers, 3, heads=4, act="elu", v2=v2, edge_dim=2).double()
    for conv in theirs.convs[-1:]:  # PyG gives the last layer all heads
        assert conv.heads == 4
    ours = GAT(6, 8, num_layers, 3, heads=4, output_heads=4, v2=v2, edge_dim=2)
    ours = with_parameters_of(theirs, ours)
    edge_attr = torch.randn(everything.edge_index.size(1), 2, dtype=torch.float64)
    expected = theirs(x, everything.edge_index, edge_attr=edge_attr)
    torch.testing.assert_close(ours(x, everything.edge_index, edge_attr), expected)


def test_the_papers_networks_for_cora():
    gcn = GCN(1433, 16, 2, 7, dropout=0.5, input_dropout=0.5)
    assert [tuple(p.shape) for p in gcn.parameters()] == [(16,), (16, 1433), (7,), (7, 16)]
    assert gcn.activation is F.relu
    gat = GAT(1433, 64, 2, 7, dropout=0.6, input_dropout=0.6)
    assert [(conv.heads, conv.out_channels, conv.concat, conv.dropout) for conv in gat.convs] == [
        (8, 8, True, 0.6),
        (1, 7, False, 0.6),
    ]
    assert gat.activation is F.elu
    assert isinstance(gat.convs[0], GATConv)
    assert isinstance(GAT(4, 8, 1, 2, v2=True).convs[0], GATv2Conv)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norm_and_residual_by_hand(everything, x, norm):
    model = GCN(6, 8, 3, 4, norm=norm, residual=True).double()
    h = x
    for layer, skip in ((0, model.skips[0].weight), (1, torch.eye(8, dtype=torch.float64))):
        out = model.convs[layer](h, everything.edge_index)
        axis = 0 if norm == "batch" else 1
        out = (out - out.mean(axis, keepdim=True)) / (out.var(axis, unbiased=False, keepdim=True) + 1e-5).sqrt()
        h = out.relu() + h @ skip.t()
    torch.testing.assert_close(model.embed(x, everything.edge_index), h)
    torch.testing.assert_close(model(x, everything.edge_index), model.convs[2](h, everything.edge_index))


def test_poolings_jumps_and_a_virtual_node_by_hand(everything, x):
    layers = make_layers("gcn", [6, 8, 8], normalize=False)
    network = GraphNetwork(
        layers, [6, 8, 8], 3, pool="sum+max", jumping=True, virtual_node=True, root_weight=True
    ).double().eval()  # fmt: skip
    first = (layers[0](x, everything.edge_index) + x @ network.own[0].weight.t()).relu()
    first = first + (first.mean(0, keepdim=True) @ network.virtual[0].weight.t() + network.virtual[0].bias).relu()
    second = (layers[1](first, everything.edge_index) + first @ network.own[1].weight.t()).relu()
    nodes = torch.cat([x, first, second], dim=1)
    hidden = network.narrow(torch.cat([nodes.sum(0, keepdim=True), nodes.amax(0, keepdim=True)], dim=1))
    torch.testing.assert_close(network.hidden(x, everything.edge_index), hidden)
    torch.testing.assert_close(network(x, everything.edge_index), network.head(hidden))
    both = torch.cat([everything.edge_index, everything.edge_index + 7], dim=1)
    batch = torch.arange(2).repeat_interleave(7)
    together = network(torch.cat([x, x.flip(0)]), both, batch=batch)
    torch.testing.assert_close(together[0], network(x, everything.edge_index)[0])
    torch.testing.assert_close(together[1], network(x.flip(0), everything.edge_index)[0])
    with pytest.raises(ValueError, match="pool must be one of mean, sum, max or None, but is 'median'"):
        GraphNetwork(layers, [6, 8, 8], 3, pool="sum+median")


@pytest.mark.parametrize("pool", ["mean", "sum", "max"])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_graphs_is_its_graphs_one_by_one(everything, x, model, pool):
    network = model(6, 8, 2, 3, pool=pool).double()
    batch = torch.tensor([0] * 7 + [1] * 7)
    edge_index = torch.cat([everything.edge_index, everything.edge_index.flip(0) + 7], dim=1)
    both = network(torch.cat([x, -x]), edge_index, batch=batch)
    first, second = network(x, everything.edge_index), network(-x, everything.edge_index.flip(0))
    torch.testing.assert_close(both, torch.cat([first, second]))
    assert network(torch.cat([x, -x]), edge_index, batch=batch, batch_size=3).shape == (3, 3)


def test_the_graph_head_by_hand(everything, x):
    model = GCN(6, 8, 2, 3, pool="max").double()
    h = model.convs[1](model.convs[0](x, everything.edge_index).relu(), everything.edge_index).relu()
    expected = F.linear(h.amax(0, keepdim=True), model.head.weight, model.head.bias)
    torch.testing.assert_close(model(x, everything.edge_index), expected)
    batch = torch.zeros(7, dtype=torch.long)
    torch.testing.assert_close(global_max_pool(h, batch), h.amax(0, keepdim=True))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_leading_dimensions(everything, x, model, norm):
    network = model(6, 8, 2, 3, norm=norm, residual=True).double().eval()
    stacked = torch.stack([x, 2 * x, -x, x + 1]).view(2, 2, 7, 6)
    out = network(stacked, everything.edge_index)
    torch.testing.assert_close(out[1, 0], network(-x, everything.edge_index))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("in_channels", [6, -1])
def test_sparse_features_give_what_dense_ones_give(everything, x, model, residual, in_channels):
    network = model(in_channels, 8, 2, 3, residual=residual, input_dropout=0.5).double().eval()
    x = x.relu()
    expected = network(x, everything.edge_index)
    torch.testing.assert_close(network(x.to_sparse_csr(), everything.edge_index), expected)
    network.train()(x.to_sparse_csr(), everything.edge_index).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_dropout_acts_in_training_alone(everything, x, model):
    torch.manual_seed(0)
    network = model(6, 8, 2, 3, dropout=0.5, input_dropout=0.5).double()
    assert not torch.equal(network(x, everything.edge_index), network(x, everything.edge_index))
    network.eval()
    assert torch.equal(network(x, everything.edge_index), network(x, everything.edge_index))


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_what_needs_the_edges(model, generator):
    """Each node is to tell the class of the node before it in a ring."""
    torch.manual_seed(1)
    nodes = torch.arange(30)
    y = torch.randint(3, (30,), generator=generator)
    edge_index = torch.stack([nodes, (nodes + 1) % 30])
    network = model(3, 24, 2, 3)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(F.one_hot(y).float(), edge_index), y.roll(1))
        loss.backward()
        optimizer.step()
    assert loss < 0.2


@pytest.mark.parametrize("model", MODELS)
def test_copies_pickles_and_new_parameters(everything, x, model):
    network = model(6, 8, 2, 3, norm="batch", residual=True, pool="mean").double().eval()
    expected = network(x, everything.edge_index)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(x, everything.edge_index), expected)
    network.reset_parameters()
    assert not torch.equal(network(x, everything.edge_index), expected)


def test_a_function_as_activation(everything, x):
    model = GCN(6, 8, 2, 3, activation=nn.Tanh()).double()
    hidden = model.convs[0](x, everything.edge_index).tanh()
    torch.testing.assert_close(model(x, everything.edge_index), model.convs[1](hidden, everything.edge_index))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 0}, "num_layers must be at least 1, but is 0"),
        ({"dropout": 1.5}, r"dropout must be a probability in \[0, 1\], but is 1.5"),
        ({"input_dropout": -0.1}, r"input_dropout must be a probability in \[0, 1\], but is -0.1"),
        ({"norm": "group"}, "norm must be one of batch, layer or None, but is 'group'"),
        ({"pool": "median"}, "pool must be one of mean, sum, max or None, but is 'median'"),
        ({"activation": "reluu"}, "activation must name a function of torch.nn.functional, but is 'reluu'"),
    ],
)
def test_bad_settings(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model(**{"in_channels": 6, "hidden_channels": 8, "num_layers": 2, "out_channels": 3, **arguments})


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="hidden_channels must be a multiple of heads=8, but is 12"):
        GAT(6, 12, 2, 3)


def test_nan_features(everything, x):
    model = GCN(6, 8, 2, 3, pool="mean").double()
    model(x, everything.edge_index)
    x[4, 2] = float("nan")
    with pytest.raises(ValueError, match="x holds NaN at node 4, expected numbers"):
        model(x, everything.edge_index)
    with pytest.raises(ValueError, match="x holds NaN among its stored values, expected numbers"):
        model(x.to_sparse_csr(), everything.edge_index)
    x[4, 2] = float("inf")
    model(x, everything.edge_index)
    with pytest.raises(ValueError, match="batch must hold a graph number for each of 7 nodes, but has 5"):
        model(x, everything.edge_index, batch=torch.zeros(5, dtype=torch.long))
