"""The fused steps of recurrent layers for a GPU against the plain loop in float64."""

import warnings

import pytest
import torch

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM
from graphreel.rnn.kernels import gpu_scan
from graphreel.rnn.kernels.dispatch import scan_path
from graphreel.rnn.kernels.gpu_scan import STEP

LAYERS = {
    "gers": lambda: PeepholeLSTM(3, 5, bidirectional=True),
    "gers, normalised": lambda: PeepholeLSTM(3, 5, layer_norm=True, zoneout=0.2).eval(),
    "uva": lambda: PeepholeLSTM(3, 20, variant="uva", bidirectional=True),
    "lstm, normalised": lambda: LSTM(3, 5, layer_norm=True),
    "lstm, normalised without shifts": lambda: LSTM(3, 5, layer_norm=True, bias=False),
    "lstm, zoneout": lambda: LSTM(3, 5, zoneout=0.3).eval(),
    "gru, normalised": lambda: GRU(3, 5, layer_norm=True, bidirectional=True),
    "gru, zoneout": lambda: GRU(3, 5, zoneout=0.3, bias=False).eval(),
    "rnn, normalised": lambda: RNN(3, 5, layer_norm=True),
    "relu, zoneout": lambda: RNN(3, 5, nonlinearity="relu", zoneout=0.3).eval(),
}


@pytest.fixture
def launches(monkeypatch):
    found = []
    launch = gpu_scan._launch
    monkeypatch.setattr(gpu_scan, "_launch", lambda name, *args: (found.append(name), launch(name, *args)))
    return found


def _results(layer, x, states, **options):
    leaves = [x, *states, *layer.parameters()]
    y, final = layer(x, states if len(states) == 2 else states[0], **options)
    final = final if isinstance(final, tuple) else (final,)
    loss = (y * torch.arange(y.numel(), dtype=y.dtype).view_as(y).sin()).sum() + sum(part.sin().sum() for part in final)
    return [y, *final, *torch.autograd.grad(loss, leaves, materialize_grads=True)]


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients(name, launches):
    torch.manual_seed(0)
    layer = LAYERS[name]()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    x = torch.randn(3, 3, 3, requires_grad=True)
    directions = 1 + layer.bidirectional
    states = [torch.randn(directions, 3, layer.hidden_size, requires_grad=True) for _ in layer.state_names]
    assert STEP.passes(x.device)
    for options in ({}, {"lengths": [1, 3, 2]}):
        launches.clear()
        with scan_path("triton"):
            ours = _results(layer, x, states, **options)
        assert launches == ["forward"] * 3 * directions + ["backward"] * 3 * directions
        formula = LAYERS[name]().double()
        formula.load_state_dict(layer.state_dict())
        with scan_path("plain"):
            doubles = [part.detach().double().requires_grad_() for part in (x, *states)]
            expected = _results(formula, doubles[0], doubles[1:], **options)
        torch.testing.assert_close(ours, expected, check_dtype=False, rtol=1e-4, atol=1e-5)


def test_zoneout_in_training_keeps_what_masks_say(monkeypatch):
    torch.manual_seed(0)
    layer, x = PeepholeLSTM(3, 4, zoneout=0.5), torch.randn(4, 2, 3)
    kept = (torch.rand(2, 8, 4) < 0.5).float()
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: 1.0 - kept)  # below a half where a unit is kept
    steps = kept.view(2, 4, 2, 4).transpose(0, 1).flatten(0, 1).unbind()
    draws = iter([1.0 - part for part in steps])
    monkeypatch.setattr(torch, "rand_like", lambda _: next(draws))
    results = []
    for path in ("triton", "plain"):
        with scan_path(path):
            y, (h, c) = layer(x)
            results.append([y, h, c, *torch.autograd.grad((y.sin().sum() + c.sum()), list(layer.parameters()))])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_what_the_kernels_do_not_do_goes_by_the_plain_loop(launches):
    x = torch.randn(4, 2, 3)
    with scan_path("triton"):
        PeepholeLSTM(3, 4, recurrent_dropout=0.5)(x)
        PeepholeLSTM(3, 4, variant="uva", layer_norm=True)(x)
        GRU(3, 4, variant="uva", zoneout=0.5)(x)
        PeepholeLSTM(3, 4).double()(x.double())
        with torch.autocast("cpu"):
            PeepholeLSTM(3, 4)(x)
    assert launches == []


class _Broken:
    def __getitem__(self, grid):
        raise RuntimeError("no such card")


@pytest.mark.parametrize("wrong", [False, True])
def test_a_kernel_that_fails_or_differs_is_not_used(wrong, monkeypatch):
    torch.manual_seed(0)
    layer, x = PeepholeLSTM(3, 4), torch.randn(4, 2, 3)
    with scan_path("plain"):
        expected = layer(x)
    monkeypatch.setattr(STEP, "_passed", {})
    if wrong:
        monkeypatch.setattr(gpu_scan, "_launch", lambda way, form, hidden, *given: given[-1].zero_())
    else:
        monkeypatch.setattr(gpu_scan, "kernels", lambda: {"lstm_forward": _Broken()})
    with scan_path("triton"):
        with pytest.warns(UserWarning, match="a recurrent step is not used on cpu, the plain loop is: "):
            torch.testing.assert_close(layer(x), expected)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            torch.testing.assert_close(layer(x), expected)
