"""`graphreel gnn train` on one graph: classes of nodes, from the whole graph or from sampled neighbourhoods."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Data

from graphreel.data import bag_of_words_accuracy, check_graph, majority_accuracy, neighbor_loader
from graphreel.experiments.graph_model import (
    GraphExperiment,
    class_names_of,
    edge_features,
    edge_inputs,
    prepare_graph,
    ranked_scores,
)
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.training.metrics import classification, trivial_scores
from graphreel.training.task import Task

_LINEAR_UP_TO = 20_000  # training nodes; beyond, the logistic regression would take longer than the network


class Nodes(GraphExperiment):
    """Trains on the nodes of a graph with masks."""

    kind = "test nodes"

    def __init__(self, settings: GnnSettings, source: Data) -> None:
        check_graph(source)
        if source.get("train_mask") is None or source.get("y") is None:
            raise ValueError(f"{settings.data} has no classes to learn: expected a column label, or y")
        count = int(source.train_mask.sum())
        super().__init__(settings, -(-count // settings.batch_size) if settings.fan_out else 1)
        self.graph = prepare_graph(source, settings, settings.device)
        parts = ("train", "val", "test")
        self.part = {name: self.graph[f"{name}_mask"].nonzero().flatten() for name in parts}
        self.labels = {name: self.graph.y[index] for name, index in self.part.items()}
        self.entries = {
            "num_features": source.x.size(-1), "num_classes": len(class_names_of(source)),
            "edge_dim": edge_features(self.graph, settings), "pool": None,
            "class_names": class_names_of(source),
            "feature_names": list(source.get("feature_names") or []),
        }  # fmt: skip
        # what a network must beat: the commonest class, and a linear model that sees no edges
        self.baselines = {"majority": majority_accuracy(source)}
        if count <= _LINEAR_UP_TO:
            self.baselines["logistic_regression"] = bag_of_words_accuracy(source)
        self.trivial = trivial_scores(self.labels["train"], self.labels["val"], settings.label_smoothing)

    def build(self, seed: int) -> Task:
        settings, graph = self.settings, self.graph
        model = self.model(settings, self.entries).to(settings.device)
        inputs = edge_inputs(graph, settings)

        def validate() -> dict[str, float]:
            return ranked_scores(model(graph.x, **inputs)[self.part["val"]], self.labels["val"])

        def whole(_: int) -> Tensor:
            logits = model(graph.x, **inputs)[self.part["train"]]
            return F.cross_entropy(logits, self.labels["train"], label_smoothing=settings.label_smoothing)

        def sampled(batch: Data) -> Tensor:
            logits = model(batch.x, **edge_inputs(batch, settings))[: batch.batch_size]
            return F.cross_entropy(logits, batch.y[: batch.batch_size], label_smoothing=settings.label_smoothing)

        optimizer = self.optimizer(model)
        if settings.fan_out:
            return Task(model, optimizer, sampled_batches(graph, self.part["train"], settings, seed), sampled, validate)
        return Task(model, optimizer, lambda step: step, whole, validate)

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        logits = task.model(self.graph.x, **edge_inputs(self.graph, self.settings))
        scores = [classification(logits[self.part[name]], self.labels[name], name) for name in ("val", "test")]
        return {"val_accuracy": scores[0]["val_accuracy"], "test_accuracy": scores[1]["test_accuracy"]}


def sampled_batches(graph: Data, seeds: Tensor, settings: GnnSettings, random_seed: int) -> Callable[[int], Data]:
    """step -> the sampled neighbourhood of a batch of seed nodes; every epoch has an order of its own."""
    generator = torch.Generator()
    loader = neighbor_loader(graph, settings.fan_out, seeds, settings.batch_size, generator)
    per_epoch = -(-len(seeds) // settings.batch_size)

    def batch(step: int) -> Data:
        epoch, position = divmod(step, per_epoch)
        order = torch.randperm(len(seeds), generator=generator.manual_seed(random_seed * 1_000_003 + epoch))
        generator.manual_seed((random_seed + 1) * 1_000_003 + step)
        start = position * settings.batch_size
        return loader(order[start : start + settings.batch_size])

    return batch
