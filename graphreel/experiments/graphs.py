"""`graphreel gnn train` on a set of graphs: a class, or a number, of whole graphs, cross-validated."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from graphreel.data.graphs.graph_dataset import deal_out
from graphreel.experiments.experiment import Rows
from graphreel.experiments.graph_ensemble import TREES, Counting, GraphEnsemble, counts_of
from graphreel.experiments.graph_model import (
    GraphExperiment,
    are_numbers,
    build_model,
    edge_features,
    edge_inputs,
    in_batches,
    prepare_graph,
)
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_target import Numbers
from graphreel.training import ranks
from graphreel.training.metrics import trivial_scores
from graphreel.training.task import Task

FOLDS = 10
_QUICK = 50  # trees of the forests that say how far to trust one


class Graphs(GraphExperiment):
    """Seed s tests on fold s mod 10. The rest is learned from, and decides when to stop and what to trust.

    With one member, fold s + 1 validates. Of several, each holds out another part of the nine folds; what they say of
    the parts that they did not see chooses the epoch, and the shares of the blend with a forest and a linear model.
    Each part is one block-diagonal graph, so an epoch is one step.
    """

    kind = f"graphs in {FOLDS} folds"

    def __init__(self, settings: GnnSettings, source: Any) -> None:
        numbers = settings.task == "regression"
        fits = are_numbers(source.class_names) if numbers else bool(source.class_names)
        if bool((source.groups < 0).all()) or not fits:
            wanted = "number to learn" if numbers else "class to learn (numbers are for --task regression)"
            raise ValueError(f"{settings.data} has no {wanted}: expected a label for every graph")
        super().__init__(settings, 1)
        self.source = source
        self.graphs = [prepare_graph(graph, settings, settings.device) for graph in source]
        self.labels = source.target if numbers else source.y
        whole, raw = next(in_batches(self.graphs, len(source))), source[0].x.size(1)
        self.counts = counts_of(whole.x[:, :raw], whole.edge_index, whole.batch, len(source)).cpu()
        self.entries = {
            "num_features": self.graphs[0].x.size(1), "num_classes": 1 if numbers else source.num_classes,
            "edge_dim": edge_features(self.graphs[0], settings), "pool": settings.pool, "raw_features": raw,
            "class_names": source.class_names, "feature_names": source.feature_names,
            "counts": self.counts, "labels": self.labels,
        }  # fmt: skip
        known = self.labels[source.groups >= 0]
        self.baselines = {} if numbers else {"majority": float(known.bincount().max() / len(known))}
        self.trivial = {} if numbers else trivial_scores(known, known, settings.label_smoothing)
        self.target = self.target_of(settings.seed)

    @staticmethod
    def model(settings: GnnSettings, entries: Mapping[str, Any]) -> nn.Module:
        """A network, or where there are several, a blend, or numbers: an ensemble."""
        needs = [entries[name] for name in GraphExperiment.needs]
        if not is_ensemble(settings):
            return build_model(settings, *needs)
        networks = [build_model(settings, *needs) for _ in range(settings.members)]
        classes = 0 if settings.task == "regression" else entries["num_classes"]
        return GraphEnsemble(networks, entries["counts"], entries["labels"], classes, entries["raw_features"])

    def build(self, seed: int) -> Task:
        model: Any = self.model(self.settings, self.entries).to(self.settings.device)
        networks = list(model.networks) if is_ensemble(self.settings) else [model]
        pairs, _ = self.parts(seed)
        target = self.target_of(seed)
        if not target.count:
            model.scaling.copy_(torch.tensor([target.mean, target.scale], dtype=torch.float64))
        if ranks.size() > min(len(train) for train, _ in pairs):
            raise ValueError(f"{ranks.size()} processes are more than the graphs that a network learns from")
        pairs = [(ranks.share(train), val) for train, val in pairs]
        parts = [
            (network, self.batch(train), self.batch(val)) for network, (train, val) in zip(networks, pairs, strict=True)
        ]
        labels = [(self.labels_of(target, train), self.labels_of(target, val)) for train, val in pairs]

        def loss(_: int) -> Tensor:
            losses = [target.loss(self.answer(n, part), y) for (n, part, _), (y, _) in zip(parts, labels, strict=True)]
            return torch.stack(losses).mean()

        def validate() -> dict[str, float]:
            held_out = torch.cat([self.answer(network, part) for network, _, part in parts])
            return target.scores(held_out, torch.cat([y for _, y in labels]), "val")

        return Task(model, self.optimizer(*networks), lambda step: step, loss, validate)

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        model: Any = task.model
        pairs, test = self.parts(task.seed)
        target = self.target_of(task.seed)
        tested, labels = self.batch(test), self.labels_of(target, test)
        networks = model.networks if is_ensemble(self.settings) else [model]
        held_out = [self.answer(n, self.batch(val)) for n, (_, val) in zip(networks, pairs, strict=True)]
        answer, truth = torch.cat(held_out), torch.cat([self.labels_of(target, val) for _, val in pairs])
        rest = torch.cat(pairs[0]).sort().values
        counting = self.counting(target, rest)
        guesses = dict(zip(counting.names, counting(self.counts[test]), strict=True))
        guesses |= {} if target.count else {"mean": torch.zeros(len(test), 1)}  # of numbers whose mean is 0
        row: dict[str, Any] = {"fold": task.seed % FOLDS}
        for name, guess in guesses.items():
            row[name] = target.results(guess, labels.cpu(), "test")[f"test_{target.main}"]
        if self.settings.blend:
            alone = target.results(self.answer(model, tested), labels, "test")
            learned = [self.counting(target, train, _QUICK)(self.counts[val]) for train, val in pairs]
            counted = [torch.cat(parts).to(answer.device) for parts in zip(*learned, strict=True)]
            model.learn_counts(rest, counting)
            answer = model.blend([answer.softmax(1) if target.count else answer, *counted], truth)
            row[f"network_{target.main}"] = alone[f"test_{target.main}"]
            row["shares"] = [round(share, 1) for share in model.shares.tolist()]
        row |= target.results(answer, truth, "val")
        return row | target.results(self.answer(model, tested), labels, "test")

    def counting(self, target: Any, train: Tensor, trees: int = TREES) -> Counting:
        """A forest and a linear model on the counts of some graphs."""
        return Counting(self.counts[train], self.labels_of(target, train).cpu(), target.count, trees)

    def metrics(self, rows: Rows) -> dict[str, Any]:
        known = ("random_forest", "logistic_regression", "ridge_regression", "mean")
        names = [name for name in known if all(name in row for row in rows)]
        self.baselines |= {name: sum(row[name] for row in rows) / len(rows) for name in names}
        return super().metrics(rows)

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        rows, lines = metrics["seeds"], super().summary(metrics)
        if "shares" not in rows[0]:
            return lines
        shares = [sum(column) / len(rows) for column in zip(*(row["shares"] for row in rows), strict=True)]
        parts = ("networks", "forest", "linear model", "forest of neighbourhoods")
        told = ", ".join(f"{part} {100 * share:.0f} %" for part, share in zip(parts, shares, strict=True))
        alone = sum(row[f"network_{self.target.main}"] for row in rows) / len(rows)
        blend = f"{told} on average, by what was held out; the networks alone {self.target.said(alone)}"
        return {**lines, "blend": blend}

    def parts(self, seed: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Of a seed's fold, what each member trains on and holds out, and what is tested."""
        train, val, test = next(islice(self.source.folds(FOLDS, seed=seed // FOLDS), seed % FOLDS, None))
        members = self.settings.members
        if members == 1:
            return [(train, val)], test
        rest = torch.cat([train, val]).sort().values
        fold = deal_out(self.source.groups[rest], members, seed)
        return [(rest[fold != member], rest[fold == member]) for member in range(members)], test

    def target_of(self, seed: int) -> Any:
        """What a seed learns."""
        (train, val), *_ = self.parts(seed)[0]
        labels = self.labels[torch.cat([train, val])]
        return (
            Numbers.of(labels)
            if self.settings.task == "regression"
            else self.classes_of(labels, self.source.class_names)
        )

    def labels_of(self, target: Any, index: Tensor) -> Tensor:
        """The labels of some graphs, as `target` takes them."""
        labels = self.labels[index]
        return (labels if target.count else target.scaled(labels)).to(self.settings.device)

    def batch(self, index: Tensor) -> Any:
        """Some graphs as one."""
        return next(in_batches([self.graphs[int(i)] for i in index], len(index)))

    def answer(self, model: Any, part: Any) -> Tensor:
        """What a network, or all, say of the graphs of a batch."""
        return model(part.x, batch=part.batch, **edge_inputs(part, self.settings))


def is_ensemble(settings: GnnSettings) -> bool:
    """Whether the model is more than one network, as in runs made before there were ensembles."""
    return settings.members > 1 or settings.blend or settings.task == "regression"
