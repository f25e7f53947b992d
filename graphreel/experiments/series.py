"""`graphreel combined train` on a series of sensors: a forecast for each."""

import math
import statistics
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
from graphreel.experiments.series_baselines import Baselines
from graphreel.experiments.series_errors import ERRORS, by_sensor, mean_by_sensor
from graphreel.experiments.series_gate import band, shares
from graphreel.experiments.series_model import SeriesModel, build_forecaster
from graphreel.experiments.series_parts import SeriesParts, read_by_model
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.experiments.series_summary import summary_of
from graphreel.training import ranks
from graphreel.training.checkpoints import Plan
from graphreel.training.optimizers import build_optimizer
from graphreel.training.run_folder import RunFolder
from graphreel.training.schedules import build_schedule
from graphreel.training.summary import mean_and_std
from graphreel.training.task import Task, train_step

SEASON = 52  # weeks of a year
WITHOUT_EDGES = "without-edges"
_GATED_BY = 96  # windows of the validation part at most


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
        self.baselines = {
            part: Baselines(settings, parts.features, parts.nodes).fit(parts, part) for part in self.linear
        }
        linear = self.linear["both"]
        per_epoch = self._per_epoch("train")
        self.plan = Plan(
            steps=settings.epochs * per_epoch, evaluate_every=per_epoch, patience=settings.patience or None,
            clip_norm=settings.clip_norm,
        )  # fmt: skip
        until = splits.validation.stop + splits.validation.lags + splits.validation.horizon - 1
        times = splits.series.times
        self.entries = {
            "scaling": asdict(parts.scaling),
            "features": parts.features,
            "step": splits.series.step,
            "nodes": list(splits.series.nodes),
            "cycles": 0 if splits.series.clock is None else splits.series.clock.size(1),
            "learned": splits.series.edge_index.size(1) if splits.series.edge_source == "learned" else 0,
            "trained_until": [until, None if times is None else str(times[until - 1])],
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
        more = (entries.get("cycles", 0), entries.get("learned", 0))
        return build_forecaster(settings, entries["features"], len(entries["nodes"]), linear, *more)

    def build(self, seed: int) -> Task:
        return self.task(seed, "train" if self.settings.refit else "both", "train")

    def task(self, seed: int, linear: str, part: str) -> Task:
        """One seed's training on a part, train or both (the validation part as well), from a part's linear forecast."""
        settings, parts = self.settings, self.read
        model = self._fitted(settings, linear)
        optimizer = build_optimizer(settings.optimizer, model, settings.learning_rate, settings.weight_decay)
        per_epoch = self._per_epoch(part)
        best = Best()

        def batch(step: int) -> tuple[Any, Tensor | None]:
            if settings.memory == "carried":
                return _share(*parts.batch(part))
            epoch, position = divmod(step, per_epoch)
            generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            order = torch.randperm(len(parts.windows[part]), generator=generator)
            places = order[position * settings.batch_size : (position + 1) * settings.batch_size]
            return parts.batch(part, ranks.share(places))

        def loss(pair: tuple[Any, Tensor | None]) -> Tensor:
            told = model.of_networks(*read_by_model(*pair))
            known = pair[0].observed.sum()
            losses = [ranks.mean(parts.loss(forecast, pair[0], settings.loss), known) for forecast in told]
            return losses[0] if len(losses) == 1 else losses[0] + losses[1]

        def validate() -> dict[str, float]:
            losses, told = self._losses(model)
            figures = {"val_loss": losses[-1], "val_mse": parts.errors(told[-1], "validation")["test_mse"]}
            if figures["val_loss"] < best.loss:
                best.loss, best.step = figures["val_loss"], task.step
            return figures

        scheduler = build_schedule(settings.schedule, optimizer, settings.epochs * per_epoch)
        task = Task(
            model, optimizer, batch, loss, validate, scheduler, carried={"best": best}, seed=seed,
            whole=settings.memory == "carried",
        )  # fmt: skip
        return task

    def _fitted(self, settings: SeriesSettings, part: str) -> SeriesModel:
        """The untrained model with what takes no training fitted on a part."""
        model = self.model(settings, self.entries)
        if model.linear is not None:
            model.linear.load_state_dict(self.linear[part].state_dict())  # type: ignore[union-attr]
        if model.baselines is not None:
            model.baselines.load_state_dict(self.baselines[part].state_dict())
        return model.to(settings.device)

    def evaluate(self, task: Task) -> dict[str, Any]:
        model: Any = task.model
        figures = self._chosen(model)
        if self.settings.refit:
            figures |= self._refit(task)
        forecast = self.read.forecast(model.mean_and_median, "test")
        band = None if model.band is None else model.band.cpu()
        return {
            **self.read.errors(forecast, "test"),
            **figures,
            **by_sensor(forecast, self.read.windows["test"], forecast[int(model.median)], band),
            "parameters": parameters_of(model),
        }

    def _losses(self, model: SeriesModel) -> tuple[list[float], Tensor]:
        """The networks' losses on the validation part and, of two, that of their mean; and their forecasts."""
        told = self.read.forecast(model.of_networks, "validation")
        told = told if len(told) == 1 else torch.cat([told, told.mean(0, keepdim=True)])
        return [float(self.read.loss(forecast, self._validation, self.settings.loss)) for forecast in told], told

    @torch.no_grad()
    def _chosen(self, model: SeriesModel) -> dict[str, Any]:
        """Let validation choose the network, its share beside the baselines' at every node, and the bands."""
        losses, told = self._losses(model)
        network = min(range(model.networks), key=lambda number: losses[number])
        figures: dict[str, Any] = {"val_mse": self.read.errors(told[-1], "validation")["test_mse"]}
        if len(losses) > 1:
            figures["val_losses"] = dict(zip((*model.names[: model.networks], "both"), losses, strict=True))
        if model.share is not None:
            errors, observed = self.read.residuals(model.forecasts, "validation", _GATED_BY)
            model.share.zero_()[:, network] = 1.0
            if self.settings.gate and observed.any():
                for forecast, power in zip(model.share, (2, 1), strict=True):
                    forecast.copy_(shares(errors * self.read.deviation, observed, power))
                figures["shares"] = {name: model.share[:, i].mean(1).tolist() for i, name in enumerate(model.names)}
        if model.band is not None:
            errors, known = self.read.residuals(model, "train", _GATED_BY)
            usual = ((errors.abs() * known).sum((0, 1)) / known.sum((0, 1)).clamp(min=1)).clamp(min=1e-6)
            errors, known = self.read.residuals(model, "validation", len(self.read.windows["validation"]))
            model.band.copy_(band(errors, known, usual, self.settings.coverage))
        return figures

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
        chosen = {name: value for name, value in task.model.named_buffers() if name in ("share", "band")}
        task.model.load_state_dict({**again.model.state_dict(), **chosen})
        return {"refit_steps": steps, "refit_seconds": round(time.perf_counter() - started, 3)}

    def _per_epoch(self, part: str) -> int:
        return 1 if self.settings.memory == "carried" else -(-len(self.read.windows[part]) // self.settings.batch_size)

    def metrics(self, rows: Rows) -> dict[str, Any]:
        linear = self.linear["both"]
        plain = self._fitted(replace(self.settings, embed=False, gate=True), "both").eval()
        told = zip(plain.names, self.read.forecast(plain.forecasts, "test"), strict=True)
        return {
            "by_step": [
                {"step": step["step"]}
                | {k: mean_and_std([row["by_step"][i][k] for row in rows])["mean"] for k in step if k != "step"}
                for i, step in enumerate(rows[0]["by_step"])
            ],
            "by_sensor": mean_by_sensor(rows),
            **({"coverage": statistics.fmean(row["coverage"] for row in rows)} if "coverage" in rows[0] else {}),
            "baselines": {name: self.read.errors(one, "test") for name, one in told if name not in ("model", "median")},
            "linear_inputs": linear and [*linear.inputs, *["every node"] * bool(linear.nodes)],
        }

    def inner_runs(self, run: RunFolder, quiet: bool) -> dict[str, Any]:
        """Where edges are compared, the same model without them."""
        settings = self.settings
        if not settings.compare_edges or settings.spatial == "none" or not self.splits.series.edge_index.numel():
            return {}
        own = replace(settings, spatial="none", compare_edges=False)
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
        counts = [f"{len(getattr(self.splits, part))} {part}" for part in ("train", "validation", "test")]
        shape = f"{self.settings.lags} steps in, {self.settings.horizon} ahead, {', '.join(counts)} windows"
        return {"data": f"{self.settings.data} ({shape})", **summary_of(metrics, self.settings)}


@dataclass
class Best:
    """The best validation loss of a seed so far, and after how many steps; a checkpoint takes it along."""

    loss: float = math.inf
    step: int = 0

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    def load_state_dict(self, state: Any) -> None:
        self.loss, self.step = state["loss"], state["step"]


def _share(batch: Any, origins: Tensor | None) -> tuple[Any, Tensor]:
    """Of a whole past, this rank's share of the steps after which it forecasts."""
    own = {name: getattr(batch, name) for name in ("y", "observed", "clock")}
    return replace(batch, **{k: v if v is None else ranks.share(v) for k, v in own.items()}), ranks.share(origins)


def load_series(settings: SeriesSettings) -> tuple[Any, SeriesSettings]:
    """The windows of the settings, and the settings with the defaults of the kind of file filled in."""
    typed = {name: getattr(settings, name) for name in ("lags", "horizon", "train_fraction", "adjacency")}
    options = {name: value for name, value in typed.items() if value} | settings.reading
    if settings.dates:
        options["calendar"] = settings.dates
    splits = load(settings.data, **options)
    if settings.cycle:
        splits.series.notes.append(
            f"{Path(settings.data).name}: read with a cycle of {settings.cycle:g} steps (--cycle)"
        )
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
