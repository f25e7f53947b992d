"""`graphreel gnn train --task link`: which nodes of a graph are joined, with some of its edges held out."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_array, csr_array
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.transforms import RandomLinkSplit
from torch_geometric.utils import negative_sampling

from graphreel.data import check_graph
from graphreel.data.graphs.edge_attributes import undirected
from graphreel.experiments.experiment import Curves
from graphreel.experiments.graph_model import GraphExperiment, build_model, edge_features, edge_inputs, prepare_graph
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.gnn.models.link_predictor import LinkPredictor
from graphreel.training import ranks
from graphreel.training.summary import over, spread
from graphreel.training.task import Task

_HELD_OUT = {"num_val": 0.1, "num_test": 0.2}  # shares of the edges


class Joined:
    """What is learned: whether pairs of nodes are joined."""

    figures, main, count = ("test_auroc", "test_ap", "val_auroc"), "auroc", 1

    @staticmethod
    def said(figure: float) -> str:
        """An area under the curve in words."""
        return f"AUROC {figure:.3f}"

    @staticmethod
    def is_better(one: float, other: float) -> bool:
        """Whether an area is above another."""
        return one > other


class Links(GraphExperiment):
    """Trains on seven tenths of the edges and as many pairs without one, drawn anew at every step.

    The network sees the training edges alone; validation and test edges are told from as many pairs without an edge.
    Edges count in both directions. The split is the same for every seed.
    """

    kind = "held-out edges and as many pairs without one"
    target = Joined

    def __init__(self, settings: GnnSettings, source: Data) -> None:
        check_graph(source)
        if settings.fan_out:
            raise ValueError("--task link reads the whole graph: leave --neighbors out")
        super().__init__(settings, 1)
        graph = prepare_graph(undirected(source), settings, "cpu")
        if graph.num_edges < 40:
            raise ValueError(f"{settings.data} has {graph.num_edges // 2} edges, too few to hold some out")
        x, graph.x = graph.x, torch.zeros(graph.num_nodes, 1)
        with _drawing_from(0):
            split = RandomLinkSplit(is_undirected=True, add_negative_train_samples=False, **_HELD_OUT)
            self.train, self.val, self.test = (part.to(settings.device) for part in split(graph))
        self.x = x.to(settings.device)
        self.entries = {
            "num_features": x.size(-1), "num_classes": settings.hidden, "pool": None,
            "edge_dim": edge_features(graph, settings), "raw_features": source.x.size(-1), "class_names": [],
            "feature_names": list(source.get("feature_names") or []),
        }  # fmt: skip
        self.baselines = neighbour_scores(self.train.edge_index.cpu(), self.test, graph.num_nodes)
        self.trivial = {"train_loss": float(np.log(2))}

    @staticmethod
    def model(settings: GnnSettings, entries: Mapping[str, Any]) -> nn.Module:
        encoder = build_model(settings, *(entries[name] for name in GraphExperiment.needs))
        return LinkPredictor(encoder, entries["num_classes"], settings.decoder)

    def build(self, seed: int) -> Task:
        model: Any = self.model(self.settings, self.entries).to(self.settings.device)
        joined, known = self.train.edge_label_index, edge_inputs(self.train, self.settings)
        every = torch.cat([self.train.edge_index, joined, joined.flip(0)], dim=1)

        def apart(step: int) -> Tensor:
            with _drawing_from((seed + 1) * 1_000_003 + step):
                return negative_sampling(every, self.train.num_nodes, joined.size(1))

        def loss(pairs: Tensor) -> Tensor:
            both = torch.cat([joined, pairs.to(joined.device)], dim=1)
            is_joined = ranks.share(torch.arange(both.size(1), device=both.device) < joined.size(1))
            logits = model(self.x, pairs=ranks.share(both, 1), **known)
            return ranks.mean(F.binary_cross_entropy_with_logits(logits, is_joined.float()), len(logits))

        optimizer = self.optimizer(model.encoder, rest=model)
        return Task(model, optimizer, apart, loss, lambda: self.figures(model, "val"), whole=True)

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        found = self.figures(task.model, "val") | self.figures(task.model, "test")
        return {name: found[name] for name in ("val_auroc", "val_ap", "test_auroc", "test_ap")}

    def figures(self, model: Any, name: str) -> dict[str, float]:
        """Loss, area under the receiver operating characteristic, and average precision of a part's pairs."""
        part = getattr(self, name)
        logits = model(self.x, pairs=part.edge_label_index, **edge_inputs(part, self.settings))
        loss = F.binary_cross_entropy_with_logits(logits, part.edge_label).item()
        found = {f"{name}_loss": loss, **ranking(logits.cpu().numpy(), part.edge_label.cpu().numpy(), name)}
        return {**found, f"{name}_rank": found[f"{name}_ap"]}

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        panels = {"loss (nats)": ("train_loss", "val_loss"), "validation AUROC": ("val_auroc",)}
        return Curves(f"{self.settings.data}, {self.settings.model}", panels)

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        tested = f"AUROC {spread(metrics['test_auroc'])}, AP {spread(metrics['test_ap'])}"
        baselines = {name: Joined.said(figure) for name, figure in self.baselines.items()}
        validated = f"AUROC {spread(metrics['val_auroc'])}"
        return self.lines(metrics, "links", over(tested, metrics["seeds"]), validated, baselines)


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Seed each of the generators that PyG draws pairs from, Python's among them, and put them back afterwards."""
    before, numpy_before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(numpy_before)


def ranking(scores: np.ndarray, joined: np.ndarray, name: str) -> dict[str, float]:
    """How well scores tell pairs that are joined from others: {NAME_auroc, NAME_ap}."""
    auroc, ap = float(roc_auc_score(joined, scores)), float(average_precision_score(joined, scores))
    return {f"{name}_auroc": auroc, f"{name}_ap": ap}


def neighbour_scores(edge_index: Tensor, part: Any, num_nodes: int) -> dict[str, float]:
    """The area under the curve of two scores that need no training: common neighbours, and theirs by the inverse
    logarithm of their degrees (Adamic and Adar, 2003)."""
    ones = np.ones(edge_index.size(1))
    near: csr_array = coo_array((ones, edge_index.numpy()), shape=(num_nodes, num_nodes)).tocsr()
    degrees = near.sum(1)
    weights = np.divide(1.0, np.log(degrees), out=np.zeros(num_nodes), where=degrees > 1)
    pairs, joined = part.edge_label_index.cpu().numpy(), part.edge_label.cpu().numpy()
    found = {}
    for name, weight in (("common_neighbours", np.ones(num_nodes)), ("adamic_adar", weights)):
        score = near[pairs[0]].multiply(near[pairs[1]] * weight[None, :]).sum(1)
        found[name] = float(roc_auc_score(joined, score))
    return found
