import math

import torch

from graphreel.combined import EmbeddedHead


def test_nothing_is_forecast_before_training():
    head = EmbeddedHead(3, nodes=4, horizon=2, cycles=1)
    assert not head(torch.randn(5, 4, 3), torch.rand(5, 1)).any()


def test_the_head_is_its_formula():
    torch.manual_seed(0)
    head = EmbeddedHead(3, nodes=4, horizon=2, cycles=2, width=6, embedding=2, blocks=1).double().eval()
    torch.nn.init.normal_(head.head.weight)
    z, clock = torch.randn(5, 4, 3, dtype=torch.float64), torch.rand(5, 2, dtype=torch.float64)
    told = head(z, clock)
    assert told.shape == (5, 2, 4)
    window, node = 3, 1
    moments = []
    for cycle, linear in enumerate(head.moments):
        angles = [2 * math.pi * k * float(clock[window, cycle]) for k in (1, 2, 3)]
        waves = torch.tensor([*map(math.sin, angles), *map(math.cos, angles)], dtype=torch.float64)
        moments.append(linear.weight @ waves)
    u = head.enter.weight @ torch.cat([z[window, node], head.node[node], *moments]) + head.enter.bias
    first, _, _, second = head.blocks[0]
    u = u + second.weight @ torch.relu(first.weight @ u + first.bias) + second.bias
    expected = head.head.weight @ torch.relu(u) + head.head.bias
    torch.testing.assert_close(told[window, :, node], expected)


def test_the_days_of_a_week_are_told_apart_without_exception():
    angle = 2 * math.pi * torch.arange(7, dtype=torch.float64)[:, None] / 7 * torch.arange(1, 4)
    waves = torch.cat([angle.sin(), angle.cos(), torch.ones(7, 1)], dim=1)
    assert torch.linalg.matrix_rank(waves) == 7  # any seven levels are a linear map of them
