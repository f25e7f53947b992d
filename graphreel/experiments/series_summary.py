"""What is printed of a forecaster beside its baselines."""

import statistics
from collections.abc import Mapping
from typing import Any

from graphreel.experiments.series_errors import ERRORS, worst_sensors
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.training.summary import over

HELP = 0.01  # of RMSE and MAE together, from which edges are said to help
_NETWORKS = ("model", "embedded")


def summary_of(metrics: Mapping[str, Any], settings: SeriesSettings) -> dict[str, str]:
    """The lines of metrics.json's figures, by name."""
    rows, baselines = metrics["seeds"], metrics["baselines"]
    lines = {"model": f"{settings.model}, {metrics['parameters']:,} parameters, memory {settings.memory}"}
    for key in ERRORS:
        lines[f"test {_short(key)}"] = over(_spread(metrics[key]), rows)
    for name, errors in baselines.items():
        lines[name] = ", ".join(f"{_short(key)} {errors[key]:.4g}" for key in ERRORS)
    ahead = []
    for key in ERRORS[1:]:
        best = min(baselines, key=lambda name: baselines[name][key])
        if baselines[best][key] < metrics[key]["mean"]:
            ahead.append(
                f"{best} has the lower {_short(key)}, {baselines[best][key]:.4g} to {metrics[key]['mean']:.4g}"
            )
    share = {
        name: statistics.fmean(part for row in rows for part in row["shares"][name])
        for name in rows[0].get("shares", ())
    }
    if share:
        lines["made of"] = ", ".join(f"{name} {part:.0%}" for name, part in share.items() if part >= 0.005)
        network = sum(share.get(name, 0.0) for name in _NETWORKS)
        best = max((name for name in share if name not in _NETWORKS), key=lambda name: share[name])
        if share[best] > network:
            ahead.append(f"by validation {best} counts more than the network, {share[best]:.0%} to {network:.0%}")
    if ahead:
        lines["a baseline"] = "; ".join(ahead)
    if "without_edges" in metrics:
        without = metrics["without_edges"]
        lines["no edges"] = ", ".join(f"{_short(key)} {_spread(without[key])}" for key in ERRORS)
        more = {key: metrics[key]["mean"] / max(without[key]["mean"], 1e-300) - 1 for key in ERRORS[1:]}
        verdict = "they help" if sum(more.values()) < -HELP else "they do not help"
        lines["edges"] = f"{', '.join(f'{_short(key)} {part:+.1%}' for key, part in more.items())} by them: {verdict}"
    if "val_losses" in rows[0]:
        loss = {name: statistics.fmean(row["val_losses"][name] for row in rows) for name in rows[0]["val_losses"]}
        verdict = "they help" if min(loss["embedded"], loss["both"]) < loss["model"] else "they do not help"
        lines["embeddings"] = (
            f"loss {loss['embedded']:.4g} with, {loss['model']:.4g} without, {loss['both']:.4g} in the mean: "
            f"by validation {verdict}"
        )
    if "coverage" in metrics:
        lines["in bands"] = f"{metrics['coverage']:.1%} of the test part, {settings.coverage:.0%} asked"
    if metrics["by_sensor"]:
        lines["worst sensors"] = worst_sensors(metrics["by_sensor"])
    if settings.horizon > 1:
        lines["up to step"] = ", ".join(
            f"{row['step']}: RMSE {row['rmse_up_to']:.3f}, MAE {row['mae_up_to']:.3f}"
            for row in metrics["by_step"]
            if row["step"] in (1, 3, 6, settings.horizon)
        )
    seconds = sum(row["seconds"] + row.get("refit_seconds", 0) for row in rows)
    return {**lines, "time": f"{seconds / len(rows):.1f} s a seed"}


def _short(key: str) -> str:
    return key.removeprefix("test_").upper()


def _spread(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.4g} ± {figure['std']:.2g}"
