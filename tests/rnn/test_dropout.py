"""Dropout and weight dropout."""

import pytest
import torch
from torch import nn

from graphreel.rnn import LSTM, PeepholeLSTM
from graphreel.rnn.layers.dropout import Dropout, dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.85])
def test_share_scale_and_gradient(dtype: torch.dtype, p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(301, 333, dtype=dtype, requires_grad=True)
    y = dropout(x, p)
    kept = y != 0
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)))
    assert abs(kept.double().mean().item() - (1 - p)) < 5 * (p * (1 - p) / x.numel()) ** 0.5
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, y.detach())


def test_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(100_000), 0.3) != 0).double()
    both = (kept[0::2] * kept[1::2]).mean().item()
    assert abs(both - 0.49) < 5 * (0.49 * 0.51 / 50_000) ** 0.5


def test_seeded_and_off() -> None:
    x = torch.randn(7, 3)
    torch.manual_seed(1)
    first = dropout(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(dropout(x, 0.5), first)
    assert dropout(x, 0.0) is x and dropout(x, 0.5, training=False) is x
    assert torch.equal(dropout(x, 1.0), torch.zeros_like(x))


def test_where_torch_draws() -> None:
    layer = Dropout(0.5)
    half = layer(torch.ones(64, dtype=torch.bfloat16))
    assert set(half.tolist()) <= {0.0, 2.0}
    mapped = torch.func.vmap(layer, randomness="different")(torch.ones(8, 64))
    assert set(mapped.unique().tolist()) == {0.0, 2.0}


def test_module_refuses_and_prints() -> None:
    assert repr(Dropout(0.25)) == "Dropout(p=0.25)"
    with pytest.raises(ValueError, match=r"dropout must be a probability between 0 and 1, but got 1\.5"):
        Dropout(1.5)
    with pytest.raises(ValueError, match="dropout must be a probability between 0 and 1, but got 'a'"):
        Dropout("a")


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
