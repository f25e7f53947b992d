"""How far forecasts are off, and how far trivial ones would be."""

from typing import Any

import torch
from torch import Tensor


def forecast_errors(forecast: Tensor, target: Tensor, observed: Tensor | None = None) -> dict[str, Any]:
    """Mean errors over all windows, steps and nodes, and for each step ahead.

    Args:
        forecast, target: [windows, horizon, nodes], in the units that the errors shall have.
        observed: bool, the same shape; what is not observed does not count.

    Returns:
        test_mse, test_rmse, test_mae, and by_step: for every step of the horizon step, rmse, mae.

    Raises:
        ValueError: the shapes differ (nothing is broadcast), or nothing is observed.
    """
    if forecast.shape != target.shape:
        raise ValueError(f"forecast is {list(forecast.shape)}, but target is {list(target.shape)}")
    observed = torch.ones_like(target, dtype=torch.bool) if observed is None else observed
    if not observed.any():
        raise ValueError("target has no observed value to compare with")
    error = (forecast - target).to(torch.float64).masked_fill(~observed, 0.0)
    count = observed.sum()
    mse, mae = float((error**2).sum() / count), float(error.abs().sum() / count)
    by_step = []
    for step in range(target.size(1)):
        own = max(1, int(observed[:, step].sum()))
        squares, sizes = float((error[:, step] ** 2).sum() / own), float(error[:, step].abs().sum() / own)
        by_step.append({"step": step + 1, "rmse": squares**0.5, "mae": sizes})
    return {"test_mse": mse, "test_rmse": mse**0.5, "test_mae": mae, "by_step": by_step}


def trivial_forecasts(train: Any, test: Any) -> dict[str, Tensor]:
    """What takes no model: forecasts [windows, horizon, nodes] of the test windows, in the scale of x.

    "last" repeats each node's last value; "linear" is one least-squares regression, shared by all nodes, of every step
    ahead on the values read and a constant, fitted on the training windows' observed targets. (The forecast 0 depends
    on the units; `torch.zeros_like` is it.)

    Args:
        train, test: batches with x [windows, lags, nodes, features], y and observed [windows, horizon, nodes].
    """
    horizon = test.y.size(1)

    def rows(x: Tensor) -> Tensor:
        own = x[..., 0].transpose(1, 2).reshape(-1, x.size(1)).to(torch.float64)
        return torch.cat([own, torch.ones(len(own), 1, dtype=torch.float64)], dim=1)

    inputs, weights = rows(train.x), []
    for step in range(horizon):
        observed = train.observed[:, step].flatten()
        target = train.y[:, step].flatten()[observed, None].to(torch.float64)
        weights.append(torch.linalg.lstsq(inputs[observed], target, driver="gelsd").solution)
    forecast = (rows(test.x) @ torch.cat(weights, dim=1)).view(len(test.x), -1, horizon)
    return {
        "last": test.x[:, -1:, :, 0].expand_as(test.y),
        "linear": forecast.transpose(1, 2).to(test.y.dtype),
    }
