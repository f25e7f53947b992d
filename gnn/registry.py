"""Graph layers by name: what `gnn train --model` and `combined train --spatial` offer. torch stays unimported."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class GraphLayer:
    """A graph layer that the models and commands know by name.

    Attributes:
        place: Its module inside this package and its class, as ``"conv.gcn_conv:GCNConv"``.
        edges: The argument of ``forward`` that takes numbers per edge: ``"edge_weight"``, ``"edge_attr"`` or None.
        attends: Whether it is made with ``heads``, and with ``edge_dim`` where edges have features.
    """

    place: str
    edges: str | None = None
    attends: bool = False

    def load(self) -> Any:
        """The class, made as ``(in_channels, out_channels, ...)``; this imports torch."""
        module, name = self.place.split(":")
        return getattr(import_module(f".{module}", __package__), name)


LAYERS = {
    "gcn": GraphLayer("conv.gcn_conv:GCNConv", edges="edge_weight"),
    "gat": GraphLayer("conv.gat_conv:GATConv", edges="edge_attr", attends=True),
    "gatv2": GraphLayer("conv.gatv2_conv:GATv2Conv", edges="edge_attr", attends=True),
}
ATTENDING = tuple(name for name, layer in LAYERS.items() if layer.attends)


def graph_layer(name: str) -> GraphLayer:
    """The layer of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in LAYERS:
        raise ValueError(f"a graph layer is one of {', '.join(LAYERS)}, but got {name!r}")
    return LAYERS[name]
