"""`graphreel rnn train` on a sequence task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphreel.data import load
from graphreel.experiments.experiment import Curves, Experiment, Rows, accuracy_curves
from graphreel.experiments.gate_pictures import draw_task_gates
from graphreel.experiments.task_settings import TaskSettings
from graphreel.rnn import SequenceClassifier
from graphreel.training import ranks
from graphreel.training.checkpoints import Plan
from graphreel.training.class_weights import class_weights, weight_of
from graphreel.training.metrics import classification, logits_of, test_figures, trivial_scores
from graphreel.training.optimizers import build_optimizer
from graphreel.training.run_folder import RunFolder
from graphreel.training.summary import over, percent
from graphreel.training.task import Task

_EVALUATED_AT_ONCE = 500


class Sequences(Experiment):
    """Trains on batches that are drawn on the fly, from strings that are not held out."""

    needs = ("num_tokens", "num_classes", "padding")

    def __init__(self, settings: TaskSettings, source: Any) -> None:
        self.settings, self.source = settings, source
        self.label, self.name = settings.cell, f"{settings.length}-{settings.cell}"
        self.plan = Plan(
            settings.steps, settings.evaluate_every, clip_norm=settings.clip_norm, goal={"val_accuracy": 1.0}
        )
        self.entries = {name: getattr(source, name) for name in self.needs}
        self.trivial = trivial_scores(source.validation[1], source.validation[1])

    @classmethod
    def load(cls, settings: TaskSettings) -> "Sequences":
        return cls(settings, load(settings.data, length=settings.length))

    @staticmethod
    def model(settings: TaskSettings, entries: Mapping[str, Any]) -> SequenceClassifier:
        """The network of the settings; with Kaiming initialisation its head is drawn so as well."""
        model = SequenceClassifier(
            entries["num_tokens"], settings.embedding, settings.hidden, entries["num_classes"], settings.cell,
            padding=entries["padding"] if settings.skip_padding else None,
            initialization=settings.initialization, forget_bias=settings.forget_bias,
        )  # fmt: skip
        if settings.initialization == "kaiming":
            nn.init.kaiming_normal_(model.head.weight, nonlinearity="linear")
            nn.init.zeros_(model.head.bias)
        return model

    def build(self, seed: int) -> Task:
        settings = self.settings
        model = self.model(settings, self.entries).to(settings.device)

        def batch(step: int) -> tuple[Tensor, Tensor]:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            tokens, labels = self.source.batch(settings.batch_size, generator, settings.length_at(step))
            return ranks.share(tokens), ranks.share(labels)

        names = list(map(str, range(self.source.num_classes)))
        weights = class_weights(settings.class_weights, self.source.validation[1], names, settings.device)

        def loss(pair: tuple[Tensor, Tensor]) -> Tensor:
            tokens, labels = (part.to(settings.device) for part in pair)
            return ranks.mean(F.cross_entropy(model(tokens), labels, weights), weight_of(labels, weights))

        optimizer = build_optimizer(settings.optimizer, model, settings.learning_rate)
        return Task(model, optimizer, batch, loss, lambda: scores(model, self.source.validation, "val", weights))

    def evaluate(self, task: Task) -> dict[str, Any]:
        tokens, labels = self.source.test
        tested = test_figures(logits_of(task.model, tokens.split(_EVALUATED_AT_ONCE)), labels)
        return {**tested, "val_accuracy": scores(task.model, self.source.validation, "val")["val_accuracy"]}

    def metrics(self, rows: Rows) -> dict[str, Any]:
        return {
            "length": self.settings.length,
            "baselines": {"majority": self.source.chance},
            "strings_held_out": self.source.strings_held_out,
        }

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        settings = self.settings
        return accuracy_curves(f"{settings.data}, length {settings.length}, {settings.cell}", self.source.chance)

    def draw(self, run: RunFolder) -> list[Path]:
        if self.settings.cell == "rnn":
            return []
        model = self.model(self.settings, self.entries)
        model.load_state_dict(run.load_checkpoint()["model"])
        return [draw_task_gates(model, self.settings, self.source, run.path / "gates.png")]

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        settings, rows = self.settings, metrics["seeds"]
        steps, seconds = (sum(row[name] for row in rows) for name in ("steps", "seconds"))
        return {
            "data": f"{settings.data}, length {settings.length} ({self.source.sequence_length} symbols)",
            "model": f"{settings.cell}, {metrics['parameters']:,} parameters",
            "test accuracy": over(percent(metrics["test_accuracy"]), rows),
            "chance": f"{100 * self.source.chance:.1f} % (majority class)",
            "steps": ", ".join(str(row["steps"]) for row in rows),
            "time": f"{seconds / len(rows):.1f} s a seed, {1000 * seconds / max(steps, 1):.1f} s per 1000 steps",
        }


def scores(model: nn.Module, pair: tuple[Tensor, Tensor], part: str, weights: Tensor | None = None) -> dict[str, float]:
    """Mean cross entropy and accuracy of a part: tokens and labels."""
    tokens, labels = pair
    return classification(logits_of(model, tokens.split(_EVALUATED_AT_ONCE)), labels, part, weights)
