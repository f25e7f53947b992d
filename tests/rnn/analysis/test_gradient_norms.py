import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from graphreel.rnn.analysis.gradient_norms import draw_gradient_norms, gradient_norms, memory_task, state_gradients
from graphreel.rnn.cells import lstm_cell, rnn_tanh_cell
from graphreel.rnn.layers.lstm import LSTM
from graphreel.rnn.layers.rnn import RNN


@pytest.fixture(scope="module")
def measured():
    return gradient_norms(steps=100, hidden_size=8, batch_size=4, training_steps=2)


def test_what_is_measured(measured):
    assert [(one.kind, one.setting, one.trained) for one in measured] == [
        (kind, setting, trained)
        for trained in (False, True)
        for kind, settings in (("rnn", (0.5, 1.0, 1.5)), ("lstm", (0.0, 1.0, 3.0)))
        for setting in settings
    ]
    assert all(torch.equal(one.lag, torch.arange(100)) for one in measured)


def test_the_bound_holds_and_is_that_of_the_orthogonal_matrix(measured):
    for one in measured:
        if one.kind == "lstm":
            assert one.bound is None
            continue
        assert bool((one.norm <= one.bound * (1 + 1e-9)).all())
        assert one.bound[0] == one.norm[0]
        if not one.trained:  # max|tanh'| is close to 1, where a state is close to 0
            assert one.bound[10] / one.bound[0] == pytest.approx(one.setting**10, rel=0.02)


def test_small_radii_and_small_forget_biases_vanish(measured):
    initial = {(one.kind, one.setting): one.norm[-1] / one.norm[0] for one in measured if not one.trained}
    assert initial["rnn", 0.5] < 1e-25 < initial["rnn", 1.0] < initial["rnn", 1.5]
    assert 1e6 * initial["lstm", 0.0] < 1e3 * initial["lstm", 1.0] < initial["lstm", 3.0]


@pytest.mark.parametrize(("layer_class", "cell", "parts"), [(RNN, rnn_tanh_cell, 1), (LSTM, lstm_cell, 2)])
def test_state_gradients_are_finite_differences(layer_class, cell, parts):
    torch.manual_seed(0)
    layer, head = layer_class(4, 3, batch_first=True, dtype=torch.float64), nn.Linear(3, 4, dtype=torch.float64)
    inputs, labels = memory_task(2, 6, torch.Generator().manual_seed(0))
    gradients, states = state_gradients(cell, layer, head, inputs, labels)
    assert gradients.shape == states.shape == (6, parts, 2, 3)

    def loss(state, after):  # of the second sample, when its state after step `after` is replaced
        hx = [part[:, None] for part in state]
        _, final = layer(inputs[1:, after:], hx[0] if parts == 1 else tuple(hx))
        h = final if parts == 1 else final[0]
        return nn.functional.cross_entropy(head(h[0]), labels[1:]).item()

    for part in range(parts):
        for unit in range(3):
            shift = torch.zeros(parts, 1, 3, dtype=torch.float64)
            shift[part, 0, unit] = 1e-6
            up, down = (loss(states[2, :, 1:] + sign * shift, 3) for sign in (1, -1))
            assert gradients[2, part, 1, unit].item() == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-9)


def test_training_learns_the_task_where_the_gradient_survives():
    measured = gradient_norms(steps=12, hidden_size=16, batch_size=32, training_steps=150)
    accuracy = {(one.kind, one.setting): one.accuracy for one in measured if one.trained}
    assert accuracy["rnn", 1.0] > 0.9


def test_no_training_and_the_same_numbers_again():
    one, two = (gradient_norms(steps=5, hidden_size=3, batch_size=2, training_steps=0) for _ in range(2))
    assert len(one) == 6 and all(torch.equal(a.norm, b.norm) for a, b in zip(one, two, strict=True))


def test_the_picture(measured):
    figure = draw_gradient_norms(measured)
    assert isinstance(figure, Figure) and len(figure.axes) == 4
    for axis in figure.axes:
        assert axis.get_yscale() == "log" and axis.get_ylabel() and axis.get_title()
    upper = figure.axes[0]
    dotted = [line for line in upper.lines if line.get_linestyle() == ":"]
    assert len(dotted) == 3 and len(upper.lines) == 6
    assert upper.lines[0].get_ydata() == pytest.approx(measured[0].norm.numpy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ({"training_steps": -1}, "training_steps must not be negative, got -1"),
    ],
)
def test_bad_sizes(options, message):
    with pytest.raises(ValueError, match=message):
        gradient_norms(**options)
