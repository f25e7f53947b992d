"""`graphreel combined train` on a series of sensors: a forecast for each."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphreel.combined import LinearForecast, parameters_of
from graphreel.data import load
from graphreel.experiments.experiment import Curves, Experiment, Rows, fit_part
from graphreel.experiments.linear_fits import LinearFits
from graphreel.experiments.series_baselines import baselines_of
from graphreel.experiments.series_model import SeriesModel, build_forecaster
from graphreel.experiments.series_parts import SeriesParts
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.training.loop import Plan
from graphreel.training.optimizers import build_optimizer
from graphreel.training.run_folder import RunFolder
from graphreel.training.schedules import build_schedule
from graphreel.training.summary import mean_and_std, over
from graphreel.training.task import Task, train_step

ERRORS = ("test_mse", "test_rmse", "test_mae")
SEASON = 52  # weeks of a year
WITHOUT_EDGES = "without-edges"


class Series(Experiment):
    """Trains on windows of a series, or on the whole past where the state is carried."""

    needs = ("features", "nodes", "linear", "scaling")
    scores = (*ERRORS, "val_mse")

    def __init__(self, settings: SeriesSettings, splits: Any) -> None:
        self.settings, self.splits = settings, splits
        self.label = self.name = settings.model
        self.read = parts = SeriesParts(splits, settings)
        fits = LinearFits(settings, parts) if settings.skip else None
        # by the part that a network trains on, since it learns what the linear forecast of that part leaves
        self.linear = {part: fits.fitted(part) if fits is not None else None for part in ("train", "both")}
        linear = self.linear["both"]
        per_epoch = self._per_epoch("train")
        self.plan = Plan(
            steps=settings.epochs * per_epoch, evaluate_every=per_epoch, patience=settings.patience or None,
            clip_norm=settings.clip_norm,
        )  # fmt: skip
        self.entries = {
            "scaling": asdict(parts.scaling),
            "features": parts.features,
            "step": splits.series.step,
            "nodes": list(splits.series.nodes),
            "linear": linear and {"lags": linear.lags, "inputs": list(linear.inputs), "nodes": linear.nodes},
        }
        if not splits.series.changing:
            self.entries["edges"] = [splits.series.edge_index, splits.series.edge_weight]
        self.notes = splits.series.notes
        self._validation = own = parts.windows["validation"].batch()
        trivial = (torch.zeros_like(own.y), own.x[:, -1:, :, 0].expand_as(own.y))
        self.trivial = {"val_loss": min(parts.loss(forecast, own, settings.loss).item() for forecast in trivial)}

    @classmethod
    def load(cls, settings: SeriesSettings) -> "Series":
        splits, settings = load_series(settings)
        return cls(settings, splits)

    @staticmethod
    def model(settings: SeriesSettings, entries: Mapping[str, Any]) -> SeriesModel:
        linear, known = None, entries["linear"]
        if known is not None:
            sizes = (known["lags"], settings.horizon, entries["features"])
            linear = LinearForecast(*sizes, known["inputs"], known["nodes"])
        return build_forecaster(settings, entries["features"], len(entries["nodes"]), linear)

    def build(self, seed: int) -> Task:
        return self.task(seed, "train" if self.settings.refit else "both", "train")

    def task(self, seed: int, linear: str, part: str) -> Task:
        """One seed's training on a part, train or both (the validation part as well), from a part's linear forecast."""
        settings, parts = self.settings, self.read
        model = self.model(settings, self.entries)
        if model.linear is not None:
            model.linear.load_state_dict(self.linear[linear].state_dict())  # type: ignore[union-attr]
        model.to(settings.device)
        optimizer = build_optimizer(settings.optimizer, model, settings.learning_rate, settings.weight_decay)
        per_epoch = self._per_epoch(part)
        best = Best()

        def batch(step: int) -> tuple[Any, Tensor | None]:
            if settings.memory == "carried":
                return parts.batch(part)
            epoch, position = divmod(step, per_epoch)
            generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            order = torch.randperm(len(parts.windows[part]), generator=generator)
            return parts.batch(part, order[position * settings.batch_size : (position + 1) * settings.batch_size])

        def loss(pair: tuple[Any, Tensor | None]) -> Tensor:
            given, horizon = pair
            forecast = model(given.x, given.edge_index, given.edge_weight, given.frame, horizon)
            return parts.loss(forecast, given, settings.loss)

        def validate() -> dict[str, float]:
            forecast = parts.forecast(model, "validation")
            figures = {
                "val_loss": float(parts.loss(forecast, self._validation, settings.loss)),
                "val_mse": parts.errors(forecast, "validation")["test_mse"],
            }
            if figures["val_loss"] < best.loss:
                best.loss, best.step = figures["val_loss"], task.step
            return figures

        scheduler = build_schedule(settings.schedule, optimizer, settings.epochs * per_epoch)
        task = Task(model, optimizer, batch, loss, validate, scheduler, carried={"best": best}, seed=seed)
        return task

    def evaluate(self, task: Task) -> dict[str, Any]:
        model: Any = task.model
        figures = {"val_mse": self.read.errors(self.read.forecast(model, "validation"), "validation")["test_mse"]}
        if self.settings.refit:
            figures |= self._refit(task)
        return {
            **self.read.errors(self.read.forecast(model, "test"), "test"),
            **figures,
            "parameters": parameters_of(model),
        }

    def _refit(self, task: Task) -> dict[str, float]:
        """Give a task the weights of one trained on both parts, for as many epochs as validation found best."""
        started = time.perf_counter()
        torch.manual_seed(task.seed)
        again = self.task(task.seed, "both", "both")
        weights = [p for group in again.optimizer.param_groups for p in group["params"]]
        steps = task.carried["best"].step // self._per_epoch("train") * self._per_epoch("both")  # type: ignore[attr-defined]
        again.model.train()
        for step in range(steps):
            train_step(again, step, weights, self.settings.clip_norm, f"the refit of seed {task.seed}")
        task.model.load_state_dict(again.model.state_dict())
        return {"refit_steps": steps, "refit_seconds": round(time.perf_counter() - started, 3)}

    def _per_epoch(self, part: str) -> int:
        return 1 if self.settings.memory == "carried" else -(-len(self.read.windows[part]) // self.settings.batch_size)

    def metrics(self, rows: Rows) -> dict[str, Any]:
        linear = self.linear["both"]
        return {
            "by_step": [
                {"step": step["step"]}
                | {k: mean_and_std([row["by_step"][i][k] for row in rows])["mean"] for k in step if k != "step"}
                for i, step in enumerate(rows[0]["by_step"])
            ],
            "baselines": baselines_of(self.splits, self.read, self.settings, linear),
            "linear_inputs": linear and [*linear.inputs, *["every node"] * bool(linear.nodes)],
        }

    def inner_runs(self, run: RunFolder, quiet: bool) -> dict[str, Any]:
        """Where edges are compared, the same model without them."""
        if not self.settings.compare_edges:
            return {}
        own = replace(self.settings, spatial="none", compare_edges=False)
        without = fit_part(run, WITHOUT_EDGES, Series(own, self.splits), {"room": "combined", "kind": "series"}, quiet)
        kept = ("parameters", *self.scores, "by_step", "linear_inputs")
        ridge = {"ridge": without["baselines"]["ridge"]} if own.skip else {}
        return {"without_edges": {**{key: without[key] for key in kept}, **ridge}}

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        return Curves(
            f"{Path(self.settings.data).name}, {self.settings.model}",
            {"loss": ("train_loss", "val_loss"), "validation MSE": ("val_mse",)},
        )

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        settings, rows = self.settings, metrics["seeds"]
        counts = [f"{len(getattr(self.splits, part))} {part}" for part in ("train", "validation", "test")]
        shape = f"{settings.lags} steps in, {settings.horizon} ahead, {', '.join(counts)} windows"
        lines = {
            "data": f"{settings.data} ({shape})",
            "model": f"{settings.model}, {metrics['parameters']:,} parameters, memory {settings.memory}",
        }
        for name in ERRORS:
            lines[f"test {name[5:].upper()}"] = over(_spread(metrics[name]), rows)
        if "without_edges" in metrics:
            without = metrics["without_edges"]
            lines["no edges"] = ", ".join(f"{key[5:].upper()} {_spread(without[key])}" for key in ERRORS)
        for name, errors in metrics["baselines"].items():
            lines[name] = ", ".join(f"{key[5:].upper()} {errors[key]:.4g}" for key in ERRORS)
        if settings.horizon > 1:
            lines["up to step"] = ", ".join(
                f"{row['step']}: RMSE {row['rmse_up_to']:.3f}, MAE {row['mae_up_to']:.3f}"
                for row in metrics["by_step"]
                if row["step"] in (1, 3, 6, settings.horizon)
            )
        seconds = sum(row["seconds"] + row.get("refit_seconds", 0) for row in rows)
        return {**lines, "time": f"{seconds / len(rows):.1f} s a seed"}


@dataclass
class Best:
    """The best validation loss of a seed so far, and after how many steps; a checkpoint takes it along."""

    loss: float = math.inf
    step: int = 0

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    def load_state_dict(self, state: Any) -> None:
        self.loss, self.step = state["loss"], state["step"]


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


def _spread(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.4g} ± {figure['std']:.2g}"
