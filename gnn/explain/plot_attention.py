"""Attention drawn into a graph: which neighbours a node looks at."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphreel.core.atomic_files import write_whole
from graphreel.core.labels import legend_entry, plain

from .attention_weights import attention_weights
from .class_colors import class_colors, ink_on
from .graph_layout import distances_to, drawn_graph, free_direction, node_places, nodes_around
from .node_names import node_index, node_label

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FITS_IN_A_NODE = 6  # characters
_WHOLE_GRAPH = 12


def draw_attention(
    model: nn.Module,
    data: Data,
    node: str | int | None = None,
    hops: int = 1,
    path: str | Path | None = None,
    layer: int = 0,
) -> tuple["Figure", list[dict[str, Any]]]:
    """Draw one layer's attention around a node: width and colour of an edge are its weight in its target's softmax.

    A graph of up to 12 nodes is drawn as a whole, with the matrix alpha[target, source] beside it; ``node`` is then
    outlined. In a larger one the nodes within ``hops`` of ``node`` are drawn, with all edges into nodes less than
    ``hops`` away; of more than 40 nodes those with the largest weights are drawn, and the title says so. The first
    panel shows the mean over the heads, one panel each the heads.

    Args:
        model: As in :func:`graphreel.gnn.explain.attention_weights`.
        data: The graph, with optional ``node_names``, ``class_names`` and ``y``.
        node: Name or index; left out, in a large graph the node with the most neighbours up to 20.
        hops: How far around the node.
        path: Where to write the picture, and beside it the numbers as .json.

    Returns:
        The figure, and its numbers: a list of {"source", "target", "head", "weight"} whose weights sum to 1 per target
        and head.

    Raises:
        ValueError: If there is no such node or layer, or hops is not positive.
    """
    weights = attention_weights(model, data)
    if not -len(weights) <= layer < len(weights):
        raise ValueError(f"layer must be one of the model's {len(weights)} attention layers, but is {layer}")
    if hops < 1:
        raise ValueError(f"hops must be at least 1, but is {hops}")
    edge_index, alpha = (part.cpu() for part in weights[layer])
    whole = int(data.num_nodes or 0) <= _WHOLE_GRAPH
    center = node_index(data, node) if node is not None else None if whole else _typical(edge_index)
    distance = distances_to(edge_index, center, hops, int(data.num_nodes or 0))
    inside = torch.ones_like(edge_index[1], dtype=torch.bool) if whole else distance[edge_index[1]] < hops
    edge_index, alpha = edge_index[:, inside], alpha[inside].double()
    numbers = [
        {"source": node_label(data, s), "target": node_label(data, t), "head": head, "weight": weight}
        for (s, t), row in zip(edge_index.t().tolist(), alpha.tolist(), strict=True)
        for head, weight in enumerate(row)
    ]
    figure = _draw(data, edge_index, alpha, center, distance, whole, layer % len(weights), len(weights))
    if path is not None:
        write_picture(Path(path), figure, lambda file: _write_numbers(file, numbers))
    return figure, numbers


def write_picture(path: Path, figure: "Figure", numbers: Callable[[Path], Any]) -> None:
    """Write a picture (a .png where the path says nothing else), and beside it its numbers as .json."""
    picture = path if path.suffix else path.with_suffix(".png")
    write_whole(picture, lambda beside: figure.savefig(beside, dpi=130))
    write_whole(picture.with_suffix(".json"), numbers)


def _write_numbers(file: Path, numbers: Sequence[dict[str, Any]]) -> None:
    file.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in numbers) + "\n]\n")


def _typical(edge_index: Tensor) -> int:
    entering = torch.bincount(edge_index[1])
    return int(torch.where(entering <= 20, entering, 0).argmax())


def _draw(
    data: Data,
    edge_index: Tensor,
    alpha: Tensor,
    center: int | None,
    distance: Tensor,
    whole: bool,
    layer: int,
    layers: int,
) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.lines import Line2D

    from graphreel.core.picture import Picture

    heads = alpha.size(1)
    nodes, left_out = nodes_around(data, edge_index, alpha, center, whole)
    shares = [alpha.mean(1), *alpha.t()] if heads > 1 else [alpha.mean(1)]
    graphs = [drawn_graph(edge_index, share, nodes) for share in shares]
    places = node_places(nodes, distance, whole, graphs[0])
    rows = math.ceil(heads / 4) if heads > 1 else 0
    figure = Picture(figsize=(13, 6.2 + 3.3 * rows), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[6.2, 3.3 * rows]) if rows else [figure]
    top, *bottom = parts
    # from a grey that shows on white to a dark blue, light to dark also in print
    shades = LinearSegmentedColormap.from_list("attention", ["#d9d9d9", "#8c96c6", "#6a1b9a", "#1a0033"])
    highest = max((value for graph in graphs for _, _, value in graph.edges(data="weight")), default=1.0)
    scale = Normalize(0.0, highest)
    size = 620 if whole else 420 if len(nodes) <= 20 else 240
    classes = _classes(data)
    palette = class_colors(max(classes, default=0) + 1) if classes is not None else []

    def panel(axes: "Axes", graph: "networkx.MultiDiGraph", title: str, shrink: float) -> None:
        import networkx

        edges = [(s, t, value) for s, t, value in graph.edges(data="weight") if s != t]
        edges.sort(key=lambda edge: edge[2])
        values = [value for _, _, value in edges]
        for node in networkx.nodes_with_selfloops(graph):
            value = graph.edges[node, node]["weight"]
            outward = free_direction(node, graph, places)
            _draw_loop(
                axes, places[node], outward, size * shrink, shades(scale(value)), shrink * (0.6 + 5.0 * value / highest)
            )
        networkx.draw_networkx_edges(
            graph, places, edgelist=[(s, t) for s, t, _ in edges], ax=axes, node_size=size * shrink,
            width=[shrink * (0.6 + 5.0 * value / highest) for value in values], edge_color=list(shades(scale(values))),
            arrowsize=max(6, 13 * shrink), connectionstyle="arc3,rad=0.14",
        )  # fmt: skip
        colors = ["white" if classes is None else palette[classes[node]] for node in nodes]
        outlines = ["black" if node == center else "#555555" for node in nodes]
        networkx.draw_networkx_nodes(
            graph, places, nodelist=nodes, ax=axes, node_size=size * shrink, node_color=colors, edgecolors=outlines,
            linewidths=[2.6 * shrink if node == center else 0.8 for node in nodes],
        )  # fmt: skip
        labels = {node: plain(node_label(data, node)) for node in nodes}
        longest = max(map(len, labels.values()), default=1)
        if longest <= _FITS_IN_A_NODE and (shrink == 1.0 or len(nodes) <= 20):
            font = (12.0 if whole else 9.0 if longest <= 4 else 7.0) * (1.0 if shrink == 1.0 else 0.75)
            for ink in ("white", "black"):
                some = {node: labels[node] for node, color in zip(nodes, colors, strict=True) if ink_on(color) == ink}
                networkx.draw_networkx_labels(graph, places, labels=some, ax=axes, font_size=font, font_color=ink)
        elif longest > _FITS_IN_A_NODE and shrink == 1.0:
            labels.pop(center if center is not None else -1, None)  # the title names it, and its own loop stays visible
            _label_outside(axes, labels, places, 34 if whole else 13)  # a small graph has loops at all nodes
        axes.set_title(title, fontsize=12 if shrink == 1.0 else 10)
        axes.margins(*((0.14, 0.14) if longest <= _FITS_IN_A_NODE else (0.3, 0.25)))
        axes.set_axis_off()

    main, side = top.subplots(1, 2, width_ratios=[1.25, 1.0]) if whole else (top.subplots(), None)
    mean = "mean of the heads" if heads > 1 else "one head"
    around = "" if center is None else f" around {plain(node_label(data, center))}"
    panel(main, graphs[0], f"Attention{around}, layer {layer + 1} of {layers}, {mean}{left_out}", 1.0)
    if side is not None:
        _matrix(side, data, edge_index, alpha.mean(1), len(nodes), shades, scale, mean)
    bar = top.colorbar(ScalarMappable(scale, shades), ax=main, location="left", shrink=0.8, pad=0.01)
    bar.set_label("attention weight α of an edge into its target")
    if classes is not None:
        names = getattr(data, "class_names", None)
        shown = sorted({classes[node] for node in nodes})
        handles = [
            Line2D(
                [], [], marker="o", linestyle="", markersize=9, markeredgecolor="#555555",
                markerfacecolor=palette[value], label=legend_entry(value if names is None else names[value]),
            )
            for value in shown
        ]  # fmt: skip
        main.legend(handles=handles, title="class", loc="lower right", fontsize=9)
    if bottom:
        grid = bottom[0].subplots(rows, min(4, heads), squeeze=False).flatten()
        for head, (axes, graph) in enumerate(zip(grid, graphs[1:], strict=False)):
            panel(axes, graph, f"head {head}", 0.5)
        for axes in grid[heads:]:
            axes.set_axis_off()
    return figure


def _draw_loop(axes: "Axes", place: tuple[float, float], angle: float, size: float, color: Any, width: float) -> None:
    """A self-loop as a ring behind its node, ``size`` square points large, that looks out in one direction."""
    from matplotlib.transforms import ScaledTranslation

    inches = 0.75 * math.sqrt(size) / 72
    beside = ScaledTranslation(inches * math.cos(angle), inches * math.sin(angle), axes.figure.dpi_scale_trans)
    axes.scatter(
        *place, s=size, facecolors="none", edgecolors=[color], linewidths=width, zorder=0.5, clip_on=False,
        transform=axes.transData + beside,
    )  # fmt: skip


def _label_outside(axes: "Axes", labels: dict[int, str], places: dict[int, tuple[float, float]], distance: int) -> None:
    """Long names, cut to their last two dotted parts, beside the nodes on the side that looks away from the middle."""
    from matplotlib.patheffects import withStroke

    for node, name in labels.items():
        x, y = places[node]
        across = (x > 0.05) - (x < -0.05)
        steep = math.degrees(math.atan2(y, abs(x))) * across
        axes.annotate(
            ".".join(name.split(".")[-2:]),
            (x, y),
            xytext=(distance * across, (0 if across else distance + 2 if y >= 0 else -distance - 2)),
            textcoords="offset points",
            ha={1: "left", -1: "right", 0: "center"}[across],
            va="center",
            rotation=0.5 * steep,
            rotation_mode="anchor",
            fontsize=8,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _classes(data: Data) -> list[int] | None:
    y = data.y
    known = isinstance(y, Tensor) and y.dim() == 1 and y.numel() == data.num_nodes and not y.is_floating_point()
    return y.tolist() if known else None


def _matrix(
    axes: "Axes", data: Data, edge_index: Tensor, weight: Tensor, num_nodes: int, shades: Any, scale: Any, mean: str
) -> None:
    matrix = torch.zeros(num_nodes, num_nodes, dtype=weight.dtype)
    matrix.index_put_((edge_index[1], edge_index[0]), weight, accumulate=True)
    axes.imshow(matrix.masked_fill(matrix == 0, torch.nan).numpy(), cmap=shades, norm=scale)  # no edge stays white
    labels = [plain(node_label(data, node)) for node in range(num_nodes)]
    axes.set_xticks(range(num_nodes), labels)
    axes.set_yticks(range(num_nodes), labels)
    axes.set_xlabel("source")
    axes.set_ylabel("target (a row sums to 1)")
    axes.set_title(f"α[target, source], {mean}", fontsize=12)
    for t in range(num_nodes):
        for s in range(num_nodes):
            if matrix[t, s] > 0:
                dark = float(scale(float(matrix[t, s]))) > 0.45
                color = "white" if dark else "black"
                axes.text(s, t, f"{matrix[t, s]:.2f}", ha="center", va="center", fontsize=9, color=color)
