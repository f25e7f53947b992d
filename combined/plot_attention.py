"""A clip as its model saw it: frames with their graphs, edges as wide as their attention, and the weights of frames."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor
from torch_geometric.data import Data

from graphreel.core.atomic_files import write_whole
from graphreel.core.evaluation import evaluating
from graphreel.core.labels import plain
from graphreel.gnn import attention_weights

from .models.clip_classifier import ClipClassifier

WIDEST = 4.0  # points, of an edge with all attention on it
DRAWN, OTHER = "#d55e00", "#9db4c8"  # frames in the axis of time; told apart by colour-blind readers and in grey


def clip_attention(classify: ClipClassifier, clip: Data, classes: Sequence[str] | None = None) -> dict[str, Any]:
    """The numbers behind the pictures of one clip.

    Returns:
        probabilities {class: p}; frames [frames], summing to 1 (with recurrence over nodes, the mean over the tracks);
        nodes [nodes], each node's weight in its frame; edges: for every edge source, target, weight, the mean over the
        heads of the last attention layer (self-loops included, summing to 1 into each target), or 1 / in-degree where
        no layer attends; attention: whether one does.

    Raises:
        ValueError: more than one clip, or as many names of classes as there are not classes.
    """
    with torch.no_grad(), evaluating(classify.modules()):
        logits, weights = classify.attend(clip)
    if len(logits) != 1:
        raise ValueError(f"expected one clip, got a batch of {len(logits)}")
    names = list(classes) if classes is not None else [str(number) for number in range(logits.size(1))]
    if len(names) != logits.size(1):
        raise ValueError(f"classes has {len(names)} names, but the model tells {logits.size(1)} classes apart")
    attends = classify.spatial is not None and any(
        "return_attention_weights" in inspect.signature(layer.forward).parameters
        for layer in classify.spatial.modules()
    )
    if classify.spatial is not None and attends:
        edge_index, alpha = attention_weights(classify.spatial, clip)[-1]
        share = alpha.mean(dim=1)
    else:
        edge_index = clip.edge_index
        share = torch.bincount(edge_index[1], minlength=len(clip.x)).clamp(min=1).reciprocal()[edge_index[1]]
    return {
        "probabilities": dict(zip(names, logits[0].softmax(0).tolist(), strict=True)),
        "attention": attends,
        "frames": weights.frames.mean(0)[: int(clip.num_frames)].tolist(),
        "nodes": weights.nodes.tolist(),
        "edges": [
            {"source": source, "target": target, "weight": weight}
            for (source, target), weight in zip(edge_index.t().tolist(), share.tolist(), strict=True)
        ],
    }


def draw_clip_attention(
    classify: ClipClassifier,
    clip: Data,
    path: str | Path,
    classes: Sequence[str] | None = None,
    pictures: Tensor | None = None,
    most: int = 8,
) -> dict[str, Any]:
    """Draw a strip of frames with their graphs over them, and the weights of the frames on the axis of time below.

    An edge is as wide as its attention, a node as large as its weight in its frame. The numbers are written beside the
    picture, as .json.

    Args:
        classify: the model.
        clip: one clip with `pos`; without it nodes are placed on a circle.
        path: a .png (or whatever matplotlib writes), or a .gif, which shows one frame after the other.
        classes: the names of the classes.
        pictures: the frames themselves, uint8 [frames, height, width] or with 3 colours, to draw behind the graphs.
        most: at most so many frames in the strip, spread evenly.

    Returns:
        The numbers: see `clip_attention`.

    Raises:
        ValueError: as `clip_attention`, or another number of pictures than of frames.
    """
    path = Path(path)
    numbers = clip_attention(classify, clip, classes)
    frames = int(clip.num_frames)
    if pictures is not None and len(pictures) != frames:
        raise ValueError(f"pictures has {len(pictures)} frames, but the clip has {frames}")
    scene = _Scene(clip, numbers, pictures)
    if path.suffix.lower() == ".gif":
        shots = [Image.fromarray(_pixels(scene.figure([t], t))).convert("P") for t in range(frames)]
        write_whole(
            path, lambda to: shots[0].save(to, "GIF", save_all=True, append_images=shots[1:], duration=250, loop=0)
        )
    else:
        shown = np.linspace(0, frames - 1, min(most, frames)).round().astype(int).tolist()
        figure = scene.figure(shown)
        kind = path.suffix.lstrip(".").lower() or "png"
        write_whole(path, lambda to: figure.savefig(to, dpi=120, format=kind))
    text = json.dumps(numbers, indent=1)
    write_whole(path.with_suffix(".json"), lambda to: Path(to).write_text(text, encoding="utf-8"))
    return numbers


class _Scene:
    """What stays the same from frame to frame: places, extents, the scale of the weights."""

    def __init__(self, clip: Data, numbers: dict[str, Any], pictures: Tensor | None) -> None:
        self.clip, self.numbers, self.pictures = clip, numbers, pictures
        pos = clip.get("pos")
        if pos is None:
            angle = 2 * np.pi * torch.arange(len(clip.x)) / max(1, len(clip.x))
            pos = torch.stack([angle.cos(), angle.sin()], dim=1)
        self.pos = pos[:, :2].detach().cpu().numpy()
        canvas = clip.get("canvas")
        if canvas is not None:
            height, width = canvas.view(-1).tolist()
            self.extent = (0.0, float(width), float(height), 0.0)
        elif len(self.pos):
            (left, top), (right, bottom) = self.pos.min(0), self.pos.max(0)
            edge = 0.08 * max(right - left, bottom - top, 1e-6)
            self.extent = (float(left - edge), float(right + edge), float(bottom + edge), float(top - edge))
        else:
            self.extent = (0.0, 1.0, 1.0, 0.0)
        self.frame = clip.frame.cpu().numpy()
        self.nodes = np.array(numbers["nodes"])
        ends = [(e["source"], e["target"]) for e in numbers["edges"]]
        self.ends = np.array(ends, dtype=int).reshape(-1, 2)
        self.weights = np.array([e["weight"] for e in numbers["edges"]])

    def figure(self, shown: list[int], now: int | None = None) -> Figure:
        """A figure of the frames `shown`, with the weights of all frames below and `now` marked in them."""
        figure = Figure(figsize=(max(4.0, 1.9 * len(shown)), 3.6), layout="constrained")
        grid = figure.add_gridspec(2, len(shown), height_ratios=[2.2, 1])
        for column, t in enumerate(shown):
            self._draw_frame(figure.add_subplot(grid[0, column]), t)
        time = figure.add_subplot(grid[1, :])
        marked = shown if now is None else [now]
        shares = self.numbers["frames"]
        time.bar(range(len(shares)), shares, color=[DRAWN if t in marked else OTHER for t in range(len(shares))])
        time.set(ylabel="frame weight", xlim=(-0.6, len(shares) - 0.4))
        time.xaxis.set_major_locator(MaxNLocator(integer=True))
        wide = "their attention" if self.numbers["attention"] else "1 / in-degree (no layer attends)"
        many = len(shown) > 3
        time.set_xlabel(f"frame; orange: drawn above, edges as wide as {wide}" if many else "frame")
        likely = sorted(self.numbers["probabilities"].items(), key=lambda item: -item[1])[:3]
        ranked = (",   " if many else "\n").join(f"{plain(name)} {share:.2f}" for name, share in likely)
        figure.suptitle(f"predicted:   {ranked}" if many else ranked, fontsize=10)
        return figure

    def _draw_frame(self, axes: Any, t: int) -> None:
        left, right, bottom, top = self.extent
        if self.pictures is not None:
            axes.imshow(self.pictures[t].numpy(), cmap="gray", extent=self.extent, vmin=0, vmax=255)
        own = self.frame == t
        inside = own[self.ends].all(axis=1) & (self.ends[:, 0] != self.ends[:, 1])
        lines = self.pos[self.ends[inside]]
        weights = self.weights[inside]
        axes.add_collection(
            LineCollection(
                list(lines), linewidths=WIDEST * weights, colors=mpl.colormaps["autumn"](1 - weights), zorder=2
            )
        )
        share = self.nodes[own] / max(self.nodes.max(initial=0.0), 1e-9)
        fill = "none" if self.pictures is not None else "#4c9be8"
        axes.scatter(*self.pos[own].T, s=6 + 40 * share, c=fill, edgecolors="#4c9be8", linewidths=0.8, zorder=3)
        axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
        axes.set_title(f"frame {t}", fontsize=8)


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
