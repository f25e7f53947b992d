"""Single steps against the layers that make all of them."""

import pytest
import torch

from graphreel.rnn import GRU, LSTM, GRUCell, LSTMCell, PeepholeLSTM, PeepholeLSTMCell

CASES = [
    (LSTMCell, LSTM, {}),
    (GRUCell, GRU, {}),
    (PeepholeLSTMCell, PeepholeLSTM, {"variant": "gers"}),
    (PeepholeLSTMCell, PeepholeLSTM, {"variant": "uva", "bias": False}),
]


@pytest.mark.parametrize(("cell", "layer", "options"), CASES)
@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 3)])
def test_a_stream_of_steps_is_the_layer(cell, layer, options: dict, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    whole, step = layer(3, 4, dtype=torch.float64, **options), cell(3, 4, dtype=torch.float64, **options)
    step.load_state_dict({name.removesuffix("_l0"): value for name, value in whole.state_dict().items()})
    x, state, outputs = torch.randn(shape, dtype=torch.float64), None, []
    for x_t in x:
        state = step(x_t, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    torch.testing.assert_close(torch.stack(outputs), whole(x)[0], rtol=1e-11, atol=1e-12)


def test_what_does_not_fit() -> None:
    cell = PeepholeLSTMCell(3, 4)
    with pytest.raises(ValueError, match=r"input must be \[3\] or \[B, 3\], but got shape \(2, 5\)"):
        cell(torch.randn(2, 5))
    with pytest.raises(ValueError, match=r"hx must be two tensors of shape \(2, 4\), but got \(1, 4\) and \(2, 4\)"):
        cell(torch.randn(2, 3), (torch.zeros(1, 4), torch.zeros(2, 4)))
    with pytest.raises(ValueError, match="variant must be one of gers, uva, but got 'x'"):
        PeepholeLSTMCell(3, 4, variant="x")
