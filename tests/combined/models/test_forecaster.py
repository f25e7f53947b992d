import pytest
import torch
from torch import nn
from torch.testing import assert_close

from graphreel import gnn, rnn
from graphreel.combined import TGCN, Forecaster

EDGES = torch.tensor([[0, 1, 2, 2, 3, 3, 0], [1, 2, 0, 3, 3, 1, 1]])  # a loop, a duplicate edge; node 4 is isolated
WEIGHTS = torch.tensor([0.5, 1.5, 2.0, 0.3, 0.7, 1.1, 0.9], dtype=torch.float64)


def inputs(windows: int = 2, steps: int = 4, features: int = 2):
    return torch.randn(windows, steps, 5, features, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def model(own: bool = True, **options) -> Forecaster:
    torch.manual_seed(0)
    forecaster = Forecaster(gnn.GCNConv(2, 4), rnn.GRU(6 if own else 4, 3), 3, **options).double()
    if forecaster.linear is not None:
        nn.init.normal_(forecaster.linear.weight)
    return forecaster


def by_loops(forecast: Forecaster, x, edge_index, edge_weight):
    """GCN, GRU, head and linear path of one window with loops over steps, nodes and edges."""
    weight, bias = forecast.spatial.lin.weight, forecast.spatial.bias
    steps, nodes, _ = x.shape
    adjacency = torch.eye(nodes, dtype=torch.float64)
    entries = list(zip(edge_index.t().tolist(), edge_weight.tolist(), strict=True))
    for (source, target), value in entries:
        if source == target:
            adjacency[source, source] = value
        else:
            adjacency[target, source] += value
    degree = adjacency.sum(1)
    z = torch.zeros(steps, nodes, len(weight), dtype=torch.float64)
    rows = []
    for t in range(steps):
        for i in range(nodes):
            total = bias
            for j in range(nodes):
                total = total + adjacency[i, j] / (degree[i] * degree[j]).sqrt() * (weight @ x[t, j])
            rows.append(total.clamp(min=0))
    z = torch.stack(rows).view(steps, nodes, -1)
    gru = forecast.temporal
    size = gru.hidden_size
    answers = []
    for i in range(nodes):
        h = torch.zeros(size, dtype=torch.float64)
        for t in range(steps):
            a = gru.weight_ih_l0 @ torch.cat([x[t, i], z[t, i]]) + gru.bias_ih_l0
            b = gru.weight_hh_l0 @ h + gru.bias_hh_l0
            r, u = torch.sigmoid(a[:size] + b[:size]), torch.sigmoid(a[size : 2 * size] + b[size : 2 * size])
            c = torch.tanh(a[2 * size :] + r * b[2 * size :])
            h = (1 - u) * c + u * h
        answer = forecast.head.weight @ h + forecast.head.bias
        if forecast.linear is not None:
            answer = answer + forecast.linear.weight @ x[-forecast.linear.in_features :, i, 0]
        if forecast.residual:
            answer = answer + x[-1, i, 0]
        answers.append(answer)
    return torch.stack(answers, dim=1)


@pytest.mark.parametrize("options", [{}, {"autoregressive": 3, "residual": True}])
def test_loops_agree_gradients_included(options):
    forecast, x = model(**options), inputs()
    cotangent = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    fast = forecast(x, EDGES, WEIGHTS)
    slow = torch.stack([by_loops(forecast, window, EDGES, WEIGHTS) for window in x])
    assert_close(fast, slow, rtol=1e-10, atol=1e-12)
    parameters = list(forecast.parameters())
    of_fast = torch.autograd.grad((fast * cotangent).sum(), parameters)
    of_slow = torch.autograd.grad((slow * cotangent).sum(), parameters)
    for one, other in zip(of_fast, of_slow, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("own", [True, False])
def test_a_batch_equals_its_windows_one_by_one(own):
    forecast, x = model(own), inputs(windows=3)
    together = forecast(x, EDGES, WEIGHTS)
    assert_close(together, torch.cat([forecast(window[None], EDGES, WEIGHTS) for window in x]), rtol=1e-10, atol=1e-12)


def test_permuting_the_nodes_permutes_the_forecast():
    forecast, x = model(), inputs()
    order = torch.tensor([3, 0, 4, 1, 2])
    place = order.argsort()
    assert_close(forecast(x[:, :, order], place[EDGES], WEIGHTS), forecast(x, EDGES, WEIGHTS)[:, :, order])


def test_a_graph_that_changes_equals_a_window_of_single_steps():
    """The same graph at every step, given three ways, is one forecast; another graph at one step is another."""
    forecast, x = model(), inputs()
    static = forecast(x, EDGES, WEIGHTS)
    listed = forecast(x, [EDGES] * 4, [WEIGHTS] * 4)
    frame = torch.arange(8).repeat_interleave(EDGES.size(1))
    framed = forecast(x, EDGES.repeat(1, 8), WEIGHTS.repeat(8), frame=frame)
    assert_close(listed, static, rtol=1e-10, atol=1e-12)
    assert_close(framed, static, rtol=1e-10, atol=1e-12)
    changed = forecast(x, [EDGES, EDGES, EDGES.flip(0), EDGES], [WEIGHTS] * 4)
    assert not torch.allclose(changed, static)


def test_a_changing_graph_acts_on_its_own_step_and_window_alone():
    forecast = model()
    x = inputs().requires_grad_()
    only = torch.tensor([[0], [1]])  # one edge from 0 to 1, in step 2 of window 1
    forecast(x, only, frame=torch.tensor([1 * 4 + 2]))[:, :, 1].sum().backward()
    reached = x.grad[:, :, 0].abs().sum(-1) > 0
    assert reached.nonzero().tolist() == [[1, 2]]


def test_every_step_carries_the_state():
    forecast, x = model(autoregressive=3, residual=True), inputs()
    everywhere = forecast(x, EDGES, WEIGHTS, every_step=True)
    assert everywhere.shape == (2, 4, 3, 5)
    assert_close(everywhere[:, -1], forecast(x, EDGES, WEIGHTS))
    assert_close(everywhere[:, 2], forecast(x[:, :3], EDGES, WEIGHTS))


def test_without_edges_nodes_are_on_their_own():
    forecast = Forecaster(None, rnn.LSTM(2, 3, batch_first=True), 2).double()
    x = inputs()
    changed = x.clone()
    changed[:, :, 0] += 1
    before, after = forecast(x, EDGES), forecast(changed, EDGES)
    assert_close(before[:, :, 1:], after[:, :, 1:])
    assert not torch.allclose(before[:, :, 0], after[:, :, 0])


@pytest.mark.parametrize("spatial", [gnn.GATConv(2, 4), gnn.GATv2Conv(2, 2, heads=2), gnn.GCN(2, 8, 2, 4)])
@pytest.mark.parametrize(
    "temporal", [rnn.PeepholeLSTM(4, 3), nn.LSTM(4, 3, batch_first=True), nn.LSTM(4, 3, proj_size=2)]
)
def test_any_layers_fit(spatial, temporal):
    forecast = Forecaster(spatial, temporal, 2).double().eval()
    x = inputs()
    together = forecast(x, EDGES)
    assert_close(together, torch.cat([forecast(window[None], EDGES) for window in x]), rtol=1e-9, atol=1e-11)


def test_a_recurrent_layer_that_reads_the_graph_itself():
    torch.manual_seed(0)
    forecast, x = Forecaster(None, TGCN(2, 3), 4).double(), inputs()
    state = None
    for step in x.unbind(1):
        state = forecast.temporal(step, EDGES, WEIGHTS, state)
    wanted = forecast.head(state).transpose(1, 2)
    frame = torch.arange(8).repeat_interleave(EDGES.size(1))
    assert_close(forecast(x, EDGES, WEIGHTS), wanted)
    assert_close(forecast(x, [EDGES] * 4, [WEIGHTS] * 4), wanted)
    assert_close(forecast(x, EDGES.repeat(1, 8), WEIGHTS.repeat(8), frame=frame), wanted)
    assert_close(forecast(x, EDGES, WEIGHTS, every_step=True)[:, -1], wanted)
    assert not torch.allclose(forecast(x, EDGES.flip(0), WEIGHTS), wanted)
    with pytest.raises(ValueError, match="edge_index holds node 7, but x has 5 nodes"):
        forecast(x, torch.tensor([[0], [7]]))


def test_bad_input_is_named():
    x = inputs()
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        Forecaster(None, rnn.GRU(2, 3), 0)
    with pytest.raises(ValueError, match="autoregressive must be at least 0, got -1"):
        Forecaster(None, rnn.GRU(2, 3), 1, autoregressive=-1)
    with pytest.raises(ValueError, match=r"x must be \[windows, steps, nodes, features\], got \[4, 5, 2\]"):
        model()(x[0], EDGES)
    with pytest.raises(ValueError, match="edge_index holds node 7, but x has 5 nodes"):
        model()(x, torch.tensor([[0], [7]]))
    for empty in (x[:0], x[:, :0]):
        with pytest.raises(ValueError, match=r"x must hold windows, steps, nodes and features, got \[\d, \d, 5, 2\]"):
            model()(empty, EDGES)
    with pytest.raises(ValueError, match="edge_index has 3 edge lists, but x has 4 steps"):
        model()(x, [EDGES] * 3)
    with pytest.raises(ValueError, match="edge_weight has 21 entries, but there are 28 edges"):
        model()(x, [EDGES] * 4, [WEIGHTS] * 3)
    with pytest.raises(
        ValueError, match=r"edge_weight has \[7, 6, 8, 7\] entries by step, but the steps have \[7, 7, "
    ):
        model()(x, [EDGES] * 4, [WEIGHTS, WEIGHTS[:6], torch.cat([WEIGHTS, WEIGHTS[:1]]), WEIGHTS])
    for wrong in (-1, 8):
        with pytest.raises(ValueError, match=f"frame holds {wrong}, but x has 2 windows of 4 steps"):
            model()(x, EDGES, frame=torch.full((7,), wrong))
    with pytest.raises(ValueError, match=r"frame must be \[7\], one for every edge, got \[3\]"):
        model()(x, EDGES, frame=torch.arange(3))
    with pytest.raises(ValueError, match="temporal has input_size 5: expected 4, the width of spatial, or 6"):
        Forecaster(gnn.GCNConv(2, 4), rnn.GRU(5, 3), 1).double()(x, EDGES)


@pytest.mark.parametrize("layer", [rnn.RNN, rnn.GRU, rnn.LSTM, rnn.PeepholeLSTM])
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_last_state_alone_is_the_last_of_all_steps(layer, batch_first):
    torch.manual_seed(0)
    forecast = Forecaster(gnn.GCNConv(2, 4), layer(6, 3, batch_first=batch_first), 3).double()
    parameters = list(forecast.parameters())
    x = inputs(steps=6).requires_grad_()
    weights = torch.randn(2, 3, 5, dtype=torch.float64)
    found = []
    for told in (forecast(x, EDGES, WEIGHTS), forecast(x, EDGES, WEIGHTS, every_step=True)[:, -1]):
        found.append((told, *torch.autograd.grad((told * weights).sum(), [x, *parameters])))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_features_that_do_not_fit_the_recurrent_layer_are_named():
    with pytest.raises(ValueError, match="input must have 3 features \\(input_size\\), but got 2"):
        Forecaster(None, rnn.GRU(3, 4), 1).double()(inputs(), EDGES)
