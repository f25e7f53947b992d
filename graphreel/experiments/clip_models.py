"""The models that the settings of `graphreel combined` describe."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from graphreel.combined import (
    ClipClassifier,
    NodeLayers,
    TimeConvolution,
    graph_alone,
    models_to_compare,
    parameters_of,
)
from graphreel.experiments.combined_settings import ATTENDING, ClipSettings
from graphreel.gnn import GATConv, GATv2Conv, GCNConv
from graphreel.rnn.registry import build_layer


class GraphStack(nn.Module):
    """Graph layers with a ReLU between them.

    Shapes: x [..., nodes, in_channels], edge_index [2, edges], edge_weight [edges], edge_attr [edges, 1] ->
    [..., nodes, out_channels].

    Args:
        kind: gcn, gat or gatv2. A GCN weighs edges by edge_weight; attention reads edge_attr, or where there is none
            edge_weight, as a feature of the edge.
        in_channels, out_channels: features that come in, and that come out of every layer.
        layers: how many.
        heads: attention heads, side by side.
        edge_dim: features of an edge that attention reads, or None.
        residual: add a linear map of the node itself to every layer.
        standardize: bring the features to mean 0 and deviation 1 first, by batch normalisation.
    """

    def __init__(
        self,
        kind: str,
        in_channels: int,
        out_channels: int,
        layers: int,
        heads: int = 1,
        edge_dim: int | None = None,
        residual: bool = False,
        standardize: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels, self.attending = out_channels, kind in ATTENDING
        widths = [in_channels] + [out_channels] * (layers - 1)
        if self.attending:
            make = GATv2Conv if kind == "gatv2" else GATConv
            convs: list[nn.Module] = [make(w, out_channels // heads, heads, edge_dim=edge_dim) for w in widths]
        else:
            convs = [GCNConv(width, out_channels) for width in widths]
        self.convs = nn.ModuleList(convs)
        self.own = nn.ModuleList(nn.Linear(width, out_channels, bias=False) for width in widths) if residual else None
        self.norm = nn.BatchNorm1d(in_channels) if standardize else None
        self.edge_dim = edge_dim if self.attending else None

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        if not self.attending:
            extra = {"edge_weight": edge_weight}
        else:
            read = edge_weight[:, None] if edge_attr is None and edge_weight is not None else edge_attr
            extra = {"edge_attr": read if self.edge_dim is not None else None}
        if self.norm is not None:
            x = self.norm(x)
        for number, conv in enumerate(self.convs):
            x = x.relu() if number else x
            read = conv(x, edge_index, **extra)
            x = read if self.own is None else read + self.own[number](x)
        return x


def build_spatial(settings: Any, in_channels: int, edge_dim: int | None, **options: bool) -> nn.Module:
    """Graph layers, or, with spatial none, linear layers on every node for itself."""
    if settings.spatial == "none":
        return NodeLayers(in_channels, settings.hidden, options.get("standardize", False))
    sizes = (in_channels, settings.hidden, settings.layers, settings.heads)
    return GraphStack(settings.spatial, *sizes, edge_dim, **options)


def build_temporal(cell: str, in_channels: int, hidden: int, **options: Any) -> nn.Module:
    """One recurrent layer; the runs of this room have always meant Gers' variant by peephole."""
    return build_layer("peephole-gers" if cell == "peephole" else cell, in_channels, hidden, **options)


def build_classifier(
    settings: ClipSettings, num_features: int, num_classes: int, tracks: int | None, timeless: Tensor | None
) -> ClipClassifier:
    """The clip classifier of the settings, or one of the three of a comparison.

    Args:
        tracks: with pool concat, how many tracks every clip has.
        timeless: which features say nothing of time, None for all; the GNN of a comparison reads these alone.

    Raises:
        ValueError: pool concat, but the clips have no tracks.
    """
    if settings.pool == "concat" and tracks is None:
        raise ValueError("--pool concat needs clips whose nodes keep their identity, all with the same number of them")
    places = tracks if settings.pool == "concat" else None
    read = num_features if timeless is None else len(timeless)
    if settings.compared and places is None:
        models = models_to_compare(
            num_features, num_classes, settings.hidden, _layer_of(settings),
            lambda i, h: build_temporal(settings.temporal, i, h, batch_first=True),
            settings.dropout, read,
        )  # fmt: skip
        return models[settings.compared]
    if settings.compared == "gnn":
        both = build_classifier(replace(settings, compared="both"), num_features, num_classes, tracks, timeless)
        return graph_alone(
            lambda width: _build_layers(settings, read, width),
            settings.hidden, num_classes, parameters_of(both), settings.dropout, places,
        )  # fmt: skip
    if settings.compared == "rnn":
        settings = replace(settings, spatial="none")
    spatial = _build_layers(settings, num_features, settings.hidden)
    front, temporal = None, None
    entering = settings.hidden * (places if places and settings.recurrence == "frames" else 1)
    if settings.convolve:
        front = TimeConvolution(entering, settings.state, settings.convolve, settings.drop_features)
        entering = settings.state
    if settings.temporal != "none":
        temporal = build_temporal(
            settings.temporal, entering, settings.state, batch_first=True, bidirectional=settings.bidirectional
        )
    return ClipClassifier(
        spatial, temporal, num_classes, settings.pool, settings.recurrence, settings.readout, settings.dropout,
        tracks=places, front=front,
    )  # fmt: skip


def _build_layers(settings: ClipSettings, in_channels: int, hidden: int) -> nn.Module:
    if settings.spatial in ATTENDING:
        hidden -= hidden % settings.heads
    options = {"residual": settings.residual, "standardize": settings.standardize}
    return build_spatial(replace(settings, hidden=hidden), in_channels, 1, **options)


def _layer_of(settings: ClipSettings) -> Any:
    def make(in_channels: int, out_channels: int) -> nn.Module:
        if settings.spatial not in ATTENDING:
            return GCNConv(in_channels, out_channels)
        kind = GATv2Conv if settings.spatial == "gatv2" else GATConv
        # the width that fits the budget need not be a multiple of the heads, so heads are averaged
        return kind(in_channels, out_channels, settings.heads, concat=False)

    return make


def parameters_in(state: dict[str, Tensor]) -> int:
    """Numbers in a state dict, those that are trained and those that are not."""
    return sum(value.numel() for value in state.values() if torch.is_tensor(value))
