"""Series of sensors: from settings to a task, and `graphreel combined train` on them."""

import math
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor

from graphreel.cli.options import choose_device
from graphreel.combined import LinearForecast, parameters_of
from graphreel.data import load
from graphreel.experiments.clips import warm_cosine
from graphreel.experiments.combined_settings import SeriesSettings
from graphreel.experiments.linear_fits import LinearFits
from graphreel.experiments.series_baselines import baselines_of
from graphreel.experiments.series_model import build_forecaster
from graphreel.experiments.series_parts import SeriesParts
from graphreel.training.allocator import tune_allocator
from graphreel.training.curves import draw_curves
from graphreel.training.loop import Plan, train
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder, chosen_path
from graphreel.training.summary import mean_and_std, over, over_seeds, summary
from graphreel.training.task import Task, train_step

FIGURES = ("test_mse", "test_rmse", "test_mae")
SEASON = 52  # weeks of a year
WITHOUT_EDGES = "without-edges"


def load_series(settings: SeriesSettings) -> tuple[Any, SeriesSettings]:
    """The windows of the settings, and the settings with the defaults of the kind of file filled in."""
    typed = {name: getattr(settings, name) for name in ("lags", "horizon", "train_fraction", "adjacency")}
    options = {name: value for name, value in typed.items() if value} | settings.reading
    if settings.dates:
        options["calendar"] = settings.dates
    splits = load(settings.data, **options)
    chosen = {name: splits.settings[name] for name in ("lags", "horizon", "train_fraction")}
    most = splits.train.stop // 2
    if settings.season > most:
        raise ValueError(f"--season expects at most {most}, half of the training windows, got {settings.season}")
    steps = splits.train.stop + splits.train.lags - 1
    if settings.skip_lags > steps:
        raise ValueError(
            f"--skip-lags expects at most {steps}, the steps that training reads, got {settings.skip_lags}"
        )
    if settings.season < 0:
        chosen["season"] = SEASON if most >= SEASON else 0
    return splits, replace(settings, **chosen)


@dataclass
class Best:
    """The best validation loss of a seed so far, and after how many steps; a checkpoint takes it along."""

    loss: float = math.inf
    step: int = 0

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    def load_state_dict(self, state: Any) -> None:
        self.loss, self.step = state["loss"], state["step"]


@dataclass
class SeriesTask(Task):
    """What one seed trains, and what a refit wants to know of it."""

    seed: int = 0
    best: Best = field(default_factory=Best)


def series_task(
    parts: SeriesParts, settings: SeriesSettings, linear: LinearForecast | None, seed: int, part: str = "train"
) -> SeriesTask:
    """One seed's training on a part: train, or both, the validation part as well."""
    model = build_forecaster(settings, parts.features, parts.nodes, linear).to(settings.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    per_epoch = steps_per_epoch(parts, settings, part)
    count = len(parts.windows[part])

    def batch(step: int) -> tuple[Any, Tensor | None]:
        if settings.memory == "carried":
            return parts.batch(part)
        epoch, position = divmod(step, per_epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(count, generator=generator)
        return parts.batch(part, order[position * settings.batch_size : (position + 1) * settings.batch_size])

    def loss(pair: tuple[Any, Tensor | None]) -> Tensor:
        given, due = pair
        told = model(given.x, given.edge_index, given.edge_weight, given.frame, due)
        return parts.loss_of(told, given.y, given.observed, settings.loss)

    own, best = parts.windows["validation"].batch(), Best()
    scheduler = warm_cosine(optimizer, settings.epochs * per_epoch)

    def evaluate() -> dict[str, float]:
        told = parts.forecast(model, "validation")
        figures = {
            "val_loss": float(parts.loss_of(told, own.y, own.observed, settings.loss)),
            "val_mse": parts.errors(told, "validation")["test_mse"],
        }
        if figures["val_loss"] < best.loss:
            best.loss, best.step = figures["val_loss"], scheduler.last_epoch
        return figures

    return SeriesTask(
        model, optimizer, batch, loss, evaluate, scheduler, carried={"best": best}, seed=seed, best=best
    )  # fmt: skip


def refit(task: Task, again: Task, settings: SeriesSettings, steps: int) -> int:
    """Train `again`, a task on both parts, for `steps` steps, and give `task` its weights; return the steps."""
    weights = [p for group in again.optimizer.param_groups for p in group["params"]]
    again.model.train()
    for step in range(steps):
        train_step(again, step, weights, settings.clip_norm, "the refit")
    task.model.load_state_dict(again.model.state_dict())
    return steps


def steps_per_epoch(parts: SeriesParts, settings: SeriesSettings, part: str = "train") -> int:
    return 1 if settings.memory == "carried" else -(-len(parts.windows[part]) // settings.batch_size)


def train_series(run: RunFolder, settings: SeriesSettings, splits: Any, quiet: bool) -> dict[str, Any]:
    """Train every seed into the run folder; write metrics and curves; return the metrics."""
    tune_allocator()
    parts = SeriesParts(splits, settings)
    fits = LinearFits(settings, parts) if settings.skip else None
    linear = fits.fitted("both") if fits is not None else None
    first = fits.fitted("train") if fits is not None and settings.refit else linear
    per_epoch = steps_per_epoch(parts, settings)
    plan = Plan(
        steps=settings.epochs * per_epoch, evaluate_every=per_epoch, patience=settings.patience or None,
        clip_norm=settings.clip_norm,
    )  # fmt: skip

    def test(task: Any) -> dict[str, Any]:
        model: Any = task.model
        more = {"val_mse": parts.errors(parts.forecast(model, "validation"), "validation")["test_mse"]}
        if settings.refit:
            started = time.perf_counter()
            torch.manual_seed(task.seed)
            again = series_task(parts, settings, linear, task.seed, "both")
            epochs = task.best.step // per_epoch
            more["refit_steps"] = refit(task, again, settings, epochs * steps_per_epoch(parts, settings, "both"))
            more["refit_seconds"] = round(time.perf_counter() - started, 3)
        figures = parts.errors(parts.forecast(model, "test"), "test")
        return {**figures, **more, "parameters": parameters_of(model)}

    extra = {
        "scaling": asdict(parts.scaling),
        **({"edges": [splits.series.edge_index, splits.series.edge_weight]} if not splits.series.changing else {}),
        "step": splits.series.step,
        "features": parts.features,
        "nodes": list(splits.series.nodes),
        "linear": None
        if linear is None
        else {"lags": linear.lags, "inputs": list(linear.inputs), "nodes": linear.nodes},
    }
    rows = train(
        run, settings.every_seed, plan, lambda seed: series_task(parts, settings, first, seed), test,
        Progress(quiet), extra,
    )  # fmt: skip
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
        "baselines": baselines_of(splits, parts, settings, linear),
        "linear_inputs": None if linear is None else [*linear.inputs, *["every node"] * bool(linear.nodes)],
        "seeds": rows,
    }
    if settings.compare_edges:
        metrics["without_edges"] = without_edges(run, settings, splits, quiet)
    run.write_metrics(metrics)
    draw_curves(
        run.load_checkpoint()["history"],
        {"loss": ("train_loss", "val_loss"), "validation MSE": ("val_mse",)},
        run.curves_path,
        f"{Path(settings.data).name}, {settings.model}",
    )
    return metrics


def without_edges(run: RunFolder, settings: SeriesSettings, splits: Any, quiet: bool) -> dict[str, Any]:
    """The figures of the same model without edges, trained in a run folder inside that of the model with them."""
    part = RunFolder(run.path / WITHOUT_EDGES)
    own = replace(settings, spatial="none", compare_edges=False)
    if not part.config_path.is_file():
        RunFolder.create(part.path, {"room": "combined", "kind": "series", **own.as_dict()})
    metrics = train_series(part, own, splits, quiet)
    keys = ("parameters", *FIGURES, "val_mse", "by_step", "linear_inputs")
    ridge = {"ridge": metrics["baselines"]["ridge"]} if own.skip else {}
    return {**{key: metrics[key] for key in keys}, **ridge}


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
        lines[name.replace("test_", "test ").upper().replace("TEST", "test")] = over(
            f"{metrics[name]['mean']:.4g} ± {metrics[name]['std']:.2g}", rows
        )
    if "without_edges" in metrics:
        without = metrics["without_edges"]
        lines["no edges"] = ", ".join(
            f"{key[5:].upper()} {without[key]['mean']:.4g} ± {without[key]['std']:.2g}" for key in FIGURES
        )
    for name, errors in metrics["baselines"].items():
        lines[name] = ", ".join(f"{key[5:].upper()} {errors[key]:.4g}" for key in FIGURES)
    if settings.horizon > 1:
        shown = [row for row in metrics["by_step"] if row["step"] in (1, 3, 6, settings.horizon)]
        lines["up to step"] = ", ".join(
            f"{row['step']}: RMSE {row['rmse_up_to']:.3f}, MAE {row['mae_up_to']:.3f}" for row in shown
        )
    lines["time"] = f"{sum(row['seconds'] + row.get('refit_seconds', 0) for row in rows) / len(rows):.1f} s a seed"
    typer.echo(summary(lines, run))


def start(settings: SeriesSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder and train into it.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
    """
    settings = replace(settings, device=choose_device(settings.device))
    splits, settings = load_series(settings)
    path = chosen_path(out, f"{Path(settings.data).stem}-{settings.model}")
    if not quiet:
        for note in splits.series.notes:
            typer.echo(f"  {note}")
    run = RunFolder.create(path, {"room": "combined", "kind": "series", **settings.as_dict()}, overwrite)
    shutil.rmtree(run.path / WITHOUT_EDGES, ignore_errors=True)  # of the run that this one replaces
    return go_on(run, settings, quiet, splits)


def go_on(run: RunFolder, settings: SeriesSettings, quiet: bool, splits: Any = None) -> RunFolder:
    """Train into a run folder that exists, from its checkpoint where it has one."""
    splits = splits if splits is not None else load_series(settings)[0]
    metrics = train_series(run, settings, splits, quiet)
    if not quiet:
        show_series(run, settings, splits, metrics)
    return run
