"""What `graphreel gnn train` optimises: nodes of one graph, nodes in sampled neighbourhoods, or a set of graphs."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from graphreel.data.graphs.edge_attributes import undirected
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.gnn.models.graph_network import GraphNetwork, layer_widths, make_layers
from graphreel.gnn.registry import LAYERS
from graphreel.training.task import Task

_SPARSE_BELOW = 0.1  # share of non-zeros under which products on the stored values alone are faster


def num_classes_of(source: Any) -> int:
    """Number of classes of a graph (the names given, else the largest label and one) or of a set of graphs."""
    if hasattr(source, "folds"):
        return source.num_classes
    names = source.get("class_names")
    return len(names) if names else int(source.y.max()) + 1


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


def build_optimizer(model: nn.Module, settings: GnnSettings) -> torch.optim.Optimizer:
    """Adam, with the L2 penalty on the first convolution alone (as the GCN paper) or on all (as the GAT paper)."""
    if settings.decay_on == "all":
        groups = [{"params": list(model.parameters()), "weight_decay": settings.weight_decay}]
    else:
        first = list(model.convs[0].parameters())  # type: ignore[index,union-attr]
        chosen = {id(p) for p in first}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        groups = [{"params": first, "weight_decay": settings.weight_decay}]
        groups += [{"params": rest, "weight_decay": 0.0}] if rest else []
    return torch.optim.Adam(groups, lr=settings.learning_rate)


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
    values = edge_inputs(graph, settings).get("edge_attr")
    return None if values is None else values.size(-1) if values.dim() > 1 else 1


def _scores(logits: Tensor, labels: Tensor, part: str) -> dict[str, float]:
    return {
        f"{part}_loss": F.cross_entropy(logits, labels).item(),
        f"{part}_accuracy": (logits.argmax(-1) == labels).float().mean().item(),
    }


def _with_monitor(figures: dict[str, float]) -> dict[str, float]:
    # a difference in loss weighs less than any difference in accuracy on fewer than 10^6 nodes
    figures["val_rank"] = figures["val_accuracy"] - 1e-6 * figures["val_loss"] / (1 + figures["val_loss"])
    return figures


def node_task(graph: Data, num_classes: int, settings: GnnSettings) -> tuple[Task, Callable[[], dict[str, Any]]]:
    """Full-graph or sampled training on one graph's nodes, and the function that measures the test part."""
    width = edge_features(graph, settings)
    model = build_model(settings, graph.x.size(-1), num_classes, width, None).to(graph.x.device)
    optimizer = build_optimizer(model, settings)
    inputs = edge_inputs(graph, settings)
    part = {name: graph[f"{name}_mask"].nonzero().flatten() for name in ("train", "val", "test")}
    label = {name: graph.y[index] for name, index in part.items()}

    def evaluate() -> dict[str, float]:
        logits = model(graph.x, **inputs)
        return _with_monitor(_scores(logits[part["val"]], label["val"], "val"))

    @torch.no_grad()
    def test() -> dict[str, Any]:
        logits = model(graph.x, **inputs)
        val, tested = (_scores(logits[part[name]], label[name], name) for name in ("val", "test"))
        return {"val_accuracy": val["val_accuracy"], "test_accuracy": tested["test_accuracy"]}

    def smooth_loss(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)

    if settings.fan_out:
        batch = _sampled_batches(graph, part["train"], settings, torch.initial_seed())

        def loss(sampled: Data) -> Tensor:
            logits = model(sampled.x, **edge_inputs(sampled, settings))[: sampled.batch_size]
            return smooth_loss(logits, sampled.y[: sampled.batch_size])

        return Task(model, optimizer, batch, loss, evaluate), test

    def full_loss(_: int) -> Tensor:
        return smooth_loss(model(graph.x, **inputs)[part["train"]], label["train"])

    return Task(model, optimizer, lambda step: step, full_loss, evaluate), test


def _sampled_batches(graph: Data, seeds: Tensor, settings: GnnSettings, random_seed: int) -> Callable[[int], Data]:
    from graphreel.data import neighbor_loader

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


def steps_per_epoch(graph: Any, settings: GnnSettings) -> int:
    """1, or the number of sampled batches that cover the training nodes."""
    return -(-int(graph.train_mask.sum()) // settings.batch_size) if settings.fan_out else 1


def graph_set_task(graphs: Any, fold: int, num_folds: int, split_seed: int, settings: GnnSettings, device: str):
    """Cross-validation: one fold is the test part, another the validation part, the others train.

    Each part is one block-diagonal graph, so an epoch is one step.
    """
    parts = next(islice(graphs.folds(num_folds, seed=split_seed), fold, None))
    part = {
        name: Batch.from_data_list([graphs[int(i)] for i in index]).to(device)
        for name, index in zip(("train", "val", "test"), parts, strict=True)
    }
    first = part["train"]
    model = build_model(settings, first.x.size(-1), graphs.num_classes, None, "sum").to(device)

    def logits(name: str) -> Tensor:
        return model(part[name].x, part[name].edge_index, batch=part[name].batch)

    def evaluate() -> dict[str, float]:
        return _with_monitor(_scores(logits("val"), part["val"].y, "val"))

    @torch.no_grad()
    def test() -> dict[str, Any]:
        scores = {**_scores(logits("val"), part["val"].y, "val"), **_scores(logits("test"), part["test"].y, "test")}
        return {"fold": fold, "val_accuracy": scores["val_accuracy"], "test_accuracy": scores["test_accuracy"]}

    def loss(_: int) -> Tensor:
        return F.cross_entropy(logits("train"), part["train"].y, label_smoothing=settings.label_smoothing)

    return Task(model, build_optimizer(model, settings), lambda step: step, loss, evaluate), test
