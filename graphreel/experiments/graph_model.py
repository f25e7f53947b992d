"""The network of `graphreel gnn train`, what it reads of a graph, and what its experiments share."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.utils import scatter

from graphreel.data.graphs.complete_graph import degrees_of
from graphreel.data.graphs.edge_attributes import undirected
from graphreel.data.registry import load_to_train
from graphreel.experiments.experiment import Curves, Experiment, Rows, accuracy_curves
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_target import Classes
from graphreel.gnn.conv.mixed_order_conv import MixedOrderConv
from graphreel.gnn.models.graph_network import GraphNetwork, layer_widths, make_layers
from graphreel.gnn.registry import LAYERS
from graphreel.training.checkpoints import Plan
from graphreel.training.class_weights import class_weights
from graphreel.training.optimizers import build_optimizer
from graphreel.training.summary import over, percent, spread

_SPARSE_BELOW = 0.1  # share of non-zeros under which products on the stored values alone are faster


class GraphExperiment(Experiment):
    """What training on one graph and on a set of graphs have in common.

    Attributes:
        kind: of what is learned from, for the summary.
        target: what is learned.
        baselines: accuracies, or errors, of what is no network.
    """

    needs = ("num_features", "num_classes", "edge_dim", "pool")
    kind: str
    target: Any
    baselines: dict[str, float]

    def __init__(self, settings: GnnSettings, steps_per_epoch: int) -> None:
        self.settings, self.label, self.name = settings, settings.model, settings.model
        self.plan = Plan(
            steps=settings.epochs * steps_per_epoch,
            evaluate_every=steps_per_epoch,
            monitor="val_loss" if settings.monitor == "val_loss" else "val_rank",
            patience=settings.patience or None,
            watched="val_loss" if settings.monitor == "both" else "",
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

    @property
    def scores(self) -> Sequence[str]:  # type: ignore[override]
        return self.target.figures

    def optimizer(self, *networks: Any, rest: nn.Module | None = None) -> torch.optim.Optimizer:
        """Its L2 penalty is on the first convolutions alone (as in the GCN paper) or on all (as in the GAT paper).

        Args:
            networks: with convolutions.
            rest: what holds them and more, where there is more.
        """
        settings = self.settings
        stems = [getattr(network, "stem", None) or network.convs[0] for network in networks]
        first = {id(p) for stem in stems for p in stem.parameters()}
        decayed = None if settings.decay_on == "all" else lambda p: id(p) in first
        every = rest or (networks[0] if len(networks) == 1 else nn.ModuleList(networks))
        return build_optimizer(settings.optimizer, every, settings.learning_rate, settings.weight_decay, decayed)

    def classes_of(self, labels: Tensor, names: Sequence[str]) -> Classes:
        """The classes that are learned, weighed as the settings say by the labels of a training part."""
        weights = class_weights(self.settings.class_weights, labels, names, self.settings.device)
        return Classes(len(names), self.settings.label_smoothing, weights)

    def metrics(self, rows: Rows) -> dict[str, Any]:
        return {"baselines": self.baselines}

    def warnings(self, metrics: Mapping[str, Any]) -> list[str]:
        target, own = self.target, metrics[f"test_{self.target.main}"]["mean"]
        return [
            f"{name.replace('_', ' ')} reaches {target.said(figure)} on the test part, this model {target.said(own)}"
            for name, figure in self.baselines.items()
            if target.is_better(figure, own)
        ]

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        title = f"{self.settings.data}, {self.settings.model}"
        if self.target.count:
            return accuracy_curves(title, self.baselines["majority"])
        panels = {"loss": ("train_loss", "val_loss"), "mean absolute error": ("val_mae",)}
        return Curves(title, panels, {"mean absolute error": {"mean": self.baselines["mean"]}})

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        rows, target = metrics["seeds"], self.target
        if target.count:
            tested, validated = percent(metrics["test_accuracy"]), percent(metrics["val_accuracy"])
        else:
            tested, validated = (
                ", ".join(f"{name.upper()} {spread(metrics[f'{part}_{name}'])}" for name in names)
                for part, names in (("test", ("mae", "rmse")), ("val", ("mae",)))
            )
        baselines = {name: target.said(figure) for name, figure in self.baselines.items()}
        return self.lines(metrics, "accuracy" if target.count else "error", over(tested, rows), validated, baselines)

    def lines(
        self, metrics: Mapping[str, Any], what: str, tested: str, validated: str, baselines: Mapping[str, str]
    ) -> dict[str, str]:
        """The summary out of its figures in words."""
        rows = metrics["seeds"]
        return {
            "data": f"{self.settings.data} ({self.kind})",
            "model": f"{self.settings.model}, {metrics['parameters']:,} parameters",
            f"test {what}": tested,
            "validation": validated,
            "baselines": ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in baselines.items()),
            "time": f"{sum(row['seconds'] for row in rows) / len(rows):.2f} s a seed",
        }


def class_names_of(source: Any) -> list[str]:
    """The names of the classes of a graph or of a set of graphs; where there are none, their numbers."""
    names = source.class_names if hasattr(source, "folds") else source.get("class_names")
    return list(names or map(str, range(int(source.y.max()) + 1)))


def are_numbers(names: Iterable[str]) -> bool:
    """Whether the names of classes are all numbers, which may be foretold."""
    return all(re.fullmatch(r"[+-]?\d+(\.\d*)?", name) for name in names)


def in_batches(graphs: Sequence[Data], size: int) -> Iterator[Data]:
    """Graphs side by side in one, `size` at a time, with what a network reads of them and `batch`."""
    read = ("x", "edge_index", "edge_attr", "edge_weight", "y", "target")
    kept = [Data(**{name: graph[name] for name in read if graph.get(name) is not None}) for graph in graphs]
    return (Batch.from_data_list(kept[start : start + size]) for start in range(0, len(kept), size))


def build_model(
    settings: GnnSettings, in_channels: int, num_classes: int, edge_dim: int | None, pool: str | None
) -> GraphNetwork:
    """The network that the settings describe, as :class:`GCN` or :class:`GAT`, or alike of another layer."""
    layer, stem = LAYERS[settings.model], None
    if settings.has_stem:
        stem = MixedOrderConv(
            in_channels, settings.hidden, settings.order, settings.drop_node, settings.draws, settings.input_dropout
        )
        in_channels = settings.hidden
    widths = layer_widths(in_channels, settings.hidden, settings.layers, num_classes, pool)
    attention: dict[str, Any] = {"normalize": False} if settings.center and settings.model == "gcn" else {}
    if layer.attends:
        given = settings.attention_dropout
        dropped = settings.dropout if given is None else given
        attention = {"heads": settings.heads, "dropout": dropped, "edge_dim": edge_dim}
        attention["output_heads"] = None if pool else settings.output_heads
    return GraphNetwork(
        make_layers(settings.model, widths, **attention), widths, num_classes,
        dropout=settings.dropout, input_dropout=0.0 if stem else settings.input_dropout,
        activation="elu" if layer.attends else "relu",
        norm=None if settings.norm == "none" else settings.norm, residual=settings.residual, pool=pool,
        edges=layer.edges, root_weight=settings.center, jumping=settings.jumping, virtual_node=settings.virtual_node,
        stem=stem,
    )  # fmt: skip


def prepare_graph(graph: Data, settings: GnnSettings, device: str) -> Data:
    """Reverse edges and degrees where asked for, sparse features where they pay, everything on the device."""
    graph = graph.clone()
    if settings.undirected:
        graph = undirected(graph)
    if settings.degrees:
        parts = [graph.x, degrees_of(graph)]
        if edge_width(graph) is not None and LAYERS[settings.model].edges != "edge_attr":
            of_edges = graph.edge_attr.reshape(graph.num_edges, -1)
            parts.append(scatter(of_edges, graph.edge_index[1], dim=0, dim_size=graph.num_nodes))
        graph.x = torch.cat(parts, dim=1)
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
