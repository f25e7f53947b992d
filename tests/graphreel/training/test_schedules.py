"""Learning-rate schedules and optimisers: every training offers all that are registered."""

import pytest
import torch

from graphreel.experiments.kinds import KINDS
from graphreel.training.optimizers import OPTIMIZERS, build_optimizer
from graphreel.training.schedules import SCHEDULES, build_schedule


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "registry"), [("schedule", SCHEDULES), ("optimizer", OPTIMIZERS)])
def test_a_training_offers_whatever_is_registered(kind, name, registry):
    assert KINDS[kind].settings.shown()[name].choices == tuple(registry)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_step_size_follows_the_schedule(name):
    optimizer = build_optimizer(name, torch.nn.Linear(2, 1), 0.5, 0.1, lambda p: p.dim() > 1)
    schedule = build_schedule("warm-cosine", optimizer, 20)
    found = []
    for _ in range(20):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert found[:3] == [0.25, 0.5, 0.5]
    assert found[2:] == sorted(found[2:], reverse=True) and found[-1] < 0.01
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
