"""`graphreel rnn train` on labelled sequences: a class for each text, string of tokens or series of numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from graphreel.data import load
from graphreel.experiments.experiment import Curves, Experiment, Rows, accuracy_curves
from graphreel.experiments.sequence_settings import SequenceSettings
from graphreel.rnn import SequenceClassifier
from graphreel.training import ranks
from graphreel.training.checkpoints import Plan
from graphreel.training.class_weights import class_weights, weight_of
from graphreel.training.metrics import classification, test_figures, trivial_scores
from graphreel.training.optimizers import build_optimizer
from graphreel.training.summary import over, percent
from graphreel.training.task import Task

_AT_ONCE = 128  # sequences that are evaluated together
_UNNAMED = 2  # tokens before the first symbol: padding and unknown
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)


class LabelledSequences(Experiment):
    """Trains on batches of sequences of different length, padded at their ends and read by their lengths."""

    needs = ("reader", "classes")

    def __init__(self, settings: SequenceSettings, source: Any) -> None:
        self.settings, self.source = settings, source
        self.label = self.name = settings.cell
        self.plan = Plan(
            settings.steps, settings.evaluate_every, patience=settings.patience, clip_norm=settings.clip_norm,
            goal={"val_accuracy": 1.0},
        )  # fmt: skip
        self.entries = {"reader": source.reader.as_dict(), "classes": source.classes}
        self.notes = source.notes
        self.labels = {part: source.y[places] for part, places in source.parts.items()}
        self.trivial = trivial_scores(self.labels["train"], self.labels["val"])
        commonest = self.labels["train"].bincount().argmax()
        self.baselines = {
            "majority": float((self.labels["test"] == commonest).double().mean()),
            "logistic_regression": self._logistic_regression(),
        }

    @classmethod
    def load(cls, settings: SequenceSettings) -> "LabelledSequences":
        return cls(settings, load(settings.data, room="rnn", **settings.reading))

    @staticmethod
    def model(settings: SequenceSettings, entries: Mapping[str, Any]) -> SequenceClassifier:
        from graphreel.data.sequences.labelled_sequences import SequenceReader

        reader = SequenceReader(**entries["reader"])
        numbers = reader.read == "numbers"
        model = SequenceClassifier(
            reader.width, settings.embedding, settings.hidden, len(entries["classes"]), settings.cell,
            numbers=numbers, pool=settings.pool, dropout=settings.dropout,
        )  # fmt: skip
        if not numbers:  # a symbol that training lacks says nothing
            with torch.no_grad():
                model.embedding.weight[:_UNNAMED] = 0
        return model

    def build(self, seed: int) -> Task:
        settings, source = self.settings, self.source
        model, train = self.model(settings, self.entries).to(settings.device), source.parts["train"]
        a_pass = -(-len(train) // settings.batch_size)

        def batch(step: int) -> Tensor:
            number, inside = divmod(step, a_pass)
            order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed * 1_000_003 + number))
            return train[ranks.share(order[inside * settings.batch_size :][: settings.batch_size])]

        weights = class_weights(settings.class_weights, self.labels["train"], source.classes, settings.device)

        def loss(places: Tensor) -> Tensor:
            scored = model(*padded([source.items[place] for place in places], settings.device))
            labels = source.y[places].to(settings.device)
            return ranks.mean(F.cross_entropy(scored, labels, weights), weight_of(labels, weights))

        optimizer = build_optimizer(
            settings.optimizer, model, settings.learning_rate, settings.weight_decay, lambda p: p.dim() > 1
        )
        return Task(model, optimizer, batch, loss, lambda: self._scores(model, "val", weights))

    def evaluate(self, task: Task) -> dict[str, Any]:
        logits = self._logits(task.model, "test")
        chosen = self._scores(task.model, "val")
        return {**test_figures(logits, self.labels["test"]), "val_accuracy": chosen["val_accuracy"]}

    def metrics(self, rows: Rows) -> dict[str, Any]:
        return {"classes": self.source.classes, "baselines": self.baselines}

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        return accuracy_curves(f"{self.source.name}, {self.settings.cell}", self.trivial["val_accuracy"])

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        source, rows, best = self.source, metrics["seeds"], max(self.baselines.values())
        parts = ", ".join(f"{len(places)} {part}" for part, places in source.parts.items())
        lines = {
            "data": f"{source.name}, {len(source)} sequences of {source.reader.read} in {len(source.classes)} classes",
            "parts": parts,
            "model": f"{self.settings.cell}, {metrics['parameters']:,} parameters",
            "test accuracy": over(percent(metrics["test_accuracy"]), rows),
            "baselines": ", ".join(f"{name.replace('_', ' ')} {100 * v:.1f} %" for name, v in self.baselines.items()),
            "time": f"{sum(row['seconds'] for row in rows) / len(rows):.1f} s a seed",
        }
        if best > metrics["test_accuracy"]["mean"]:
            winner = max(self.baselines, key=lambda name: self.baselines[name]).replace("_", " ")
            lines["note"] = f"{winner}, which knows no order, is ahead of this model: take it, or more data or steps"
        return lines

    def _logits(self, model: Any, part: str) -> Tensor:
        return logits_of_items(model, [self.source.items[place] for place in self.source.parts[part]])

    def _scores(self, model: Any, part: str, weights: Tensor | None = None) -> dict[str, float]:
        return classification(self._logits(model, part), self.labels[part], part, weights)

    def _logistic_regression(self) -> float:
        """Test accuracy of a logistic regression on what a sequence holds in any order; chosen on validation."""
        from sklearn.linear_model import LogisticRegression

        width = self.source.reader.width
        items, parts = self.source.items, self.source.parts
        of = {part: orderless([items[place] for place in places], width) for part, places in parts.items()}
        scores = []
        for strength in _STRENGTHS:
            fitted = LogisticRegression(C=strength, max_iter=1000).fit(of["train"], self.labels["train"])
            scores.append([fitted.score(of[part], self.labels[part]) for part in ("val", "test")])
        return float(max(scores, key=lambda score: score[0])[1])


def padded(items: Sequence[Tensor], device: str) -> tuple[Tensor, Tensor]:
    """Sequences side by side [B, T, ...], and their lengths [B]."""
    return pad_sequence(list(items), batch_first=True).to(device), torch.tensor([len(item) for item in items])


@torch.no_grad()
def logits_of_items(model: Any, items: Sequence[Tensor]) -> Tensor:
    """Logits [N, classes] on the CPU; the ranks share the batches."""
    device = str(next(model.parameters()).device)
    parts = [items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE)]
    return torch.cat(ranks.in_parts(parts, lambda part: model(*padded(part, device)).cpu()))


def orderless(items: Sequence[Tensor], width: int) -> Any:
    """What is left of sequences without their order: log counts of tokens, or means and deviations of numbers."""
    from scipy.sparse import csr_matrix

    if items[0].is_floating_point():
        return np.stack([torch.cat([item.mean(0), item.std(0, correction=0)]).numpy() for item in items])
    rows = np.repeat(np.arange(len(items)), [len(item) for item in items])
    columns = torch.cat(list(items)).numpy()
    counts = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(items), width))
    counts.sum_duplicates()
    return counts.log1p()
