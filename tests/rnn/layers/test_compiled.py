"""The layers under torch.compile: one operator a layer, compiled once for all lengths, with the eager numbers."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM

LAYERS = {
    "lstm": (LSTM, {"num_layers": 2, "bidirectional": True}),
    "gru": (GRU, {"bias": False, "layer_norm": True}),
    "rnn": (RNN, {"nonlinearity": "relu", "batch_first": True}),
    "gers": (PeepholeLSTM, {"bidirectional": True}),
    "uva": (PeepholeLSTM, {"variant": "uva", "zoneout": 0.1}),
}


def results(call, layer, x, *others):
    x = x.detach().requires_grad_()
    y, state = call(x, *others)
    leaves = [x, *layer.parameters()]
    return [y, state, torch.autograd.grad(y.cos().sum(), leaves, allow_unused=True)]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_compiled_once_for_all_lengths(name):
    torch._dynamo.reset()
    kind, options = LAYERS[name]
    layer = kind(3, 4, **options).double().eval()
    backend = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend=backend)
    for steps, batch in ((7, 5), (9, 4), (23, 6)):
        x = torch.randn(steps, batch, 3, dtype=torch.float64)
        torch.testing.assert_close(results(compiled, layer, x), results(layer, layer, x))
    assert len([graph for graph in backend.graphs if "scan" in graph.code]) == 1


def test_compiled_with_lengths_and_states():
    torch._dynamo.reset()
    layer = LSTM(3, 4, num_layers=2, bidirectional=True).double()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x, h, c = torch.randn(6, 3, 3), torch.randn(4, 3, 4), torch.randn(4, 3, 4)
    inputs = (x.double(), (h.double(), c.double()), torch.tensor([2, 6, 1]), "left")
    torch.testing.assert_close(results(compiled, layer, *inputs), results(layer, layer, *inputs))
    with pytest.raises(ValueError, match="lengths must lie between 1 and the number of steps 6, but got 9"):
        compiled(x.double(), None, torch.tensor([9, 1, 1]))


@pytest.mark.parametrize("options", [{"zoneout": 0.5}, {"recurrent_dropout": 0.5}, {"weight_dropout": 0.5}])
def test_what_is_drawn_at_random_is_drawn_once(options):
    torch._dynamo.reset()
    layer = LSTM(3, 8, **options).double()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")

    def run(x):
        torch.manual_seed(0)
        return compiled(x)[0].sum()

    x = torch.randn(5, 4, 3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(run(x), x)
    step = torch.randn_like(x) * 1e-6
    with torch.no_grad():
        change = (run(x + step) - run(x - step)) / 2
    torch.testing.assert_close(change, (grad * step).sum(), rtol=1e-4, atol=1e-9)
    assert not torch.equal(compiled(x)[0], compiled(x)[0])


def test_the_operator_keeps_the_rules_of_torch():
    x, state = torch.randn(4, 2, 3, requires_grad=True), [torch.randn(2, 5, requires_grad=True) for _ in range(2)]
    layer = LSTM(3, 5)
    weights = layer.layer_weights(0, 0)
    given = ("lstm_cell", " ".join(weights), x, state, [w.detach().requires_grad_() for w in weights.values()])
    options = (None, "right", True, None, 0.0, True, None, [2, 3, 4, 5, 6, 7, 8])
    torch.library.opcheck(torch.ops.graphreel.scan.default, (*given, *options))
