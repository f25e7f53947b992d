"""A graph network without time and a recurrent network without edges, as large as both together."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from combined.clip_classifier import ClipClassifier, width_of


class GraphLayers(nn.Module):
    """Two graph layers with a ReLU between them; `make_layer(in_channels, out_channels)` makes each."""

    def __init__(self, in_channels: int, hidden: int, make_layer: Callable[[int, int], nn.Module] = GCNConv) -> None:
        super().__init__()
        self.first = make_layer(in_channels, hidden)
        self.second = make_layer(width_of(self.first), hidden)
        self.out_channels = width_of(self.second)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x, edge_index).relu(), edge_index)


class NodeLayers(GraphLayers):
    """The same without edges: two linear layers on every node for itself."""

    def __init__(self, in_channels: int, hidden: int) -> None:
        super().__init__(in_channels, hidden, nn.Linear)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x).relu())


def models_to_compare(
    num_features: int,
    num_classes: int,
    hidden: int = 64,
    make_layer: Callable[[int, int], nn.Module] = GCNConv,
    make_recurrent: Callable[[int, int], nn.Module] = lambda i, h: nn.GRU(i, h, batch_first=True),
    dropout: float = 0.0,
    timeless_features: int | None = None,
) -> dict[str, ClipClassifier]:
    """The three models of the comparison, with the same number of parameters (within a few per cent).

    "both" is two graph layers, the mean over the nodes of each frame, a recurrent layer and a linear head. "rnn" has
    linear layers in place of the graph layers: it sees every node of every frame, and no edge. "gnn" has no recurrent
    layer: its frames are averaged, and what it saves goes into width and a head of two layers; feed it clips with
    undirected edges (`Clip.undirected`) and features that do not tell the time.

    Args:
        num_features: of a node.
        num_classes: how many.
        hidden: the width of "both" and "rnn".
        make_layer: makes a graph layer from (in_channels, out_channels).
        make_recurrent: makes a recurrent layer from (input_size, hidden_size).
        dropout: as for `ClipClassifier`.
        timeless_features: how many features "gnn" gets, where it gets fewer.
    """

    settings: dict[str, Any] = {"readout": "attention", "dropout": dropout}

    def without_time(width: int) -> ClipClassifier:
        layers = GraphLayers(timeless_features or num_features, width, make_layer)
        width = layers.out_channels
        head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_classes))
        return ClipClassifier(layers, None, num_classes, dropout=dropout, head=head)

    models = {
        "both": ClipClassifier(
            GraphLayers(num_features, hidden, make_layer), make_recurrent(hidden, hidden), num_classes, **settings
        ),
        "rnn": ClipClassifier(
            NodeLayers(num_features, hidden), make_recurrent(hidden, hidden), num_classes, **settings
        ),
    }
    budget = parameters_of(models["both"])
    low, high = hidden, 2 * hidden
    while parameters_of(without_time(high)) < budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters_of(without_time(middle)) <= budget else (low, middle)
    return models | {"gnn": without_time(low)}


def parameters_of(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
