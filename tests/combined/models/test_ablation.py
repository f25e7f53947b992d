import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch_geometric.data import Batch

from graphreel import gnn, rnn
from graphreel.combined import GraphLayers, NodeLayers, models_to_compare, parameters_of
from graphreel.data.clips.digits import dance


@pytest.fixture
def digits():
    generator = torch.Generator().manual_seed(0)
    return [dance(label, generator) for label in range(8)]


@pytest.mark.parametrize(("features", "hidden"), [(67, 64), (67, 16), (3, 32), (200, 48)])
def test_all_three_have_the_same_budget(features, hidden):
    models = models_to_compare(features, 8, hidden)
    sizes = {name: parameters_of(model) for name, model in models.items()}
    assert set(sizes) == {"both", "gnn", "rnn"}
    assert max(sizes.values()) / min(sizes.values()) < 1.1


def test_our_layers_fit_and_all_classify(digits):
    models = models_to_compare(
        67, 8, 16, lambda i, o: gnn.GATConv(i, o // 2, heads=2), lambda i, h: rnn.LSTM(i, h, batch_first=True)
    )
    sizes = [parameters_of(model) for model in models.values()]
    assert max(sizes) / min(sizes) < 1.1
    for model in models.values():
        assert model(Batch.from_data_list(digits)).shape == (8, 8)


def test_the_rnn_sees_no_edge(digits):
    model = models_to_compare(67, 8, 16)["rnn"].eval()
    batch = Batch.from_data_list(digits)
    before = model(batch)
    batch.edge_index = batch.edge_index[:, :0]
    assert_close(model(batch), before)


def test_the_gnn_sees_no_order(digits):
    model = models_to_compare(67, 8, 16)["gnn"].eval()
    forwards = Batch.from_data_list([clip.undirected() for clip in digits])
    backwards = Batch.from_data_list([clip.reversed_in_time().undirected() for clip in digits])
    assert_close(model(forwards), model(backwards), rtol=1e-4, atol=1e-5)
    both = models_to_compare(67, 8, 16)["both"].eval()
    assert not torch.allclose(both(forwards), both(backwards), rtol=1e-3)


def test_node_layers_are_graph_layers_without_edges(digits):
    torch.manual_seed(0)
    graph, node = GraphLayers(67, 5), NodeLayers(67, 5)
    names = {"first.lin.weight": "first.weight", "second.lin.weight": "second.weight"}
    node.load_state_dict({names.get(key, key): value for key, value in graph.state_dict().items()})
    assert isinstance(node.first, nn.Linear)
    x = digits[0].x
    assert_close(graph(x, torch.empty(2, 0, dtype=torch.long)), node(x, None))
