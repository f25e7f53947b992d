import math

import pytest
import torch

from graphreel.gnn.dropout import dropout, dropout_factors


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


def test_gradient():
    x = torch.randn(20, 5, dtype=torch.float64, requires_grad=True)
    out = dropout(x, 0.6)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)
