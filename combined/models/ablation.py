"""A graph network without time and a recurrent network without edges, as large as both together."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from graphreel.gnn.models.graph_network import GraphNetwork

from .clip_classifier import ClipClassifier, width_of


class GraphLayers(GraphNetwork):
    """Two graph layers with a ReLU between them; `make_layer(in_channels, out_channels)` makes each."""

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        make_layer: Callable[[int, int], nn.Module] = GCNConv,
        standardize: bool = False,
    ) -> None:
        first = make_layer(in_channels, hidden)
        second = make_layer(width_of(first), hidden)
        widths = [in_channels, width_of(first), width_of(second)]
        super().__init__({"first": first, "second": second}, widths, widths[-1], standardize=standardize)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:  # type: ignore[override]
        return self.run(x, edge_index)


class NodeLayers(GraphLayers):
    """The same without edges: two linear layers on every node for itself.

    Args:
        in_channels, hidden: features that come in, and that come out.
        standardize: bring the features to mean 0 and deviation 1 first, by batch normalisation.
    """

    def __init__(self, in_channels: int, hidden: int, standardize: bool = False) -> None:
        super().__init__(in_channels, hidden, nn.Linear, standardize)


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
        hidden: the width of "both" and "rnn".
        make_layer: makes a graph layer from (in_channels, out_channels).
        make_recurrent: makes a recurrent layer from (input_size, hidden_size).
        dropout: as for `ClipClassifier`.
        timeless_features: how many features "gnn" gets, where it gets fewer.
    """

    settings: dict[str, Any] = {"readout": "attention", "dropout": dropout}
    models = {
        "both": ClipClassifier(
            GraphLayers(num_features, hidden, make_layer), make_recurrent(hidden, hidden), num_classes, **settings
        ),
        "rnn": ClipClassifier(
            NodeLayers(num_features, hidden), make_recurrent(hidden, hidden), num_classes, **settings
        ),
    }
    return models | {
        "gnn": graph_alone(
            lambda width: GraphLayers(timeless_features or num_features, width, make_layer),
            hidden, num_classes, parameters_of(models["both"]), dropout,
        )
    }  # fmt: skip


def graph_alone(
    make_graph: Callable[[int], nn.Module],
    hidden: int,
    num_classes: int,
    budget: int,
    dropout: float = 0.0,
    tracks: int | None = None,
    pool: str | None = None,
) -> ClipClassifier:
    """The widest classifier within a budget that averages the frames: graph layers and a head of two layers.

    Args:
        make_graph: makes the graph layers of a width.
        hidden: the least width.
        budget: the most parameters.
        dropout: as for `ClipClassifier`.
        tracks: lays the nodes of a frame side by side, so many in every clip; None averages them.
        pool: as for `ClipClassifier`; with tracks "concat", else "mean".
    """

    def of(width: int) -> ClipClassifier:
        layers = make_graph(width)
        wide = width_of(layers)
        head = nn.Sequential(nn.Linear(wide * (tracks or 1), wide), nn.ReLU(), nn.Linear(wide, num_classes))
        chosen = pool or ("mean" if tracks is None else "concat")
        return ClipClassifier(layers, None, num_classes, chosen, dropout=dropout, head=head, tracks=tracks)

    low, high = hidden, 2 * hidden
    while parameters_of(of(high)) < budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters_of(of(middle)) <= budget else (low, middle)
    return of(low)


def parameters_of(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
