"""Initialisation, forget bias, recurrent dropout, zoneout; gates and the count of parameters."""

import pytest
import torch

from rnn import GRU, LSTM, RNN, PeepholeLSTM, SequenceClassifier, gates, parameter_count


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 2), (64, 256, 10)])
def test_parameter_count_equals_the_modules(sizes: tuple[int, int, int]) -> None:
    inputs, hidden, outputs = sizes
    parts = [*LSTM(inputs, hidden).parameters(), *torch.nn.Linear(hidden, outputs).parameters()]
    modules = sum(parameter.numel() for parameter in parts)
    assert parameter_count(*sizes, torch_biases=True) == modules
    assert parameter_count(*sizes) == modules - 4 * hidden
    assert parameter_count(*sizes) == 4 * (inputs * hidden + hidden**2 + hidden) + hidden * outputs + outputs


@pytest.mark.parametrize("make", [LSTM, PeepholeLSTM])
def test_forget_bias(make) -> None:
    layer = make(3, 4, 2, bidirectional=True, forget_bias=1.5)
    for name, parameter in layer.named_parameters():
        if name.startswith("bias"):
            assert parameter[4:8].eq(1.5 if name.startswith("bias_ih") else 0.0).all()
            assert parameter[:4].ne(0).all()


def test_orthogonal_and_kaiming() -> None:
    torch.manual_seed(0)
    layer = LSTM(64, 64, initialization="orthogonal")
    for block in layer.weight_hh_l0.detach().split(64):
        torch.testing.assert_close(block @ block.t(), torch.eye(64), rtol=1e-4, atol=1e-5)
    assert layer.bias_ih_l0.count_nonzero() == 0
    layer = PeepholeLSTM(64, 256, initialization="kaiming")
    assert layer.weight_ih_l0.std().item() == pytest.approx(1 / 8, rel=0.05)
    assert layer.weight_hh_l0.std().item() == pytest.approx(1 / 16, rel=0.05)
    assert layer.weight_peephole_l0.count_nonzero() == 0


@pytest.mark.parametrize("make", [RNN, LSTM, PeepholeLSTM, GRU])
def test_full_recurrent_dropout_cuts_the_recurrent_product(make) -> None:
    torch.manual_seed(0)
    layer = make(3, 4, recurrent_dropout=1.0)
    x = torch.randn(5, 2, 3)
    dropped, _ = layer(x)
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
    torch.testing.assert_close(dropped, layer.eval()(x)[0])


def test_recurrent_dropout_keeps_its_mask_through_time() -> None:
    torch.manual_seed(0)
    layer = RNN(1, 64, recurrent_dropout=0.5, nonlinearity="relu", bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_hh_l0.copy_(torch.eye(64))
    x = torch.zeros(4, 1, 1)
    x[0] = 1
    y, _ = layer(x)
    survived = y[1, 0] > 0
    assert 0 < int(survived.sum()) < 64
    torch.testing.assert_close(y[3, 0], torch.where(survived, torch.tensor(8.0), torch.tensor(0.0)))


def test_zoneout() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 2, 3)
    frozen = LSTM(3, 4, zoneout=1.0)
    assert frozen(x)[0].count_nonzero() == 0
    layer, twin = RNN(3, 4, zoneout=0.25), RNN(3, 4)
    twin.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer.eval()(x[:1])[0], 0.75 * twin(x[:1])[0])


@pytest.mark.parametrize("cell", ["lstm", "peephole", "peephole-gers"])
def test_gates_rebuild_the_memory(cell: str) -> None:
    torch.manual_seed(0)
    model = SequenceClassifier(3, 4, 6, 2, cell=cell)
    tokens = torch.randint(0, 3, (5, 7))
    found = gates(model, tokens)
    assert set(found) == {"i", "f", "g", "o", "h", "c"}
    before = torch.cat((torch.zeros(5, 1, 6), found["c"][:, :-1]), dim=1)
    torch.testing.assert_close(found["c"], found["f"] * before + found["i"] * found["g"])
    torch.testing.assert_close(found["h"], found["o"] * found["c"].tanh())
    torch.testing.assert_close(model.head(found["h"][:, -1]), model(tokens), rtol=1e-4, atol=1e-5)


def test_gates_of_a_stack_in_both_directions() -> None:
    torch.manual_seed(0)
    layer = GRU(3, 4, 2, bidirectional=True, batch_first=True)
    x = torch.randn(2, 5, 3)
    y, _ = layer(x)
    torch.testing.assert_close(gates(layer, x, layer=1)["h"], y[..., :4])
    torch.testing.assert_close(gates(layer, x, layer=1, reverse=True)["h"], y[..., 4:])
    assert set(gates(layer, x)) == {"r", "z", "n", "h"}
