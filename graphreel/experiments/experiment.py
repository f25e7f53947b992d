"""What a kind of training has to say, and the one function that trains it into a run folder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import typer
from torch import nn

from graphreel.training import ranks
from graphreel.training.allocator import tune_allocator
from graphreel.training.checkpoints import Plan
from graphreel.training.curves import draw_curves
from graphreel.training.errors import NotFinite
from graphreel.training.init_from import take_over, weights_of
from graphreel.training.loop import train
from graphreel.training.metrics import never_beaten
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder
from graphreel.training.schedules import build_schedule
from graphreel.training.summary import over_seeds, percent, summary
from graphreel.training.task import Task
from graphreel.training.trackers import open_tracker

_CLASS_FIGURES = (("macro F1", "test_f1"), ("AUROC", "test_auroc"))

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Curves:
    """What curves.png shows: axis label -> columns of the history, and axis label -> {name: level}."""

    title: str
    panels: Mapping[str, Sequence[str]]
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Experiment(ABC):
    """One kind of training on its data.

    Attributes:
        settings: of the training.
        label: what the model is called.
        name: of its run folder, after the data's, where none is chosen.
        plan: how long it trains.
        entries: further entries of the checkpoint; together with the settings they say how `model` is built.
        trivial: figures of the history that take no model.
        notes: what was found out about the data, for the user.
        scores: figures of `evaluate` that are averaged over seeds.
    """

    needs: ClassVar[Sequence[str]]  # entries without which there is no `model`
    scores: ClassVar[Sequence[str]] = ("test_accuracy", "val_accuracy")
    settings: Any
    label: str
    name: str
    plan: Plan
    entries: dict[str, Any]
    trivial: dict[str, float]
    notes: Sequence[str] = ()

    @classmethod
    @abstractmethod
    def load(cls, settings: Any) -> "Experiment":
        """Read the data that the settings name.

        Raises:
            ValueError, OSError: bad data, or settings that do not fit them.
        """

    @staticmethod
    @abstractmethod
    def model(settings: Any, entries: Mapping[str, Any]) -> nn.Module:
        """The untrained network of the settings."""

    @abstractmethod
    def build(self, seed: int) -> Task:
        """What one seed trains."""

    @abstractmethod
    def evaluate(self, task: Task) -> dict[str, Any]:
        """Figures of the test part with a seed's best weights."""

    @abstractmethod
    def metrics(self, rows: Rows) -> dict[str, Any]:
        """What metrics.json holds beside data, model and seeds."""

    def warnings(self, metrics: Mapping[str, Any]) -> list[str]:
        """Sentences on what a reader of these metrics should know."""
        return []

    @abstractmethod
    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """What is printed at the end, name by name."""

    @abstractmethod
    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        """What curves.png shows."""

    def history(self, rows: Rows) -> Rows:
        """The history as the curves show it."""
        return rows

    def on_step(self, run: RunFolder, task: Task, step: int) -> None:  # noqa: B027
        """What is done after every step."""

    def draw(self, run: RunFolder) -> list[Path]:
        """Further pictures and files of a finished run."""
        return []

    def inner_runs(self, run: RunFolder, quiet: bool) -> dict[str, Any]:
        """Train what belongs to the run in run folders inside it; its figures for metrics.json."""
        return {}

    def fit(self, run: RunFolder, quiet: bool, show: bool = True) -> dict[str, Any]:
        """Train every seed into the run folder, from its checkpoint where it has one; return the metrics.

        All ranks do so together, and the first alone writes and prints.

        Raises:
            TrainingError: the training diverged, or the folder vanished.
        """
        tune_allocator()
        quiet = quiet or not ranks.is_first()
        if show and not quiet:
            for note in [*self.notes, *self._taken_over(), *self._shared()]:
                typer.echo(f"  {note}")
        plan = replace(self.plan, **self.settings.checkpoints)
        tracker = open_tracker(self.settings.log if ranks.is_first() else "", run, self.settings.as_dict())
        rows = train(
            run, self.settings.every_seed, plan, self.scheduled, self.evaluate, Progress(quiet), self.entries,
            lambda task, step: self.on_step(run, task, step), tracker.validated,
        )  # fmt: skip
        history = ranks.from_first(lambda: run.load_checkpoint()["history"])
        metrics = {
            "data": self.settings.data,
            "model": self.label,
            "parameters": rows[0]["parameters"],
            **over_seeds(rows, self.scores),
            **self.metrics(rows),
            **class_figures(rows),
            "warnings": never_beaten(history, self.trivial),
            "seeds": rows,
            **self.inner_runs(run, quiet),
        }
        metrics["warnings"] += self.warnings(metrics)
        if not ranks.is_first():
            return metrics
        try:
            run.write_metrics(metrics)
        except ValueError:
            raise NotFinite(f"a figure of the test part is not finite: {run.metrics_path} is not written") from None
        drawn = self.curves(metrics)
        draw_curves(self.history(history), drawn.panels, run.curves_path, drawn.title, drawn.levels)
        pictures = self.draw(run)
        tracker.finished(metrics, [path for path in (run.curves_path, *pictures) if path.suffix == ".png"])
        if show and not quiet:
            typer.echo(summary(with_class_figures(self.summary(metrics), metrics), run, *pictures))
            for warning in metrics["warnings"]:
                typer.echo(f"  warning: {warning}")
        return metrics

    @cached_property
    def initial_weights(self) -> dict[str, Any]:
        """Those of the run that the training starts from, if it does.

        Raises:
            ValueError, OSError: there is none, or it does not fit the model.
        """
        if not getattr(self.settings, "init_from", ""):
            return {}
        weights = weights_of(self.settings.init_from)
        take_over(self.model(self.settings, self.entries), weights, self.settings.init_from)
        return weights

    def _taken_over(self) -> list[str]:
        if not self.initial_weights:
            return []
        return [take_over(self.model(self.settings, self.entries), self.initial_weights, self.settings.init_from)]

    def _shared(self) -> list[str]:
        return [f"{ranks.size()} processes share every batch"] if ranks.size() > 1 else []

    def scheduled(self, seed: int) -> Task:
        """What one seed trains, with the schedule of the settings."""
        task = self.build(seed)
        if self.initial_weights:
            take_over(task.model, self.initial_weights, self.settings.init_from)
        if task.scheduler is None:
            task.scheduler = build_schedule(self.settings.schedule, task.optimizer, self.plan.steps)
        return task


def class_figures(rows: Rows) -> dict[str, Any]:
    """Of a classification macro F1 and AUROC over seeds, and the confusion of all [true class][predicted class]."""
    names = [name for name in ("test_f1", "test_auroc") if all(row.get(name) is not None for row in rows)]
    if not all("confusion" in row for row in rows):
        return {}
    together = np.sum([row["confusion"] for row in rows], axis=0).tolist()
    return {**over_seeds(rows, names), "confusion": together}


def with_class_figures(lines: Mapping[str, str], metrics: Mapping[str, Any]) -> dict[str, str]:
    """The summary with macro F1 and AUROC behind the test accuracy."""
    told = [f"{word} {percent(metrics[name])}" for word, name in _CLASS_FIGURES if name in metrics]
    found: dict[str, str] = {}
    for name, line in lines.items():
        found[name] = line
        if name == "test accuracy" and told:
            found["of classes"] = ", ".join(told)
    return found


def fit_part(run: RunFolder, name: str, experiment: Experiment, kind: Mapping[str, Any], quiet: bool) -> dict[str, Any]:
    """`Experiment.fit` in a run folder inside another, from its start where that holds none of these settings."""
    part, config = RunFolder(run.path / name, run), {**kind, **experiment.settings.as_dict()}
    with ranks.together():
        if ranks.is_first() and (
            not part.is_run or any(part.config().get(key) != value for key, value in config.items())
        ):
            part.begin(config, overwrite=True)
    return experiment.fit(part, quiet, show=False)


def accuracy_curves(title: str, chance: float, name: str = "chance (majority class)") -> Curves:
    """The curves of a classification."""
    panels = {"loss (nats)": ("train_loss", "val_loss"), "validation accuracy": ("val_accuracy",)}
    return Curves(title, panels, {"validation accuracy": {name: chance}})
