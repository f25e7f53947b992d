"""Initialisation, forget bias, recurrent dropout, zoneout; gates and the count of parameters."""

import pytest
import torch

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM, SequenceClassifier, gates, parameter_count


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


def _normed(z: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    deviation = (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return gain * (z - z.mean(-1, keepdim=True)) / deviation + shift


def test_layer_norm_of_an_lstm_is_equations_20_to_22_of_the_paper() -> None:
    """Ba, Kiros and Hinton, "Layer Normalization" (2016), supplementary material."""
    torch.manual_seed(0)
    layer = LSTM(3, 4, layer_norm=True, dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    w = layer.layer_weights(0, 0)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    h, c = x.new_zeros(2, 4), x.new_zeros(2, 4)
    outputs = []
    for x_t in x:
        z = _normed(h @ w["weight_hh"].t(), w["norm_hh"], w["bias_hh"])
        z = z + _normed(x_t @ w["weight_ih"].t(), w["norm_ih"], w["bias_ih"])
        i, f, g, o = z.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * _normed(c, w["norm_c"], w["bias_c"]).tanh()
        outputs.append(h)
    got = layer(x)
    torch.testing.assert_close(got, (torch.stack(outputs), (h[None], c[None])), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (RNN, {}),
        (LSTM, {"forget_bias": 1.0}),
        (GRU, {}),
        (GRU, {"variant": "uva"}),
        (PeepholeLSTM, {}),
        (PeepholeLSTM, {"variant": "uva"}),
    ],
)
def test_layer_norm_in_every_layer(make, options: dict, bias: bool) -> None:
    torch.manual_seed(0)
    options = (options if bias else {k: v for k, v in options.items() if k == "variant"}) | {"bias": bias}
    layer = make(3, 4, 2, bidirectional=True, layer_norm=True, dtype=torch.float64, **options)
    plain = make(3, 4, 2, bidirectional=True, dtype=torch.float64, **options)
    added = {name.split("_l")[0] for name in layer.state_dict()} - {name.split("_l")[0] for name in plain.state_dict()}
    recurrent = "norm_ch" if options.get("variant") == "uva" and make is PeepholeLSTM else "norm_hh"
    memory = {"norm_c", "bias_c"} if len(layer.state_names) == 2 else set()
    assert added == {"norm_ih", recurrent} | (memory if bias else memory - {"bias_c"})
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    y, _ = layer(x, lengths=[6, 4])
    torch.testing.assert_close(y[:4, 1:], layer(x[:4, 1:])[0])
    # what is normalised does not feel the size of the weights, but for the small number under the root
    torch.testing.assert_close(layer(1e6 * x)[0], layer(2e6 * x)[0], rtol=1e-6, atol=1e-6)
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
    assert "layer_norm=True" in repr(layer)
