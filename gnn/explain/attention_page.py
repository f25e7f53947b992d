"""A page on which a reader walks through a model's attention: one file, which asks nothing of any network."""

import base64
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.utils import subgraph

from graphreel.core.atomic_files import write_whole

from .attention_weights import watch_attention
from .class_colors import class_colors
from .node_names import node_index, node_label

MOST_NODES, MOST_EDGES = 5_000, 50_000
_PARTS = Path(__file__).parent / "page"


@dataclass(frozen=True)
class AttentionPage:
    """Attention as a page. In a notebook it shows itself.

    Attributes:
        title: above the page.
        note: what is shown, in a sentence.
        names: of the nodes.
        layers: for each attention layer ``edge_index`` [2, E] and ``alpha`` [E, heads].
        entries: what else the page knows, by the names that page/attention.js reads: y, prediction, certainty,
            classes, frame, place, pos, canvas, frames, node_weight, weight_is, value, value_is, read, center.
    """

    title: str
    note: str
    names: Sequence[str]
    layers: Sequence[tuple[Tensor, Tensor]]
    entries: Mapping[str, Any]

    def html(self) -> str:
        """The whole page."""
        layers = [
            {
                "heads": alpha.size(1),
                "source": _packed(edge_index[0], torch.int32),
                "target": _packed(edge_index[1], torch.int32),
                "alpha": _packed(alpha, torch.float32),
            }
            for edge_index, alpha in self.layers
        ]
        colors = class_colors(len(self.entries.get("classes", ())))
        data = json.dumps({"names": list(self.names), "layers": layers, "colors": colors, **self.entries})
        parts = {name: (_PARTS / f"attention.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
        return Template(parts["html"]).substitute(
            title=html.escape(self.title),
            note=html.escape(self.note),
            css=parts["css"],
            js=parts["js"],
            d3=(_PARTS / "d3.min.js").read_text(encoding="utf-8"),
            data=data.replace("<", "\\u003c"),
        )

    def numbers(self) -> Iterator[dict[str, Any]]:
        """Every weight: layer (from 1), the frame where there are some, source, target, head, weight; they sum to 1
        per layer, target and head.
        """
        frames = self.entries.get("frame")
        for layer, (edge_index, alpha) in enumerate(self.layers, 1):
            for (source, target), row in zip(edge_index.t().tolist(), alpha.tolist(), strict=True):
                ends = {"layer": layer, "source": self.names[source], "target": self.names[target]}
                ends |= {} if frames is None else {"frame": frames[target]}
                yield from ({**ends, "head": head, "weight": weight} for head, weight in enumerate(row))

    def write(self, path: str | Path) -> list[Path]:
        """Write the page, and beside it its numbers as .json; return both paths."""
        page, beside = Path(path), Path(path).with_suffix(".json")
        write_whole(page, lambda file: Path(file).write_text(self.html(), encoding="utf-8"))
        lines = ",\n".join(map(json.dumps, self.numbers()))
        write_whole(beside, lambda file: Path(file).write_text(f"[\n{lines}\n]\n", encoding="utf-8"))
        return [page, beside]

    def _repr_html_(self) -> str:
        page = html.escape(self.html(), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:640px;border:0" title="attention"></iframe>'


def attention_page(
    model: nn.Module, data: Data, node: str | int | None = None, title: str = "Attention"
) -> AttentionPage:
    """All weights of a model's attention on a graph, as a page.

    A graph of up to 5,000 nodes and 50,000 edges is shown whole; of a larger one the nodes that reach ``node`` in as
    many steps as fit.

    Args:
        model: As in :func:`graphreel.gnn.attention_weights`.
        data: The graph, with optional ``node_names``, ``class_names`` and ``y``.
        node: Name or index of the node to begin with; left out, in a graph that is too large the one with most edges.

    Raises:
        ValueError: If there is no such node, or the model has no attention.
    """
    watched, logits = watch_attention(model, data)
    layers = [(edge_index.cpu(), alpha.cpu()) for edge_index, alpha, _, _ in watched]
    num_nodes, edge_index = int(data.num_nodes or 0), layers[0][0]
    center = None if node is None else node_index(data, node)
    note = f"{num_nodes:,} nodes, {edge_index.size(1):,} edges, each node's own included."
    kept, center = nearest_nodes(edge_index, num_nodes, center)
    if center is not None and len(kept) < num_nodes:
        layers = [within_nodes(kept, *layer, num_nodes) for layer in layers]
        note += f" Shown: the {len(kept):,} nearest to {node_label(data, center)}, the weights among them."
        center = int((kept == center).nonzero())
    entries: dict[str, Any] = {} if center is None else {"center": center}
    y = data.get("y")
    labelled = isinstance(y, Tensor) and y.dim() == 1 and len(y) == num_nodes and not y.is_floating_point()
    if labelled:
        entries["y"] = y[kept.to(y.device)].tolist()
    if isinstance(logits, Tensor) and logits.dim() == 2 and len(logits) == num_nodes and logits.size(1) > 1:
        certainty, prediction = logits[kept.to(logits.device)].softmax(1).max(1)
        entries |= {"prediction": prediction.tolist(), "certainty": certainty.tolist()}
    if entries.keys() & {"y", "prediction"}:
        count = 1 + max(max(entries.get(name, [0]), default=0) for name in ("y", "prediction"))
        names = data.get("class_names") or []
        entries["classes"] = [str(names[c]) if c < len(names) else str(c) for c in range(max(count, len(names)))]
    return AttentionPage(title, note, [node_label(data, int(i)) for i in kept], layers, entries)


def show_attention(model: nn.Module, data: Data, node: str | int | None = None) -> AttentionPage:
    """The attention of a model on a graph, to walk through in a notebook: as :func:`attention_page`."""
    return attention_page(model, data, node, f"Attention of {type(model).__name__}")


def _packed(values: Tensor, dtype: torch.dtype) -> str:
    return base64.b64encode(values.detach().to("cpu", dtype).contiguous().numpy().tobytes()).decode()


def nearest_nodes(edge_index: Tensor, num_nodes: int, center: int | None = None) -> tuple[Tensor, int | None]:
    """All nodes of a graph that may be drawn whole, else those nearest to the centre against the edges, whole rings
    first, as many as may be drawn; and the centre, in such a graph the node with most edges where none is given.
    """
    if num_nodes <= MOST_NODES and edge_index.size(1) <= MOST_EDGES:
        return torch.arange(num_nodes), center
    center = int(edge_index[1].bincount().argmax()) if center is None else center
    return _around(edge_index, center, num_nodes), center


def _around(edge_index: Tensor, center: int, num_nodes: int) -> Tensor:
    inside = torch.zeros(num_nodes, dtype=torch.bool)
    inside[center] = True
    while True:
        ring = torch.zeros_like(inside)
        ring[edge_index[0, inside[edge_index[1]]]] = True
        new = (ring & ~inside).nonzero().flatten()
        room = MOST_NODES - int(inside.sum())
        while len(new):  # halved until it fits
            grown = inside.clone()
            grown[new[:room]] = True
            if int((grown[edge_index[0]] & grown[edge_index[1]]).sum()) <= MOST_EDGES:
                break
            new = new[: min(room, len(new)) // 2]
        if not len(new):
            return inside.nonzero().flatten()
        whole = len(new) == int((ring & ~inside).sum()) <= room
        inside = grown
        if not whole:
            return inside.nonzero().flatten()


def within_nodes(kept: Tensor, edge_index: Tensor, alpha: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """The edges [2, E] among some nodes, numbered anew in their order, and their weights [E, heads]."""
    return subgraph(kept, edge_index, alpha, relabel_nodes=True, num_nodes=num_nodes)
