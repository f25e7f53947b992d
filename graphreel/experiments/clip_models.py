"""The models that the settings of `graphreel combined` describe."""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from graphreel.combined import (
    ClipClassifier,
    NodeLayers,
    TimeConvolution,
    graph_alone,
    models_to_compare,
    parameters_of,
)
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.gnn.models.graph_network import GraphNetwork, make_layers
from graphreel.gnn.registry import ATTENDING, LAYERS
from graphreel.rnn.registry import build_layer


def build_spatial(
    settings: Any, in_channels: int, edge_dim: int | None, residual: bool = False, standardize: bool = False
) -> nn.Module:
    """Graph layers, or, with spatial none, linear layers on every node for itself."""
    if settings.spatial == "none":
        return NodeLayers(in_channels, settings.hidden, standardize)
    options = {"edge_dim": edge_dim} if settings.spatial in ATTENDING else {}
    widths = [in_channels] + [settings.hidden] * settings.layers
    layers = make_layers(settings.spatial, widths, settings.heads, **options)
    return GraphNetwork(
        layers, widths, settings.hidden,
        root_weight=residual, standardize=standardize, edges=LAYERS[settings.spatial].edges,
    )  # fmt: skip


def build_temporal(cell: str, in_channels: int, hidden: int, **options: Any) -> nn.Module:
    """One recurrent layer; the runs of this room have always meant Gers' variant by peephole."""
    return build_layer("peephole-gers" if cell == "peephole" else cell, in_channels, hidden, **options)


def build_classifier(
    settings: ClipSettings,
    num_features: int,
    num_classes: int,
    tracks: int | None,
    timeless: Tensor | None,
    people: int = 1,
) -> ClipClassifier:
    """The clip classifier of the settings, or one of the three of a comparison.

    Args:
        tracks: with pool concat or people, how many tracks every clip has.
        timeless: which features say nothing of time, None for all; the GNN of a comparison reads these alone.
        people: how many share these tracks.

    Raises:
        ValueError: pool concat or people, but the clips have no tracks.
    """
    placed = settings.pool in ("concat", "people")
    if placed and tracks is None:
        raise ValueError(
            f"--pool {settings.pool} needs clips whose nodes keep their identity, all with the same number of them"
        )
    places = tracks // (people if settings.pool == "people" else 1) if placed and tracks else None
    read = num_features if timeless is None else len(timeless)
    if settings.compared and places is None:
        models = models_to_compare(
            num_features, num_classes, settings.hidden, _layer_of(settings),
            lambda i, h: build_temporal(settings.temporal, i, h, batch_first=True),
            settings.dropout, read,
        )  # fmt: skip
        return models[settings.compared]
    if settings.compared == "gnn":
        both = build_classifier(replace(settings, compared="both"), num_features, num_classes, tracks, timeless, people)
        return graph_alone(
            lambda width: _build_layers(settings, read, width),
            settings.hidden, num_classes, parameters_of(both), settings.dropout, places, settings.pool,
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
        # the width that fits the budget need not be a multiple of the heads, so heads are averaged
        heads = {"heads": settings.heads, "concat": False} if settings.spatial in ATTENDING else {}
        return LAYERS[settings.spatial].load()(in_channels, out_channels, **heads)

    return make
