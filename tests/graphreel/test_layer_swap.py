"""Our layers in somebody's model: the same results and parameters, said, checked, and undone."""

import copy

import pytest
import torch
import torch_geometric.nn as pyg
from torch import nn

from graphreel import accelerate, gnn, restore, rnn

EDGES = torch.tensor([[0, 1, 2, 3, 3, 0], [1, 2, 3, 3, 0, 2]])


class Theirs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                pyg.GCNConv(3, 8, improved=True),
                pyg.GATConv(8, 4, heads=2, residual=True),
                pyg.GATv2Conv(8, 4, heads=2, bias=False, share_weights=True),
            ]
        )
        self.sage = pyg.SAGEConv(8, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(12, 5, bias=False, batch_first=True)
        self.rnn = nn.RNN(5, 4, nonlinearity="relu", batch_first=True)
        self.narrow = nn.LSTM(4, 4, proj_size=2, batch_first=True)

    def forward(self, x, edge_index):
        for conv in self.convs:
            x = conv(x, edge_index).relu()
        h = self.sage(x, edge_index)[None]
        for layer in (self.lstm, self.gru, self.rnn, self.narrow):
            h = layer(h)[0]
        return h


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_model_is_swapped_and_restored(capsys):
    torch.manual_seed(0)
    model, x = Theirs(), torch.randn(4, 3)
    kinds = [type(module) for module in model.modules()]
    names, parameters = list(model.state_dict()), list(model.parameters())
    before = model(x, EDGES)
    state = torch.get_rng_state()
    assert accelerate(model, (x, EDGES)) is model
    assert torch.equal(torch.get_rng_state(), state)
    said = capsys.readouterr().out
    assert "swapped 1 GCNConv, 1 GATConv, 1 GATv2Conv, 2 LSTM, 1 GRU, 1 RNN" in said
    assert "sage (SAGEConv: no counterpart)" in said
    ours = [*model.convs, model.lstm, model.gru, model.rnn, model.narrow]
    expected = [gnn.GCNConv, gnn.GATConv, gnn.GATv2Conv, rnn.LSTM, rnn.GRU, rnn.RNN, rnn.LSTM]
    assert [type(layer) for layer in ours] == expected
    assert list(model.state_dict()) == names
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    torch.testing.assert_close(model(x, EDGES), before)
    torch.testing.assert_close(copy.deepcopy(model)(x, EDGES), before)

    optimizer = torch.optim.SGD(parameters, lr=0.1)
    model(x, EDGES).sum().backward()
    optimizer.step()
    trained = model(x, EDGES)
    assert not torch.allclose(trained, before)
    assert restore(model) is model
    assert [type(module) for module in model.modules()] == kinds
    torch.testing.assert_close(model(x, EDGES), trained)


def test_a_layer_itself_and_its_hooks():
    layer, calls = pyg.GCNConv(3, 2), []
    layer.register_forward_hook(lambda *given: calls.append(given))
    before = layer(torch.ones(4, 3), EDGES)
    accelerate(layer)
    assert type(layer) is gnn.GCNConv
    torch.testing.assert_close(layer(torch.ones(4, 3), EDGES), before)
    assert len(calls) == 2


@pytest.mark.parametrize("model", [pyg.GCN, pyg.GAT])
def test_pygs_own_models(model):
    torch.manual_seed(0)
    network = model(3, 8, 2, 4).eval()
    before = network(torch.ones(4, 3), EDGES)
    accelerate(network, {"x": torch.ones(4, 3), "edge_index": EDGES})
    torch.testing.assert_close(network(torch.ones(4, 3), EDGES), before)


def test_a_subclass_is_left(capsys):
    class Mine(pyg.GCNConv):
        pass

    accelerate(Mine(3, 2))
    assert "left the model (Mine: a subclass may do something else)" in capsys.readouterr().out


def test_what_differs_is_refused_and_undone():
    model = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 2))
    calls = iter(range(10))
    model[0].register_forward_hook(lambda module, args, out: out + next(calls))
    with pytest.raises(ValueError, match="sample gives other results after the swap"):
        accelerate(model, torch.ones(5, 2, 3))
    assert type(model[1]) is nn.LSTM
