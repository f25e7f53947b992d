"""Layers against scalar loops: every product written out unit by unit, gradients included."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM
from graphreel.rnn.registry import CELLS, build_layer

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 2


def _dot(row: Tensor, vector: list[Tensor]) -> Tensor:
    return sum((row[k] * vector[k] for k in range(len(vector))), torch.zeros((), dtype=torch.float64))


def _sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def _tanh(x: Tensor) -> Tensor:
    return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


def _rnn(layer, x, h, c):
    z = [
        _dot(layer.weight_ih_l0[k], x) + layer.bias_ih_l0[k] + _dot(layer.weight_hh_l0[k], h) + layer.bias_hh_l0[k]
        for k in range(HIDDEN)
    ]
    return [_tanh(value) if layer.nonlinearity == "tanh" else value.clamp(min=0) for value in z], c


def _lstm(layer, x, h, c):
    def z(gate, k):
        row = gate * HIDDEN + k
        return (
            _dot(layer.weight_ih_l0[row], x)
            + layer.bias_ih_l0[row]
            + _dot(layer.weight_hh_l0[row], h)
            + layer.bias_hh_l0[row]
        )

    peephole = getattr(layer, "weight_peephole_l0", torch.zeros(3, HIDDEN, dtype=torch.float64))
    new_h, new_c = [], []
    for k in range(HIDDEN):
        i, f = _sigmoid(z(0, k) + peephole[0, k] * c[k]), _sigmoid(z(1, k) + peephole[1, k] * c[k])
        new_c.append(f * c[k] + i * _tanh(z(2, k)))
        new_h.append(_sigmoid(z(3, k) + peephole[2, k] * new_c[k]) * _tanh(new_c[k]))
    return new_h, new_c


def _uva(layer, x, h, c):
    def z(gate, k):
        row = gate * HIDDEN + k
        return _dot(layer.weight_ih_l0[row], x) + layer.bias_ih_l0[row] + layer.bias_hh_l0[row]

    new_h, new_c = [], []
    for k in range(HIDDEN):
        i = _sigmoid(z(0, k) + _dot(layer.weight_ch_l0[k], c))
        f = _sigmoid(z(1, k) + _dot(layer.weight_ch_l0[HIDDEN + k], c))
        o = _sigmoid(z(3, k) + _dot(layer.weight_ch_l0[2 * HIDDEN + k], c))
        new_c.append(f * c[k] + i * _sigmoid(z(2, k)))
        new_h.append(o * _tanh(new_c[k]))
    return new_h, new_c


def _gru(layer, x, h, c):
    def from_x(gate, k):
        return _dot(layer.weight_ih_l0[gate * HIDDEN + k], x) + layer.bias_ih_l0[gate * HIDDEN + k]

    def from_h(gate, k, vector):
        return _dot(layer.weight_hh_l0[gate * HIDDEN + k], vector) + layer.bias_hh_l0[gate * HIDDEN + k]

    r = [_sigmoid(from_x(0, k) + from_h(0, k, h)) for k in range(HIDDEN)]
    z = [_sigmoid(from_x(1, k) + from_h(1, k, h)) for k in range(HIDDEN)]
    if layer.variant == "torch":
        n = [_tanh(from_x(2, k) + r[k] * from_h(2, k, h)) for k in range(HIDDEN)]
        return [(1 - z[k]) * n[k] + z[k] * h[k] for k in range(HIDDEN)], c
    gated = [r[k] * h[k] for k in range(HIDDEN)]
    n = [_tanh(from_x(2, k) + from_h(2, k, gated)) for k in range(HIDDEN)]
    return [(1 - z[k]) * h[k] + z[k] * n[k] for k in range(HIDDEN)], c


CASES = {
    "rnn tanh": (lambda: RNN(INPUTS, HIDDEN), _rnn),
    "rnn relu": (lambda: RNN(INPUTS, HIDDEN, nonlinearity="relu"), _rnn),
    "lstm": (lambda: LSTM(INPUTS, HIDDEN), _lstm),
    "gers": (lambda: PeepholeLSTM(INPUTS, HIDDEN, variant="gers"), _lstm),
    "uva": (lambda: PeepholeLSTM(INPUTS, HIDDEN, variant="uva"), _uva),
    "gru": (lambda: GRU(INPUTS, HIDDEN), _gru),
    "gru uva": (lambda: GRU(INPUTS, HIDDEN, variant="uva"), _gru),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_equals_scalar_loop_with_gradients(case: str) -> None:
    torch.manual_seed(0)
    make, step = CASES[case]
    layer = make().double()
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    initial = tuple(torch.randn(1, BATCH, HIDDEN, dtype=torch.float64, requires_grad=True) for _ in layer.state_names)
    y, final = layer(x, initial[0] if len(initial) == 1 else initial)

    outputs = [[] for _ in range(STEPS)]
    last = [[], []]
    for b in range(BATCH):
        h, c = list(initial[0][0, b]), list(initial[-1][0, b])
        for t in range(STEPS):
            h, c = step(layer, list(x[t, b]), h, c)
            outputs[t].append(torch.stack(h))
        last[0].append(torch.stack(h))
        last[1].append(torch.stack(c))
    expected = torch.stack([torch.stack(row) for row in outputs])
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    finals = (final,) if isinstance(final, Tensor) else final
    for got, want in zip(finals, last, strict=False):
        torch.testing.assert_close(got[0], torch.stack(want), rtol=1e-12, atol=1e-12)

    factor = torch.randn_like(expected)
    inputs = [x, *layer.parameters()]
    got = torch.autograd.grad((y * factor).sum() + finals[-1].sum(), inputs)
    want = torch.autograd.grad((expected * factor).sum() + torch.stack(last[len(finals) - 1]).sum(), inputs)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_gers_without_peepholes_is_lstm() -> None:
    torch.manual_seed(0)
    lstm, gers = LSTM(3, 5, 2, dtype=torch.float64), PeepholeLSTM(3, 5, 2, dtype=torch.float64)
    missing = gers.load_state_dict(lstm.state_dict(), strict=False).missing_keys
    assert missing == ["weight_peephole_l0", "weight_peephole_l1"]
    with torch.no_grad():
        gers.weight_peephole_l0.zero_()
        gers.weight_peephole_l1.zero_()
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(gers(x), lstm(x), rtol=1e-12, atol=1e-12)


def test_names_of_cells_need_no_torch_and_each_has_its_layer() -> None:
    code = "import sys, graphreel.rnn.registry as cells; print('torch' in sys.modules, *cells.CELLS)"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert got == ["False", *CELLS]
    for name, cell in CELLS.items():
        layer = build_layer(name, 3, 4, forget_bias=1.0 if cell.forget_gate else None)
        assert cell.causal is not layer.bidirectional and layer(torch.randn(2, 1, 3))[0].shape[:2] == (2, 1)
    with pytest.raises(ValueError, match=r"cell must be one of rnn, .*, but got 'lstn'"):
        build_layer("lstn", 3, 4)
    with pytest.raises(ValueError, match="forget_bias needs a cell with a forget gate, but got cell='gru'"):
        build_layer("gru", 3, 4, forget_bias=1.0)
