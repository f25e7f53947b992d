import os
from pathlib import Path

import pytest
import torch

from graphreel.combined import forecast_errors, trivial_forecasts
from graphreel.data import load
from graphreel.data.series.windows import SensorSeries, split_in_time

TARGET = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])


def test_errors_are_those_of_a_pocket_calculator():
    forecast = TARGET + torch.tensor([[1.0, -1.0], [2.0, 0.0]])
    errors = forecast_errors(forecast, TARGET)
    assert errors["test_mse"] == pytest.approx((1 + 1 + 4 + 0) / 4)
    assert errors["test_rmse"] == pytest.approx(1.5**0.5)
    assert errors["test_mae"] == pytest.approx(1.0)
    assert errors["by_step"] == [{"step": 1, "rmse": 1.0, "mae": 1.0}, {"step": 2, "rmse": 2**0.5, "mae": 1.0}]


def test_what_is_not_observed_does_not_count():
    forecast = TARGET.clone()
    forecast[0, 0, 0] += 100
    observed = torch.ones_like(TARGET, dtype=torch.bool)
    observed[0, 0, 0] = False
    assert forecast_errors(forecast, TARGET, observed)["test_mse"] == 0.0


def test_shapes_are_never_broadcast():
    with pytest.raises(ValueError, match=r"forecast is \[2, 2, 1\], but target is \[2, 2, 2\]"):
        forecast_errors(TARGET[..., :1], TARGET)
    with pytest.raises(ValueError, match="target has no observed value"):
        forecast_errors(TARGET, TARGET, torch.zeros_like(TARGET, dtype=torch.bool))


def test_the_linear_forecast_finds_a_linear_law():
    values = [torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.0])]
    for _ in range(60):
        values.append(1.6 * values[-1] - 0.9 * values[-2] + 0.1)
    none, ones = torch.empty(2, 0, dtype=torch.long), torch.ones(62, 2, dtype=torch.bool)
    series = SensorSeries("law", torch.stack(values)[..., None], ones, none, torch.empty(0), None, ["a", "b"])
    splits = split_in_time(series, 3, 2, 0.8, 0.2, "windows")
    test = splits.test.batch()
    told = trivial_forecasts(splits.train.batch(), test)
    undo = splits.test.scaling.undo
    assert forecast_errors(undo(told["linear"]), undo(test.y))["test_rmse"] < 0.05
    assert torch.equal(told["last"][:, 1], test.x[:, -1, :, 0])


REAL = Path(os.environ.get("GRAPHREEL_DATA", "."))


@pytest.mark.skipif(not (REAL / "chickenpox").is_dir(), reason="chickenpox is not in $GRAPHREEL_DATA")
def test_chickenpox_has_the_known_linear_baseline():
    splits = load(REAL / "chickenpox/chickenpox.json")
    test, undo = splits.test.batch(), splits.test.scaling.undo
    told = trivial_forecasts(splits.train.batch(), test)
    assert forecast_errors(undo(told["linear"]), undo(test.y))["test_mse"] == pytest.approx(0.819, abs=0.02)
