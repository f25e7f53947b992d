import pytest
import torch
from torch.testing import assert_close

from graphreel.combined import seasonal_traces


def values(steps=23, nodes=3):
    return torch.randn(steps, nodes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_loop(x, season, rates, forget):
    """One number at a time: for own values and the mean, and every rate, [level, expected now, expected next]."""
    steps, nodes = x.shape
    out = torch.zeros(steps, nodes, 2, len(rates), 3, dtype=x.dtype)
    for node in range(nodes):
        for kind, series in enumerate((x[:, node], x.mean(1))):
            for number, rate in enumerate(rates):
                level, expected, seen = 0.0, [0.0] * season, [0] * season
                for step in range(steps):
                    level = rate * level + (1 - rate) * float(series[step])
                    phase = step % season
                    now = expected[phase]
                    seen[phase] += 1
                    expected[phase] += max(forget, 1 / seen[phase]) * (level - expected[phase])
                    told = torch.tensor([level, now, expected[(step + 1) % season]], dtype=x.dtype)
                    out[step, node, kind, number] = told
    return out.flatten(2)


@pytest.mark.parametrize(("season", "forget"), [(5, 0.3), (7, 0.0), (2, 1.0), (30, 0.3)])
def test_traces_are_those_of_a_loop(season, forget):
    x, rates = values(), (0.0, 0.6)
    assert_close(seasonal_traces(x, season, rates, forget), by_loop(x, season, rates, forget))


def test_nothing_looks_ahead_and_a_longer_series_starts_the_same():
    x = values()
    whole = seasonal_traces(x, 5)
    for stop in (1, 4, 5, 6, 17):
        assert_close(seasonal_traces(x[:stop], 5), whole[:stop])


def test_what_repeats_is_known_after_one_season():
    x = values(4, 2).repeat(6, 1)
    level, now, following = seasonal_traces(x, 4, (0.0,)).view(24, 2, 2, 3).unbind(-1)
    assert_close(level[..., 0], x)
    assert_close(now[4:, :, 0], x[4:])
    assert_close(following[3:-1, :, 0], x[4:])
    assert not now[:4].any()


def test_permuting_nodes_permutes_traces():
    x, order = values(), torch.tensor([2, 0, 1])
    assert_close(seasonal_traces(x[:, order], 5), seasonal_traces(x, 5)[:, order])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"season": 1}, "season must be at least 2 steps, got 1"),
        ({"season": 5, "rates": (0.5, 1.0)}, r"rates must lie from 0 to below 1, got \[0.5, 1.0\]"),
        ({"season": 5, "forget": 1.5}, "forget must lie between 0 and 1, got 1.5"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        seasonal_traces(values(), **options)
