"""What takes no network, beside a forecaster: errors of trivial and linear forecasts on the test part."""

from dataclasses import replace
from typing import Any

import torch

from graphreel.combined import LinearForecast, forecast_errors, trivial_forecasts
from graphreel.experiments.series_parts import SeriesParts, with_sums
from graphreel.experiments.series_settings import SeriesSettings

SEASON_PENALTY = 10.0


def baselines_of(
    splits: Any, parts: SeriesParts, settings: SeriesSettings, linear: LinearForecast | None
) -> dict[str, dict[str, Any]]:
    """Errors on the test part without a network: always zero, the last value, linear regression, and the linear part.

    "linear" reads each node's own lags and is fitted on the training and validation parts; "ridge" is the linear
    forecast that the model starts from. With a season there is one more ridge regression, on the own lags and the
    network's mean of a season and four steps.
    """
    test, known = parts.windows["test"].batch(), parts.windows["both"].batch()
    undo = parts.scaling.undo
    zero = with_sums(forecast_errors(torch.zeros_like(test.y), undo(test.y), test.observed))
    found = {"zero": zero}
    for name, forecast in trivial_forecasts(known, test).items():
        found[name] = parts.errors(forecast, "test")
    if linear is not None:
        columns, all_nodes, _, _ = parts.tables(linear, "test")
        found["ridge"] = parts.errors(linear.of_columns(columns, all_nodes), "test")
    if settings.season:
        plain = SeriesParts(splits, replace(settings, season=0))
        lags = settings.season + 4
        long = LinearForecast(lags, settings.horizon, plain.features, ("own", "network"))
        columns, all_nodes, y, observed = plain.tables(long, "both")
        long.fit(columns, y, observed, SEASON_PENALTY, plain.deviation)
        columns, all_nodes, _, _ = plain.tables(long, "test")
        found[f"ridge over {lags} steps"] = plain.errors(long.of_columns(columns, all_nodes), "test")
    return found
