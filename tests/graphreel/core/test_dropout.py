import math

import pytest
import torch

from graphreel.core.dropout import Dropout, dropout, dropout_factors


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.6, 0.999, 1 / 256])
def test_frequencies(p):
    torch.manual_seed(0)
    count = 200_000
    factors = dropout_factors(torch.Size([count]), p, torch.float64)
    zero = factors == 0
    assert abs(int(zero.sum()) - p * count) < 5 * math.sqrt(count * p * (1 - p))
    kept = factors[~zero]
    assert (kept == kept[0]).all()
    torch.testing.assert_close(kept[0].item(), 1 / (1 - p), rtol=1e-4, atol=0.0)
    # neighbours cut from one random number are independent: a pair is dropped together as often as by chance
    for distance in (1, 2, 4, 7):
        together = int((zero[distance:] & zero[:-distance]).sum())
        assert abs(together - p * p * count) < 5 * math.sqrt(count * p * p) + 5


@pytest.mark.parametrize("p", [0.0, 1e-12, 1e-6, 1 - 1e-6, 1 - 1e-12])
def test_close_to_the_ends(p):
    torch.manual_seed(0)
    factors = dropout_factors(torch.Size([1000]), p)
    assert factors.isfinite().all()
    assert int((factors == 0).sum()) == (0 if p < 0.5 else 1000)


def test_every_element_of_a_draw_takes_part():
    torch.manual_seed(0)
    for p in (0.5, 0.6):
        zero = dropout_factors(torch.Size([4000, 8]), p) == 0
        assert ((zero.double().mean(0) - p).abs() < 0.05).all()


def test_it_follows_the_seed_and_the_generator_moves_on():
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        draws.append([dropout_factors(torch.Size([3, 5]), 0.5) for _ in range(2)])
    assert torch.equal(draws[0][0], draws[1][0])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_ends_and_identity():
    x = torch.randn(3, 5)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x
    assert not dropout(x, 1.0).any()
    assert dropout(torch.empty(0, 4), 0.5).shape == (0, 4)
    assert dropout(x.bfloat16(), 0.5).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.85])
def test_share_scale_and_gradient(dtype: torch.dtype, p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(301, 333, dtype=dtype, requires_grad=True)
    y = dropout(x, p)
    kept = y != 0
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)), rtol=1e-4, atol=0.0)
    assert abs(kept.double().mean().item() - (1 - p)) < 5 * (p * (1 - p) / x.numel()) ** 0.5
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, y.detach())


def test_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(100_000), 0.3) != 0).double()
    both = (kept[0::2] * kept[1::2]).mean().item()
    assert abs(both - 0.49) < 5 * (0.49 * 0.51 / 50_000) ** 0.5


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
