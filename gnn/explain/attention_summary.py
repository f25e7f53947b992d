"""A large graph's attention in two pictures: how sharp it is, and what the hidden layer makes of the classes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphreel.core.labels import legend_entry

from .attention_weights import watch_attention
from .class_colors import class_colors
from .node_names import node_label
from .plot_attention import write_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_FOR_TSNE = 1000


def attention_entropy(edge_index: Tensor, alpha: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    r"""The entropy :math:`-\sum_j \alpha_{ij} \log \alpha_{ij}` of each target and head, and that of equal weights.

    Args:
        edge_index: ``[2, E]``.
        alpha: ``[E, heads]``.

    Returns:
        ``[N, heads]``, and the logarithm of the number of edges that enter each node, ``[N]`` (0 where there is none).
    """
    surprise = -torch.special.xlogy(alpha, alpha)
    entropy = alpha.new_zeros(num_nodes, alpha.size(1)).index_add(0, edge_index[1], surprise)
    entering = torch.bincount(edge_index[1], minlength=num_nodes)
    return entropy, entering.clamp(min=1).to(alpha.dtype).log()


def draw_summary(
    model: nn.Module, data: Data, path: str | Path | None = None
) -> tuple["Figure", dict[str, list[dict[str, Any]]]]:
    """Draw histograms of the attention's entropy beside that of equal weights, and a 2-D embedding of a hidden layer.

    The hidden layer is what goes into the last attention layer (what comes out of it, where it is the only one),
    embedded by t-SNE: of 1000 nodes drawn at random, where there are more.

    Args:
        model: As in :func:`graphreel.gnn.attention_weights`.
        path: Where to write the picture, and beside it the numbers as .json.

    Returns:
        The figure, and its numbers: "entropy", a list of {"target", "layer", "entropy" (one per head), "uniform"}, and
        "embedding", a list of {"node", "x", "y", "class"}.
    """

    from graphreel.core.picture import Picture

    recorded, _ = watch_attention(model, data)
    num_nodes = int(data.num_nodes or 0)
    hidden = recorded[-1][2] if len(recorded) > 1 else recorded[-1][3]
    shown = torch.randperm(num_nodes, generator=torch.Generator().manual_seed(0))[:_MOST_FOR_TSNE].sort().values
    hidden = hidden.detach().cpu().double()
    places, method = _embed(hidden[shown])
    figure = Picture(figsize=(5.2 * (len(recorded) + 1) + 1.5, 4.8), layout="constrained")
    *histograms, scatter = figure.subplots(1, len(recorded) + 1)
    entropies = []
    for layer, (axes, (edge_index, alpha, _, _)) in enumerate(zip(histograms, recorded, strict=True)):
        entropy, uniform = (part.cpu().double() for part in attention_entropy(edge_index, alpha, num_nodes))
        _histogram(axes, entropy, uniform, f"Layer {layer + 1}")
        for node, (values, most) in enumerate(zip(entropy.tolist(), uniform.tolist(), strict=True)):
            entropies.append({"target": node_label(data, node), "layer": layer, "entropy": values, "uniform": most})
    known = isinstance(data.y, Tensor) and data.y.numel() == num_nodes
    classes = [int(value) for value in data.y.flatten()[shown].tolist()] if known else None
    _scatter(scatter, places, classes, getattr(data, "class_names", None), f"{method} of {len(places)} nodes")
    embedding = [
        {"node": node_label(data, node), "x": x, "y": y, "class": None if classes is None else classes[k]}
        for k, (node, (x, y)) in enumerate(zip(shown.tolist(), places.tolist(), strict=True))
    ]
    numbers = {"entropy": entropies, "embedding": embedding}
    if path is not None:
        write_picture(Path(path), figure, lambda file: file.write_text(json.dumps(numbers)))
    return figure, numbers


def _embed(hidden: Tensor) -> tuple[Tensor, str]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    values = hidden.reshape(-1, hidden.size(-1)).numpy()
    if len(values) < 10:
        components = min(2, *values.shape)
        places = torch.from_numpy(PCA(components, random_state=0).fit_transform(values))
        return torch.nn.functional.pad(places, (0, 2 - components)), "principal components"
    perplexity = min(30.0, (len(values) - 1) / 3)
    return torch.from_numpy(TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(values)), "t-SNE"


def _histogram(axes: "Axes", entropy: Tensor, uniform: Tensor, title: str) -> None:
    several = uniform > 0
    entropy, uniform = entropy[several], uniform[several]
    highest = float(uniform.max()) if len(uniform) else 1.0
    bins = torch.linspace(0, highest * 1.0001, 41).tolist()
    per_head = [1.0 / entropy.size(1)] * entropy.numel()
    axes.hist(entropy.flatten().tolist(), bins=bins, weights=per_head, color="#0072B2", label="attention")
    axes.hist(uniform.tolist(), bins=bins, histtype="step", color="#D55E00", linewidth=1.6, label="equal weights")
    share = float((entropy.mean(1) / uniform).mean()) if len(uniform) else float("nan")
    axes.set_title(f"{title}: {share:.1%} of the equal weights' entropy", fontsize=11)
    axes.set_xlabel("entropy of the weights into a node (nats)")
    axes.set_ylabel("nodes (mean over the heads)")
    axes.legend()


def _scatter(axes: "Axes", places: Tensor, classes: list[int] | None, names: Any, method: str) -> None:
    if classes is None:
        axes.scatter(places[:, 0].tolist(), places[:, 1].tolist(), s=6, color="#0072B2")
    else:
        palette = class_colors(max(classes, default=0) + 1)
        for value in sorted(set(classes)):
            x, y = places[torch.tensor(classes) == value].t().tolist()
            axes.scatter(x, y, s=6, color=palette[value], label=legend_entry(value if names is None else names[value]))
        axes.legend(fontsize=8, markerscale=2.5, title="class", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(f"Hidden layer ({method})", fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])
