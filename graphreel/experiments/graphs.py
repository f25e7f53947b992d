"""`graphreel gnn train` on a set of graphs: classes of whole graphs, cross-validated."""

from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch_geometric.data import Batch

from graphreel.experiments.graph_model import GraphExperiment, ranked_scores
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.training.metrics import classification, trivial_scores
from graphreel.training.task import Task

FOLDS = 10


class Graphs(GraphExperiment):
    """Seed s tests on fold s mod 10, validates on another, and trains on the rest.

    Each part is one block-diagonal graph, so an epoch is one step.
    """

    kind = f"graphs in {FOLDS} folds"

    def __init__(self, settings: GnnSettings, source: Any) -> None:
        if bool((source.y < 0).all()):
            raise ValueError(f"{settings.data} has no classes to learn: expected a label for every graph")
        super().__init__(settings, 1)
        self.source = source
        self.entries = {
            "num_features": source[0].x.size(-1), "num_classes": source.num_classes, "edge_dim": None, "pool": "sum",
            "class_names": source.class_names, "feature_names": source.feature_names,
        }  # fmt: skip
        self.baselines = {"majority": float(source.y[source.y >= 0].bincount().max() / len(source))}
        self.trivial = trivial_scores(source.y, source.y, settings.label_smoothing)

    def build(self, seed: int) -> Task:
        model = self.model(self.settings, self.entries).to(self.settings.device)
        part = self.parts(seed)

        def loss(_: int) -> torch.Tensor:
            logits = _logits(model, part["train"])
            return F.cross_entropy(logits, part["train"].y, label_smoothing=self.settings.label_smoothing)

        def validate() -> dict[str, float]:
            return ranked_scores(_logits(model, part["val"]), part["val"].y)

        return Task(model, self.optimizer(model), lambda step: step, loss, validate)

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        part = self.parts(task.seed)
        scores = [classification(_logits(task.model, part[name]), part[name].y, name) for name in ("val", "test")]
        accuracies = {"val_accuracy": scores[0]["val_accuracy"], "test_accuracy": scores[1]["test_accuracy"]}
        return {"fold": task.seed % FOLDS, **accuracies}

    def parts(self, seed: int) -> dict[str, Any]:
        """The three parts of a seed's fold, each as one graph."""
        parts = next(islice(self.source.folds(FOLDS, seed=seed // FOLDS), seed % FOLDS, None))
        return {
            name: Batch.from_data_list([self.source[int(i)] for i in index]).to(self.settings.device)
            for name, index in zip(("train", "val", "test"), parts, strict=True)
        }


def _logits(model: Any, part: Any) -> torch.Tensor:
    return model(part.x, part.edge_index, batch=part.batch)
