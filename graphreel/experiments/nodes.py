"""`graphreel gnn train` on one graph: classes of nodes, from the whole graph or from sampled neighbourhoods."""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch_geometric.data import Data

from graphreel.data import bag_of_words_accuracy, check_graph, majority_accuracy, with_gcn_weights
from graphreel.experiments.graph_model import (
    GraphExperiment,
    are_numbers,
    class_names_of,
    edge_features,
    edge_inputs,
    prepare_graph,
)
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_target import Numbers
from graphreel.experiments.sampled_batches import sampled_batches
from graphreel.training import ranks
from graphreel.training.metrics import trivial_scores
from graphreel.training.task import Task

_LINEAR_UP_TO = 20_000  # training nodes; beyond, the logistic regression would take longer than the network


class Nodes(GraphExperiment):
    """Trains on the nodes of a graph with masks."""

    kind = "test nodes"

    def __init__(self, settings: GnnSettings, source: Data) -> None:
        check_graph(source)
        numbers = settings.task == "regression"
        y = source.get("target", source.get("y")) if numbers else source.get("y")
        words = numbers and source.get("target") is None and not are_numbers(source.get("class_names") or ())
        if source.get("train_mask") is None or y is None or words:
            wanted = "numbers to learn" if numbers else "classes to learn (numbers are for --task regression)"
            raise ValueError(f"{settings.data} has no {wanted}: expected a column label, or y")
        count = int(source.train_mask.sum())
        super().__init__(settings, -(-count // settings.batch_size) if settings.fan_out else 1)
        self.graph = prepare_graph(source, settings, settings.device)
        # of all neighbours the weights of the whole graph: then a seed's answer depends on no other seed of its batch
        self.weighted = settings.model == "gcn" and not settings.center and set(settings.fan_out) == {-1}
        if self.weighted:
            self.graph = with_gcn_weights(self.graph)
        parts = ("train", "val", "test")
        self.part = {name: self.graph[f"{name}_mask"].nonzero().flatten() for name in parts}
        train = y[source.train_mask].double()
        classes = [] if numbers else class_names_of(source)
        self.target = Numbers.of(train) if numbers else self.classes_of(y[source.train_mask], classes)
        y = (self.target.scaled(y.double()) if numbers else y).to(settings.device)
        self.graph.y = y
        self.labels = {name: y[index] for name, index in self.part.items()}
        self.entries = {
            "num_features": self.graph.x.size(-1), "num_classes": self.target.count or 1,
            "edge_dim": edge_features(self.graph, settings), "pool": None, "raw_features": source.x.size(-1),
            "class_names": classes,
            "feature_names": list(source.get("feature_names") or []),
        }  # fmt: skip
        if numbers:
            self.entries["scaling"] = [self.target.mean, self.target.scale]
            # what a network must beat: the mean, and a linear model that sees no edges
            self.baselines, self.trivial = regression_baselines(self.graph.x, self.part, self.labels, self.target), {}
            return
        # what a network must beat: the commonest class, and a linear model that sees no edges
        self.baselines = {"majority": majority_accuracy(source)}
        if count <= _LINEAR_UP_TO:
            self.baselines["logistic_regression"] = bag_of_words_accuracy(source)
        self.trivial = trivial_scores(self.labels["train"], self.labels["val"], settings.label_smoothing)

    def build(self, seed: int) -> Task:
        settings, graph = self.settings, self.graph
        model: Any = self.model(settings, self.entries).to(settings.device)
        for conv in model.convs if self.weighted else ():
            conv.normalize = conv.add_self_loops = False
        inputs = edge_inputs(graph, settings)
        own = ranks.share(self.part["train"])  # of the nodes whose classes are learned; all have the whole graph

        def validate() -> dict[str, float]:
            return self.target.scores(model(graph.x, **inputs)[self.part["val"]], self.labels["val"], "val")

        def loss(answer: Tensor, labelled: Any, labels: Tensor) -> Tensor:
            known = self.target.loss(answer[..., labelled, :], labels)
            if not settings.consistency:
                return known
            apart = self.target.disagreement(answer, settings.sharpening)
            return known + settings.consistency * ranks.mean(apart, answer.size(-2))

        def whole(_: int) -> Tensor:
            return loss(model(graph.x, **inputs), own, graph.y[own])

        def sampled(batch: Data) -> Tensor:
            count = batch.batch_size
            return loss(model(batch.x, **edge_inputs(batch, settings)), slice(count), batch.y[:count])

        optimizer = self.optimizer(model)
        if settings.fan_out:
            return Task(model, optimizer, sampled_batches(graph, self.part["train"], settings, seed), sampled, validate)
        return Task(model, optimizer, lambda step: step, whole, validate, whole=True)

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        answer = task.model(self.graph.x, **edge_inputs(self.graph, self.settings))
        parts = [self.target.results(answer[self.part[name]], self.labels[name], name) for name in ("val", "test")]
        return parts[0] | parts[1]


def regression_baselines(x: Tensor, part: Any, labels: Any, target: Numbers) -> dict[str, float]:
    """Mean absolute errors on the test part of the training part's mean, and of a ridge regression on x alone."""
    x = (x if x.layout == torch.strided else x.to_dense()).cpu()
    ridge = make_pipeline(StandardScaler(), RidgeCV(10.0 ** np.arange(-3, 5)))
    ridge.fit(x[part["train"].cpu()], labels["train"].cpu())
    linear = torch.from_numpy(ridge.predict(x[part["test"].cpu()])).float()[:, None].to(labels["test"].device)
    guesses = {"mean": torch.zeros_like(linear), "ridge_regression": linear}  # the labels have mean 0
    return {name: target.results(guess, labels["test"], "test")["test_mae"] for name, guess in guesses.items()}
