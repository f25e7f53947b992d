"""`graphreel combined attention` on a series: whom every sensor listened to, step by step, before a forecast."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from graphreel.data.series.times import shown_times
from graphreel.data.series.windows import Windows
from graphreel.experiments.series_parts import read_by_model
from graphreel.gnn import AttentionPage, attention_weights
from graphreel.gnn.explain.attention_page import nearest_nodes, within_nodes
from graphreel.gnn.registry import ATTENDING
from graphreel.inspect.forecasts import forecast_of, windows_over
from graphreel.inspect.load_run import TrainedRun


def series_page(
    trained: TrainedRun, file: Path, adjacency: Path | None = None, at: str | None = None, title: str = "Attention"
) -> AttentionPage:
    r"""The steps that a forecast read, as graphs of sensors with their values, and the steps that it foretold.

    Beside the attention of every layer and head stands the influence of each sensor and step on the mean forecast, how
    that changes to first order when a value is replaced by the sensor's mean,
    :math:`I_i = |\nabla_{x_i} \hat y \cdot x_i|` with x in deviations from it, in shares of all.

    Raises:
        ValueError: as `forecast_of`.
    """
    settings, model = trained.settings, trained.model
    told = forecast_of(trained, file, adjacency, at)
    lags, horizon, sensors = settings.lags, settings.horizon, len(told.series.nodes)
    whole, first = windows_over(trained, told.series), told.origin - settings.lags
    own = Windows(whole.series, lags, horizon, first, first + 1, whole.scaling)
    past = own.past(targets=False) if settings.memory == "carried" else (own.batch(targets=False), None)
    x, edges, weight, frame, *further = read_by_model(*past)
    influence = _influence(model, (x.requires_grad_(), edges, weight, frame, *further))[-lags:]
    if model.edges is not None:
        weight = 2 * torch.sigmoid(model.edges.detach()) * weight
    edges, weight = _of_last_steps(edges, weight, frame, x.size(1), lags, sensors)
    if settings.spatial in ATTENDING:
        layers = attention_weights(model.forecaster.spatial, _laid_out(model, x[0, -lags:], edges, weight))
        note = ""
    else:
        entering = scatter(weight, edges[1], dim_size=lags * sensors)
        layers = [(edges, (weight / entering[edges[1]])[:, None])]
        note = " No layer attends: an edge weighs its share of the weights that enter."
    kept, _ = nearest_nodes(edges[:, edges[1] >= (lags - 1) * sensors] % sensors, sensors)
    if len(kept) < sensors:
        note += f" Shown: the {len(kept):,} sensors nearest to that with most edges, of {sensors:,}."
    nodes = (torch.arange(lags)[:, None] * sensors + kept).flatten()
    layers = [within_nodes(nodes, *layer, lags * sensors) for layer in layers]
    start, read = told.origin - lags, told.series
    times = [f"step {step}" for step in range(start + 1, told.origin + 1)]
    if read.times is not None:
        times = shown_times(read.times[start : told.origin], settings.timezone)
    values = torch.cat([read.values[start : told.origin, :, 0], told.values.double()])
    values[:lags][~read.observed[start : told.origin]] = torch.nan
    frames = lags + horizon
    entries: dict[str, Any] = {
        "frame": torch.arange(frames).repeat_interleave(len(kept)).tolist(),
        "place": torch.arange(len(kept)).repeat(frames).tolist(),
        "value": [None if value != value else value for value in values[:, kept].flatten().tolist()],
        "value_is": read.channels[0],
        "read": lags,
        "node_weight": [*influence[:, kept].flatten().tolist(), *[0.0] * (horizon * len(kept))],
        "weight_is": "influence on the forecast",
        "frames": [
            *({"title": time, "weight": share} for time, share in zip(times, influence.sum(1).tolist(), strict=True)),
            *({"title": f"{'step ' * (read.times is None)}{time}, forecast", "weight": 0} for time in told.times),
        ],
    }  # fmt: skip
    after = f"{lags} steps up to {times[-1]} are read, {horizon} forecast." + note
    return AttentionPage(title, after, [read.nodes[node] for node in kept] * frames, layers, entries)


def _influence(model: Any, arguments: tuple[Any, ...]) -> Tensor:
    """[steps, sensors], summing to 1."""
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(model(*arguments).mean(), arguments[0])
    found = (slope * arguments[0].detach())[0].sum(-1).abs()
    return found / found.sum().clamp(min=1e-12)


def _of_last_steps(
    edges: Tensor, weight: Tensor | None, frame: Tensor | None, steps: int, lags: int, sensors: int
) -> tuple[Tensor, Tensor]:
    """The edges of the last `lags` steps as those of one graph of lags * sensors nodes, and their weights."""
    weight = torch.ones(edges.size(1)) if weight is None else weight
    if frame is None:
        step = torch.arange(lags).repeat_interleave(edges.size(1))
        edges, weight = edges.repeat(1, lags), weight.repeat(lags)
    else:
        late = frame >= steps - lags
        edges, weight, step = edges[:, late], weight[late], frame[late] - (steps - lags)
    return edges + step * sensors, weight


def _laid_out(model: Any, x: Tensor, edges: Tensor, weight: Tensor) -> Data:
    """What the graph layers read [steps, sensors, features] as one graph."""
    if model.embedding is not None:
        x = torch.cat([x, model.embedding.expand(len(x), -1, -1)], dim=-1)
    return Data(x=x.detach().flatten(0, 1), edge_index=edges, edge_attr=weight)
