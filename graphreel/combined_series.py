"""Series of sensors: from settings to a task, and `graphreel combined train` on them."""

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from combined import LinearForecast, forecast_errors, parameters_of, trivial_forecasts
from graphreel.allocator import tune_allocator
from graphreel.combined_clips import warm_cosine
from graphreel.combined_forecaster import (
    SeriesModel,
    build_forecaster,
    edges_of_windows,
    fit_linear,
    lags_of_linear,
    recent,
)
from graphreel.combined_settings import SeriesSettings
from graphreel.curves import draw_curves
from graphreel.figures import mean_and_std, over_seeds, summary
from graphreel.options import choose_device
from graphreel.progress import Progress
from graphreel.run_folder import RunFolder, free_path
from graphreel.sources import load
from graphreel.training import Plan, Task, train

FIGURES = ("test_mse", "test_rmse", "test_mae")
HUBER = 0.25  # mean deviations from which an error counts linearly
_EVALUATED_AT_ONCE = 64


def load_series(settings: SeriesSettings) -> tuple[Any, SeriesSettings]:
    """The windows of the settings, and the settings with the defaults of the kind of file filled in."""
    typed = {name: getattr(settings, name) for name in ("lags", "horizon", "train_fraction", "adjacency")}
    options = {name: value for name, value in typed.items() if value}
    if settings.dates:
        options["calendar"] = settings.dates
    splits = load(settings.data, **options)
    chosen = {name: splits.settings[name] for name in ("lags", "horizon", "train_fraction")}
    return splits, replace(settings, **chosen)


def scaled_alike(splits: Any) -> Any:
    """The same windows with all nodes scaled by the mean and the deviation of the training part as a whole."""
    own = splits.train.scaling
    mean = own.mean.mean()
    deviation = (own.deviation**2 + (own.mean - mean) ** 2).mean().sqrt()
    scaling = type(own)(torch.full_like(own.mean, float(mean)), torch.full_like(own.mean, float(deviation)))
    series = scaling.apply(splits.series)
    parts = {name: copy(getattr(splits, name)) for name in ("train", "validation", "test")}
    for windows in parts.values():
        windows.series, windows.scaling = series, scaling
    return replace(splits, **parts)


class SeriesParts:
    """The training, validation and test windows of a series, as a model of these settings reads them."""

    def __init__(self, splits: Any, settings: SeriesSettings) -> None:
        self.settings = settings
        if settings.scale == "network":
            splits = scaled_alike(splits)
        both = copy(splits.train)
        both.stop = splits.validation.stop
        self.windows = {
            "train": splits.train, "validation": splits.validation, "test": splits.test, "both": both,
        }  # fmt: skip
        self.scaling = splits.train.scaling
        self.features = splits.train.series.values.size(2)
        self.nodes = splits.train.series.values.size(1)
        self.deviation = self.scaling.deviation / self.scaling.deviation.mean()

    def batch(self, name: str, indices: Tensor | None = None) -> tuple[Any, Tensor | None]:
        """A batch of windows, or, where the state is carried, the whole past and the steps after which to forecast."""
        windows = self.windows[name]
        if self.settings.memory == "carried":
            batch, due = self._past(name, lags_of_linear(self.settings) if self.settings.skip else 0)
        else:
            batch, due = windows.batch(indices), None
        device = self.settings.device
        parts = ("x", "y", "observed", "edge_index", "edge_weight", "frame")
        moved = {part: getattr(batch, part) for part in parts}
        batch = replace(batch, **{k: None if v is None else v.to(device) for k, v in moved.items()})
        return batch, None if due is None else due.to(device)

    def tables(self, linear: LinearForecast, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the terms of the linear forecast read, y and observed of a part."""
        windows = self.windows[name]
        if self.settings.memory == "window":
            batch = windows.batch()
            table = linear.columns(batch.x, batch.edge_index, batch.edge_weight, batch.frame)
            return table, linear.of_all(batch.x), batch.y, batch.observed
        batch, due = self._past(name, linear.lags)
        edges = (batch.edge_index, batch.edge_weight, batch.frame)
        if batch.frame is not None:
            edges = edges_of_windows(batch.edge_index, batch.edge_weight, batch.frame, due, linear.lags)
        x = recent(batch.x, due, linear.lags)
        return linear.columns(x, *edges), linear.of_all(x), batch.y, batch.observed

    def _past(self, name: str, lags: int) -> tuple[Any, Tensor]:
        """The whole past, and what is due; of training, only what has `lags` steps before it, where there is such."""
        batch, due = self.windows[name].past()
        whole = due >= lags - 1
        if name in ("validation", "test") or not whole.any():
            return batch, due
        return replace(batch, y=batch.y[whole], observed=batch.observed[whole]), due[whole]

    def loss_of(self, forecast: Tensor, y: Tensor, observed: Tensor, kind: str) -> Tensor:
        """Mean loss in units of the mean deviation of the nodes, over what is observed.

        Raises:
            ValueError: the shapes differ (nothing is broadcast).
        """
        if forecast.shape != y.shape:
            raise ValueError(f"the forecast is {list(forecast.shape)}, but what is to be forecast is {list(y.shape)}")
        error = ((forecast - y) * self.deviation.to(y.device))[observed]
        if kind == "mae":
            return error.abs().mean()
        return F.huber_loss(error, torch.zeros_like(error), delta=HUBER) if kind == "huber" else (error**2).mean()

    @torch.no_grad()
    def forecast(self, model: SeriesModel, name: str) -> Tensor:
        """All forecasts of a part [windows, horizon, nodes], scaled."""
        groups: Any = torch.arange(len(self.windows[name])).split(_EVALUATED_AT_ONCE)
        if self.settings.memory == "carried":
            groups = (None,)
        told = []
        for indices in groups:
            batch, due = self.batch(name, indices)
            told.append(model(batch.x, batch.edge_index, batch.edge_weight, batch.frame, due).cpu())
        return torch.cat(told)

    def errors(self, forecast: Tensor, name: str) -> dict[str, Any]:
        """Errors of scaled forecasts of a part, in the units of the file; also up to every step ahead."""
        own = self.windows[name].batch()
        undo = self.scaling.undo
        return _with_sums(forecast_errors(undo(forecast.cpu()), undo(own.y), own.observed))


def _with_sums(errors: dict[str, Any]) -> dict[str, Any]:
    squares, sizes = 0.0, 0.0
    for number, row in enumerate(errors["by_step"], start=1):
        squares, sizes = squares + row["rmse"] ** 2, sizes + row["mae"]
        row["rmse_up_to"], row["mae_up_to"] = (squares / number) ** 0.5, sizes / number
    return errors


def series_task(parts: SeriesParts, settings: SeriesSettings, linear: LinearForecast | None, seed: int) -> Task:
    """One seed's training."""
    model = build_forecaster(settings, parts.features, parts.nodes, linear).to(settings.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    per_epoch = steps_per_epoch(parts, settings)
    count = len(parts.windows["train"])

    def batch(step: int) -> tuple[Any, Tensor | None]:
        if settings.memory == "carried":
            return parts.batch("train")
        epoch, position = divmod(step, per_epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(count, generator=generator)
        return parts.batch("train", order[position * settings.batch_size : (position + 1) * settings.batch_size])

    def loss(pair: tuple[Any, Tensor | None]) -> Tensor:
        given, due = pair
        told = model(given.x, given.edge_index, given.edge_weight, given.frame, due)
        return parts.loss_of(told, given.y, given.observed, settings.loss)

    own = parts.windows["validation"].batch()

    def evaluate() -> dict[str, float]:
        told = parts.forecast(model, "validation")
        return {
            "val_loss": float(parts.loss_of(told, own.y, own.observed, settings.loss)),
            "val_mse": parts.errors(told, "validation")["test_mse"],
        }

    return Task(model, optimizer, batch, loss, evaluate, warm_cosine(optimizer, settings.epochs * per_epoch))


def steps_per_epoch(parts: SeriesParts, settings: SeriesSettings) -> int:
    return 1 if settings.memory == "carried" else -(-len(parts.windows["train"]) // settings.batch_size)


def baselines_of(parts: SeriesParts, linear: LinearForecast | None) -> dict[str, dict[str, Any]]:
    """Errors on the test part without a network: always zero, the last value, linear regression, and the linear part.

    "linear" reads each node's own lags and is fitted on the training and validation parts; "ridge" is the linear
    forecast that the model starts from.
    """
    test, known = parts.windows["test"].batch(), parts.windows["both"].batch()
    undo = parts.scaling.undo
    zero = _with_sums(forecast_errors(torch.zeros_like(test.y), undo(test.y), test.observed))
    found = {"zero": zero}
    for name, forecast in trivial_forecasts(known, test).items():
        found[name] = parts.errors(forecast, "test")
    if linear is not None:
        columns, all_nodes, _, _ = parts.tables(linear, "test")
        found["ridge"] = parts.errors(linear.of_columns(columns, all_nodes), "test")
    return found


def train_series(run: RunFolder, settings: SeriesSettings, splits: Any, quiet: bool) -> dict[str, Any]:
    """Train every seed into the run folder; write metrics and curves; return the metrics."""
    tune_allocator()
    parts = SeriesParts(splits, settings)
    linear = fit_linear(settings, parts) if settings.skip else None
    per_epoch = steps_per_epoch(parts, settings)
    plan = Plan(
        steps=settings.epochs * per_epoch, evaluate_every=per_epoch, patience=settings.patience or None,
        clip_norm=settings.clip_norm,
    )  # fmt: skip

    def test(task: Task) -> dict[str, Any]:
        figures = parts.errors(parts.forecast(task.model, "test"), "test")  # type: ignore[arg-type]
        validation = parts.errors(parts.forecast(task.model, "validation"), "validation")  # type: ignore[arg-type]
        return {**figures, "val_mse": validation["test_mse"], "parameters": parameters_of(task.model)}

    extra = {
        "scaling": {"mean": parts.scaling.mean, "deviation": parts.scaling.deviation},
        "features": parts.features,
        "nodes": list(splits.series.nodes),
        "linear": None
        if linear is None
        else {"lags": linear.lags, "inputs": list(linear.inputs), "nodes": linear.nodes},
    }
    seeds = range(settings.seed, settings.seed + settings.seeds)
    rows = train(
        run, list(seeds), plan, lambda seed: series_task(parts, settings, linear, seed), test, Progress(quiet), extra
    )
    steps = [
        {
            "step": s["step"],
            **{k: mean_and_std([row["by_step"][i][k] for row in rows])["mean"] for k in s if k != "step"},
        }
        for i, s in enumerate(rows[0]["by_step"])
    ]
    metrics = {
        "data": settings.data,
        "model": settings.model,
        "parameters": rows[0]["parameters"],
        **over_seeds(rows, (*FIGURES, "val_mse")),
        "by_step": steps,
        "baselines": baselines_of(parts, linear),
        "linear_inputs": None if linear is None else [*linear.inputs, *["every node"] * bool(linear.nodes)],
        "seeds": rows,
    }
    run.write_metrics(metrics)
    draw_curves(
        run.load_checkpoint()["history"],
        {"loss": ("train_loss", "val_loss"), "validation MSE": ("val_mse",)},
        run.curves_path,
        f"{Path(settings.data).name}, {settings.model}",
    )
    return metrics


def show_series(run: RunFolder, settings: SeriesSettings, splits: Any, metrics: dict[str, Any]) -> None:
    """Print the figures of a training."""
    rows = metrics["seeds"]
    counts = [f"{len(getattr(splits, part))} {part}" for part in ("train", "validation", "test")]
    shape = f"{settings.lags} steps in, {settings.horizon} ahead, {', '.join(counts)} windows"
    lines = {
        "data": f"{settings.data} ({shape})",
        "model": f"{settings.model}, {metrics['parameters']:,} parameters, memory {settings.memory}",
    }
    for name in FIGURES:
        lines[name.replace("test_", "test ").upper().replace("TEST", "test")] = (
            f"{metrics[name]['mean']:.4g} ± {metrics[name]['std']:.2g} over {len(rows)} seed{'s'[: len(rows) > 1]}"
        )
    for name, errors in metrics["baselines"].items():
        lines[name] = ", ".join(f"{key[5:].upper()} {errors[key]:.4g}" for key in FIGURES)
    if settings.horizon > 1:
        shown = [row for row in metrics["by_step"] if row["step"] in (1, 3, 6, settings.horizon)]
        lines["up to step"] = ", ".join(
            f"{row['step']}: RMSE {row['rmse_up_to']:.3f}, MAE {row['mae_up_to']:.3f}" for row in shown
        )
    lines["time"] = f"{sum(row['seconds'] for row in rows) / len(rows):.1f} s a seed"
    files = [run.config_path, run.metrics_path, run.history_path, run.curves_path, run.checkpoint_path]
    typer.echo(summary(lines, run.path, files))


def start(settings: SeriesSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder and train into it.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
    """
    settings = replace(settings, device=choose_device(settings.device))
    splits, settings = load_series(settings)
    path = out or free_path(Path("runs") / f"{Path(settings.data).stem}-{settings.model}")
    run = RunFolder.create(path, {"room": "combined", "kind": "series", **settings.as_dict()}, overwrite)
    return go_on(run, settings, quiet, splits)


def go_on(run: RunFolder, settings: SeriesSettings, quiet: bool, splits: Any = None) -> RunFolder:
    """Train into a run folder that exists, from its checkpoint where it has one."""
    splits = splits if splits is not None else load_series(settings)[0]
    metrics = train_series(run, settings, splits, quiet)
    if not quiet:
        show_series(run, settings, splits, metrics)
    return run
