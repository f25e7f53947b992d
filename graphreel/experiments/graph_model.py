"""The network of `graphreel gnn train`, what it reads of a graph, and what its two experiments share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from graphreel.data.graphs.edge_attributes import undirected
from graphreel.data.registry import load_to_train
from graphreel.experiments.experiment import Curves, Experiment, Rows, accuracy_curves
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.gnn.models.graph_network import GraphNetwork, layer_widths, make_layers
from graphreel.gnn.registry import LAYERS
from graphreel.training.loop import Plan
from graphreel.training.metrics import classification
from graphreel.training.optimizers import build_optimizer
from graphreel.training.summary import over, percent

_SPARSE_BELOW = 0.1  # share of non-zeros under which products on the stored values alone are faster


class GraphExperiment(Experiment):
    """What training on one graph and on a set of graphs have in common.

    Attributes:
        kind: of what is classified, for the summary.
        baselines: accuracies of what is no network.
    """

    needs = ("num_features", "num_classes", "edge_dim", "pool")
    kind: str
    baselines: dict[str, float]

    def __init__(self, settings: GnnSettings, steps_per_epoch: int) -> None:
        self.settings, self.label, self.name = settings, settings.model, settings.model
        self.plan = Plan(
            steps=settings.epochs * steps_per_epoch,
            evaluate_every=steps_per_epoch,
            monitor="val_rank" if settings.monitor == "val_accuracy" else settings.monitor,
            patience=settings.patience or None,
        )

    @classmethod
    def load(cls, settings: GnnSettings) -> Experiment:
        """The experiment on the graph, or the set of graphs, that the settings name."""
        return cls.on(load_to_train(settings.data), settings)

    @classmethod
    def on(cls, source: Any, settings: GnnSettings) -> Experiment:
        """The experiment on what was loaded."""
        experiment = cls(settings, source)
        experiment.notes = getattr(source, "notes", ())
        return experiment

    @staticmethod
    def model(settings: GnnSettings, entries: Mapping[str, Any]) -> nn.Module:
        return build_model(settings, *(entries[name] for name in GraphExperiment.needs))

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser, which decays the first convolution alone (as the GCN paper) or all (as the GAT paper)."""
        settings = self.settings
        first = {id(p) for p in model.convs[0].parameters()}  # type: ignore[index,union-attr]
        decayed = None if settings.decay_on == "all" else lambda p: id(p) in first
        return build_optimizer(settings.optimizer, model, settings.learning_rate, settings.weight_decay, decayed)

    def metrics(self, rows: Rows) -> dict[str, Any]:
        return {"baselines": self.baselines}

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        return accuracy_curves(f"{self.settings.data}, {self.settings.model}", self.baselines["majority"])

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        rows = metrics["seeds"]
        return {
            "data": f"{self.settings.data} ({self.kind})",
            "model": f"{self.settings.model}, {metrics['parameters']:,} parameters",
            "test accuracy": over(percent(metrics["test_accuracy"]), rows),
            "validation": percent(metrics["val_accuracy"]),
            "baselines": ", ".join(f"{name.replace('_', ' ')} {100 * v:.1f} %" for name, v in self.baselines.items()),
            "time": f"{sum(row['seconds'] for row in rows) / len(rows):.2f} s a seed",
        }


def ranked_scores(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Validation scores, and the accuracy with ties broken by the loss."""
    scores = classification(logits, labels, "val")
    # a difference in loss weighs less than any difference in accuracy on fewer than 10^6 nodes
    return {**scores, "val_rank": scores["val_accuracy"] - 1e-6 * scores["val_loss"] / (1 + scores["val_loss"])}


def class_names_of(source: Any) -> list[str]:
    """The names of the classes of a graph or of a set of graphs; where there are none, their numbers."""
    names = source.class_names if hasattr(source, "folds") else source.get("class_names")
    return list(names or map(str, range(int(source.y.max()) + 1)))


def in_batches(graphs: Sequence[Data], size: int) -> Iterator[Data]:
    """Graphs side by side in one, `size` at a time, with what a network reads of them and `batch`."""
    read = ("x", "edge_index", "edge_attr", "edge_weight", "y", "target")
    kept = [Data(**{name: graph[name] for name in read if graph.get(name) is not None}) for graph in graphs]
    return (Batch.from_data_list(kept[start : start + size]) for start in range(0, len(kept), size))


def build_model(settings: GnnSettings, in_channels: int, num_classes: int, edge_dim: int | None, pool: str | None):
    """The network that the settings describe, as :class:`GCN` or :class:`GAT`, or alike of another layer."""
    layer = LAYERS[settings.model]
    widths = layer_widths(in_channels, settings.hidden, settings.layers, num_classes, pool)
    attention: dict[str, Any] = {}
    if layer.attends:
        attention = {"heads": settings.heads, "dropout": settings.dropout, "edge_dim": edge_dim}
        attention["output_heads"] = None if pool else settings.output_heads
    return GraphNetwork(
        make_layers(settings.model, widths, **attention), widths, num_classes,
        dropout=settings.dropout, input_dropout=settings.input_dropout, activation="elu" if layer.attends else "relu",
        norm=None if settings.norm == "none" else settings.norm, residual=settings.residual, pool=pool,
        edges=layer.edges,
    )  # fmt: skip


def prepare_graph(graph: Data, settings: GnnSettings, device: str) -> Data:
    """Reverse edges where asked for, sparse features where they pay, everything on the device."""
    graph = graph.clone()
    if settings.undirected:
        graph = undirected(graph)
    x = graph.x
    if x.layout == torch.strided:
        filled = torch.count_nonzero(x).item() / max(x.numel(), 1)
        if filled < _SPARSE_BELOW and x.numel() > 100_000:
            graph.x = x.to_sparse_csr()
    return graph.to(device)


def edge_inputs(graph: Data, settings: GnnSettings) -> dict[str, Tensor]:
    """What the model takes beside x: edge_index, and the weights or features of edges that its layers read."""
    name = LAYERS[settings.model].edges
    values = None if name is None else graph.get(name)
    return {"edge_index": graph.edge_index} | ({} if name is None or values is None else {name: values})


def edge_features(graph: Data, settings: GnnSettings) -> int | None:
    """Number of features per edge that attention reads, None where the graph has none or the model reads none."""
    return edge_width(graph) if "edge_attr" in edge_inputs(graph, settings) else None


def edge_width(graph: Data) -> int | None:
    """Number of features per edge, None where the graph has none."""
    values = graph.get("edge_attr")
    return None if values is None else values.size(-1) if values.dim() > 1 else 1
