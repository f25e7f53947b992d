"""`graphreel gnn train --data GRAPH/ --neighbors 15,10`: nodes of a packed graph, which stays on the disk."""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphreel.data import DiskGraph, bag_of_words_accuracy
from graphreel.data.graphs.on_disk.part_features import PartFeatures
from graphreel.experiments.experiment import Rows
from graphreel.experiments.graph_model import GraphExperiment, edge_inputs
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_target import Numbers
from graphreel.experiments.nodes import regression_baselines
from graphreel.experiments.sampled_batches import sampled_batches
from graphreel.gnn.models.layerwise import LayerByLayer
from graphreel.gnn.registry import LAYERS
from graphreel.training import ranks
from graphreel.training.metrics import trivial_scores
from graphreel.training.run_folder import RunFolder
from graphreel.training.task import Task

_READ = ("own", "kept", "fetched")
_LINEAR_UP_TO = 20_000  # nodes of all parts whose features a linear model reads
_WHOLE = "reads the whole graph: leave --neighbors out, which reads a packed graph into memory"


class NodesOnDisk(GraphExperiment):
    """Trains on sampled neighbourhoods, and validates and tests on whole ones, layer by layer."""

    kind = "test nodes"

    def __init__(self, settings: GnnSettings, source: DiskGraph) -> None:
        for name in ("undirected", "degrees"):
            if getattr(settings, name):
                raise ValueError(f"--{name} {_WHOLE}")
        if settings.has_stem:
            raise ValueError(f"--order, --drop-node and --draws: a model of this kind {_WHOLE}")
        numbers, arrays = settings.task == "regression", source.features.arrays
        learned = "target" if numbers and "target" in arrays else "y"
        if learned not in arrays or "train_mask" not in arrays:
            raise ValueError(f"{settings.data} has no labels to learn: pack it with --y FILE.npy")
        self.graph, self.scratch = source, Path(".")
        self.part = {name: source.part(name) for name in ("train", "val", "test")}
        labels = {name: source.features.rows(learned, index) for name, index in self.part.items()}
        super().__init__(settings, -(-len(labels["train"]) // settings.batch_size))
        classes = [] if numbers else source.manifest.class_names or list(map(str, range(int(arrays["y"].max()) + 1)))
        self.target = Numbers.of(labels["train"].double()) if numbers else self.classes_of(labels["train"], classes)
        self.learned, self.labels = learned, {name: self._scaled(y).to(settings.device) for name, y in labels.items()}
        features = arrays["x"].shape[1]
        of_edges = source.edges.of_edges.get(LAYERS[settings.model].edges or "")
        width = None if of_edges is None else 1 if of_edges.ndim == 1 else of_edges.shape[1]
        self.entries = {
            "num_features": features, "num_classes": self.target.count or 1,
            "edge_dim": width if LAYERS[settings.model].edges == "edge_attr" else None, "pool": None,
            "raw_features": features, "class_names": classes, "feature_names": source.manifest.feature_names or [],
        }  # fmt: skip
        if numbers:
            self.entries["scaling"] = [self.target.mean, self.target.scale]
        self.trivial = {} if numbers else trivial_scores(
            self.labels["train"], self.labels["val"], settings.label_smoothing
        )  # fmt: skip
        self.baselines = self._baselines()

    def fit(self, run: RunFolder, quiet: bool, show: bool = True) -> dict[str, Any]:
        self.scratch = run.path
        return super().fit(run, quiet, show)

    def build(self, seed: int) -> Task:
        settings, device = self.settings, self.settings.device
        model: Any = self.model(settings, self.entries).to(device)
        # who reads ahead cannot ask other ranks
        apart = settings if self.in_parts is None else replace(settings, workers=0)
        batches = sampled_batches(self.in_parts or self.graph, self.part["train"], apart, seed)
        reader = layer_by_layer(self.graph, settings, self.scratch)

        def loss(batch: Data) -> Tensor:
            batch, count = batch.to(device), batch.batch_size
            answer = model(batch.x.float(), **edge_inputs(batch, settings))[:count]
            return self.target.loss(answer, self._scaled(batch[self.learned][:count]))

        def validate() -> dict[str, float]:
            # one rank alone writes hidden layers beside the run
            answer = ranks.from_first(lambda: reader.outputs(model, self.part["val"].numpy())).to(device)
            return self.target.scores(answer, self.labels["val"], "val")

        return Task(model, self.optimizer(model), batches, loss, validate)

    @cached_property
    def in_parts(self) -> DiskGraph | None:
        """The graph, where it has as many parts as there are ranks: each reads the features of its own alone."""
        if ranks.size() == 1 or len(self.graph.manifest.parts) != ranks.size() + 1:
            return None
        graph = copy(self.graph)
        graph.features = PartFeatures(self.graph, int(self.settings.hot * graph.num_nodes))
        return graph

    def metrics(self, rows: Rows) -> dict[str, Any]:
        if self.in_parts is None:
            return super().metrics(rows)
        counts = ranks.gather(self.in_parts.features.counts)  # type: ignore[attr-defined]
        total = {key: sum(one[key] for one in counts) for key in counts[0]}
        read = sum(total[key] for key in _READ)
        told = {key: total[key] / max(read, 1) for key in _READ}
        return {**super().metrics(rows), "parts": {**told, "bytes": total["bytes"] / max(total["batches"], 1)}}

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        lines, found = super().summary(metrics), metrics.get("parts")
        if found is None:
            return lines
        shares = ", ".join(f"{key} {100 * found[key]:.1f} %" for key in _READ)
        return {**lines, "rows of x": f"{shares}; {found['bytes'] / 1e6:.3g} MB a batch and process from others"}

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        nodes = np.union1d(self.part["val"].numpy(), self.part["test"].numpy())
        reader = layer_by_layer(self.graph, self.settings, self.scratch)
        answer = ranks.from_first(lambda: reader.outputs(task.model, nodes))  # type: ignore[arg-type]
        figures: dict[str, Any] = {}
        for name in ("val", "test"):
            own = answer[np.searchsorted(nodes, self.part[name].numpy())].to(self.settings.device)
            figures |= self.target.results(own, self.labels[name], name)
        return figures

    def _scaled(self, labels: Tensor) -> Tensor:
        return self.target.scaled(labels.double()) if isinstance(self.target, Numbers) else labels

    def _baselines(self) -> dict[str, float]:
        """What a network must beat: the commonest class or the mean and, of few nodes, a linear model without edges."""
        few = sum(map(len, self.part.values())) <= _LINEAR_UP_TO
        if not self.target.count:
            guess = torch.zeros(len(self.labels["test"]), 1, device=self.settings.device)
            mean = {"mean": self.target.results(guess, self.labels["test"], "test")["test_mae"]}
            if not few:
                return mean
        else:
            majority = {"majority": float(self.labels["test"].bincount().max() / len(self.labels["test"]))}
            if not few:
                return majority
        nodes = torch.cat(list(self.part.values()))
        ends = torch.tensor([0, *map(len, self.part.values())]).cumsum(0).tolist()
        place = {name: torch.arange(*ends[number : number + 2]) for number, name in enumerate(self.part)}
        x = self.graph.features.rows("x", nodes).float()
        if not self.target.count:
            return regression_baselines(x, place, self.labels, self.target)
        data = Data(x=x, y=torch.cat([self.labels[name].cpu() for name in self.part]))
        for name, index in place.items():
            data[f"{name}_mask"] = torch.zeros(len(nodes), dtype=torch.bool)
            data[f"{name}_mask"][index] = True
        return {**majority, "logistic_regression": bag_of_words_accuracy(data)}


def layer_by_layer(graph: DiskGraph, settings: GnnSettings, folder: Path) -> LayerByLayer:
    """What computes a network of these settings on a packed graph; its hidden layers lie in a folder meanwhile."""
    edges = graph.edges.of_edges.get(LAYERS[settings.model].edges or "")
    return LayerByLayer(
        graph.edges.start, graph.edges.source, lambda nodes: graph.features.rows("x", nodes), edges, folder
    )
