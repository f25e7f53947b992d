"""What of a trained run can be exported: a call of its model whose inputs are tensors alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphreel.data.registry import load_to_train
from graphreel.experiments.sequences import Sequences
from graphreel.inspect.load_run import TrainedRun
from graphreel.rnn import LSTM


@dataclass(frozen=True)
class Call:
    """A call of a model whose inputs are tensors.

    Attributes:
        model: gives one tensor.
        inputs: by name with the names of the sizes that vary.
        output: what the tensor is.
    """

    model: nn.Module
    inputs: Mapping[str, tuple[Tensor, Mapping[int, str]]]
    output: str = "logits"


class _Text(nn.Module):
    """The next character after each of a text, from nothing: tokens [B, T] -> [B, T, vocabulary]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens)[0]


class _Sequence(nn.Module):
    """A SequenceClassifier that skips padding without looking at the tokens' values: every sequence is moved to step 0,
    and for the way back to the last step, and the output where it ends is read.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        model, layer, (batch, steps) = self.model, self.model.recurrent, tokens.shape
        real = torch.ones_like(tokens) if model.padding is None else (tokens != model.padding).long()
        first = (real.cumsum(1) == 0).sum(1)
        count = steps - first - (real.flip(1).cumsum(1) == 0).sum(1)

        def moved(by: Tensor) -> Tensor:
            x = model.embedding(tokens.gather(1, (torch.arange(steps) + by[:, None]) % steps).t())
            if type(layer) is LSTM:
                return layer(x)[0]
            weights, outputs = (
                layer.layer_weights(0, 0),
                [],
            )  # others fix the batch in ONNX
            state = tuple(x.new_zeros(batch, layer.hidden_size) for _ in layer.state_names)
            for step in x:
                state, _ = layer.cell(step, state, weights, None)
                outputs.append(state[0])
            return torch.stack(outputs)

        finals = [moved(first)[count - 1, torch.arange(batch), : layer.hidden_size]]
        if layer.bidirectional:
            finals.append(moved(first + count)[steps - count, torch.arange(batch), layer.hidden_size :])
        return model.head(torch.cat(finals, 1))


class _Graphs(nn.Module):
    """The networks of a set of graphs; sizes [graphs] says how many nodes, one after the other, are of each graph."""

    def __init__(self, model: Any, edges: list[str]) -> None:
        super().__init__()
        self.model, self.edges = model, edges

    def forward(self, x: Tensor, edge_index: Tensor, sizes: Tensor, *edges: Tensor) -> Tensor:
        given = dict(zip(self.edges, edges, strict=True))
        told = self.model.of_networks(
            self.model.networks, x, edge_index, group_of(sizes, x.size(0)), batch_size=sizes.size(0), **given
        )
        return told.clamp(min=1e-9).log() if self.model.classes else told


class _Clip(nn.Module):
    """The class of one clip; sizes [frames] says how many nodes, one after the other, are of each frame."""

    model: Any

    def __init__(self, model: Any, further: list[str]) -> None:
        super().__init__()
        self.model, self.further = model, further

    def forward(self, x: Tensor, edge_index: Tensor, sizes: Tensor, *further: Tensor) -> Tensor:
        named = dict(zip(self.further, further, strict=True))
        return self.model.one_clip(x, edge_index, group_of(sizes, x.size(0)), sizes.size(0), **named)


class _Series(nn.Module):
    """The forecast after one window, x [1, lags, sensors, features] in the units of the file, NaN where a value is
    missing, in the same units; the graph is the run's.
    """

    model: Any
    mean: Tensor
    deviation: Tensor
    channel_mean: Tensor
    channel_deviation: Tensor

    def __init__(self, model: Any, scaling: Any, edge_index: Tensor, edge_weight: Tensor | None) -> None:
        super().__init__()
        self.model = model
        for name in ("mean", "deviation", "channel_mean", "channel_deviation"):
            self.register_buffer(name, getattr(scaling, name).double())
        self.register_buffer("edge_index", edge_index)
        self.register_buffer("edge_weight", edge_weight)

    def forward(self, x: Tensor, *clock: Tensor) -> Tensor:
        more = x.size(3) - self.channel_mean.size(0)
        first = (x[..., :1] - self.mean[:, None]) / self.deviation[:, None]
        channels = (x[..., more:] - self.channel_mean) / self.channel_deviation
        scaled = torch.cat([first, x[..., 1:more], channels], 3)
        scaled = torch.where(scaled.isnan(), 0.0, scaled).float()
        told = self.model(scaled, self.edge_index, self.edge_weight, None, None, *clock)
        return told * self.deviation + self.mean


def group_of(sizes: Tensor, rows: int) -> Tensor:
    """The group [rows] of every row, of groups that come one after the other."""
    return (torch.arange(rows)[:, None] >= sizes.cumsum(0)).sum(1)


def call_of(trained: TrainedRun) -> Call:
    """A call of a run's model with tensors.

    Raises:
        ValueError: its model is called otherwise.
    """
    found = {"gnn": _of_graph, "text": _of_text, "task": _of_task, "clips": _of_clip, "series": _of_series}
    if trained.kind not in found:
        raise _refused(trained, "reads sequences of different length")
    return found[trained.kind](trained)


def _refused(trained: TrainedRun, why: str) -> ValueError:
    return ValueError(f"{trained.folder.path} holds a model that {why}: --to safetensors writes its weights")


def _of_text(trained: TrainedRun) -> Call:
    steps = trained.settings.window
    tokens = torch.arange(2 * steps).view(2, steps) % len(trained.entries["vocabulary"])
    return Call(_Text(trained.model), {"tokens": (tokens, {0: "batch"})})


def _of_task(trained: TrainedRun) -> Call:
    tokens, _ = Sequences.load(trained.settings).source.batch(2, torch.Generator().manual_seed(0))
    return Call(_Sequence(trained.model), {"tokens": (tokens, {0: "batch"})})


def _of_graph(trained: TrainedRun) -> Call:
    from torch_geometric.data import Batch

    from graphreel.experiments.graph_model import edge_inputs, prepare_graph

    settings, model = trained.settings, trained.model
    if settings.task == "link":
        raise _refused(trained, "tells pairs of nodes")
    source = load_to_train(settings.data)
    if trained.entries["pool"] is None:
        graph = prepare_graph(source, settings, "cpu")
        x = graph.x.to_dense() if graph.x.layout != torch.strided else graph.x
        edges = edge_inputs(graph, settings)
        given = {name: (value, {int(name == "edge_index"): "edges"}) for name, value in edges.items()}
        output = "numbers" if settings.task == "regression" else "logits"
        return Call(_Keyed(model, list(edges)), {"x": (x, {0: "nodes"}), **given}, output)
    if float(model.shares[0]) < 1:
        raise _refused(trained, "blends its networks with forests (--no-blend trains without)")
    graphs = [prepare_graph(source[at], settings, "cpu") for at in range(3)]
    batch: Any = Batch.from_data_list(graphs)
    edges = edge_inputs(batch, settings)
    further = {name: (value, {0: "edges"}) for name, value in edges.items() if name != "edge_index"}
    inputs = {
        "x": (batch.x, {0: "nodes"}),
        "edge_index": (batch.edge_index, {1: "edges"}),
        "sizes": (torch.tensor([int(graph.num_nodes or 0) for graph in graphs]), {0: "graphs"}),
    }
    return Call(_Graphs(model, list(further)), inputs | further, "log_probabilities" if model.classes else "numbers")


class _Keyed(nn.Module):
    """A network of nodes with what it reads of the edges by name."""

    def __init__(self, model: Any, edges: list[str]) -> None:
        super().__init__()
        self.model, self.edges = model, edges

    def forward(self, x: Tensor, *edges: Tensor) -> Tensor:
        return self.model(x, **dict(zip(self.edges, edges, strict=True)))


def _of_clip(trained: TrainedRun) -> Call:
    from graphreel.experiments.clips import load_clips, visible_to_model

    if trained.settings.recurrence == "nodes":
        raise _refused(trained, "follows each node through time, as long as it is seen")
    clip = visible_to_model(load_clips(trained.settings).test[0], trained.settings, trained.entries.get("timeless"))
    further = {name: (clip[name], {0: "edges"}) for name in ("edge_weight", "edge_attr") if clip.get(name) is not None}
    if trained.model.tracks is not None:
        further["track"] = (clip.track, {0: "nodes"})
    inputs = {
        "x": (clip.x, {0: "nodes"}),
        "edge_index": (clip.edge_index, {1: "edges"}),
        "sizes": (clip.frame.bincount(minlength=int(clip.num_frames)), {}),
    }
    return Call(_Clip(trained.model, list(further)), inputs | further)


def _of_series(trained: TrainedRun) -> Call:
    from pathlib import Path

    from graphreel.data.series.windows import Scaling, Windows
    from graphreel.inspect.forecasts import read_series

    settings = trained.settings
    if settings.memory == "carried":
        raise _refused(trained, "reads the whole past of a series, however long")
    series = read_series(Path(settings.data), None, settings, trained.entries)
    if series.changing:
        raise _refused(trained, "reads a graph that changes from step to step")
    scaling = Scaling(**trained.entries["scaling"])
    series.values[..., 0][~series.observed] = torch.nan
    batch = Windows(series, settings.lags, settings.horizon, 0, 1, scaling).batch(targets=False)
    inputs: dict[str, tuple[Tensor, dict[int, str]]] = {"x": (batch.x, {})}
    if batch.clock is not None:
        inputs["clock"] = (batch.clock, {})
    model = _Series(trained.model, scaling, batch.edge_index, batch.edge_weight)
    return Call(model, inputs, "forecast")
