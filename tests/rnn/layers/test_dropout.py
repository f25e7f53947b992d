"""Dropout of recurrent weights."""

import pytest
import torch
from torch import nn

from graphreel.core.dropout import dropout
from graphreel.rnn import LSTM, PeepholeLSTM


@pytest.mark.parametrize("layer,name", [(LSTM, "weight_hh_l0"), (PeepholeLSTM, "weight_hh_l0")])
def test_weight_dropout_drops_recurrent_weights(layer: type[nn.Module], name: str) -> None:
    torch.manual_seed(0)
    dropping = layer(3, 6, weight_dropout=0.4, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    torch.manual_seed(2)
    y = dropping(x)[0]
    y.sum().backward()
    plain = layer(3, 6, dtype=torch.float64)
    plain.load_state_dict(dropping.state_dict())
    torch.manual_seed(2)
    with torch.no_grad():
        weight = getattr(plain, name)
        weight.copy_(dropout(weight, 0.4))
    torch.testing.assert_close(y, plain(x)[0])
    gradient = getattr(dropping, name).grad
    assert torch.equal(gradient == 0, getattr(plain, name) == 0)
    dropping.eval()
    plain.load_state_dict(dropping.state_dict())
    torch.testing.assert_close(dropping(x)[0], plain(x)[0])


def test_weight_dropout_of_uva_and_out_of_range() -> None:
    torch.manual_seed(0)
    layer = PeepholeLSTM(3, 6, variant="uva", weight_dropout=0.5)
    layer(torch.randn(5, 2, 3))[0].sum().backward()
    assert 0.2 < (layer.weight_ch_l0.grad == 0).double().mean() < 0.8
    with pytest.raises(ValueError, match="weight_dropout must be a probability between 0 and 1, but got 2"):
        LSTM(3, 6, weight_dropout=2)
