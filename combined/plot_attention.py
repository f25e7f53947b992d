"""A clip as its model saw it: frames with their graphs, the strongest edges drawn wide, and the weights of frames."""

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
from graphreel.core.labels import plain

from .attention_numbers import clip_attention, shown_weights
from .models.clip_classifier import ClipClassifier

WIDEST = 3.5  # points, of the strongest edge of a frame
STRONGEST = 12  # edges of a frame that are not drawn faintly
DRAWN, OTHER = "#d55e00", "#9db4c8"  # frames in the axis of time; told apart by colour-blind readers and in grey


def draw_clip_attention(
    classify: ClipClassifier,
    clip: Data,
    path: str | Path,
    classes: Sequence[str] | None = None,
    pictures: Tensor | None = None,
    most: int = 8,
    times: Sequence[float] | None = None,
    numbers: Sequence[int] | None = None,
    shares: Tensor | None = None,
) -> dict[str, Any]:
    """Draw a strip of frames with their graphs over them, and the weights of the frames on the axis of time below.

    Of every frame the strongest edges are drawn, the stronger the wider, and the rest faintly; a node is as large as
    its weight. What weighs is attention where the model has it, else influence: see `clip_attention`, whose numbers
    are written beside the picture, as .json.

    Args:
        clip: one clip with `pos`; without it nodes are placed on a circle.
        path: a .png (or whatever matplotlib writes), or a .gif, which shows one frame after the other.
        classes, shares: as for `clip_attention`.
        pictures: the frames themselves, uint8 [frames, height, width] or with 3 colours, to draw behind the graphs.
        most: at most so many frames in the strip, spread evenly.
        times: when the frames are shown in their video, in seconds.
        numbers: which frames of their video they are; 0, 1, ... by default.

    Returns:
        The numbers: see `clip_attention`.

    Raises:
        ValueError: as `clip_attention`, or another number of pictures than of frames.
    """
    path = Path(path)
    found = clip_attention(classify, clip, classes, shares)
    frames = int(clip.num_frames)
    for name, given in (("pictures", pictures), ("times", times), ("numbers", numbers)):
        if given is not None and len(given) != frames:
            raise ValueError(f"{name} has {len(given)} frames, but the clip has {frames}")
    scene = _Scene(clip, found, pictures, times, numbers)
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
    text = json.dumps(found, indent=1)
    write_whole(path.with_suffix(".json"), lambda to: Path(to).write_text(text, encoding="utf-8"))
    return found


class _Scene:
    """What stays the same from frame to frame: places, extents, the scale of the weights."""

    def __init__(
        self,
        clip: Data,
        found: dict[str, Any],
        pictures: Tensor | None,
        times: Sequence[float] | None,
        numbers: Sequence[int] | None,
    ) -> None:
        self.pictures, self.times = pictures, times
        self.numbers = list(numbers) if numbers is not None else list(range(int(clip.num_frames)))
        self.probabilities = found["probabilities"]
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
        self.shown = shown_weights(found, clip.frame.cpu())

    def figure(self, shown: list[int], now: int | None = None) -> Figure:
        """A figure of the frames `shown`, with the weights of all frames below and `now` marked in them."""
        left, right, bottom, top = self.extent
        aspect = min(2.0, max(0.5, (right - left) / (bottom - top)))
        rows = 1 if len(shown) < 5 else 2
        columns = -(-len(shown) // rows)
        width = max(5.0, 2.2 * aspect * columns)
        figure = Figure(figsize=(width, 2.4 * rows + 1.9), layout="constrained")
        grid = figure.add_gridspec(rows + 1, columns, height_ratios=[2.2] * rows + [1])
        for place, t in enumerate(shown):
            self._draw_frame(figure.add_subplot(grid[divmod(place, columns)]), t)
        time = figure.add_subplot(grid[rows, :])
        marked = shown if now is None else [now]
        shares = self.shown.frames
        at = np.asarray(self.times) if self.times is not None else np.asarray(self.numbers)
        step = float(at[-1] - at[0]) / (len(at) - 1) if len(at) > 1 else 1.0
        time.bar(at, shares, 0.8 * step, color=[DRAWN if t in marked else OTHER for t in range(len(shares))])
        time.set(ylabel="frame weight", xlim=(at[0] - 0.6 * step, at[-1] + 0.6 * step))
        time.xaxis.set_major_locator(MaxNLocator(integer=self.times is None))
        axis = "seconds" if self.times is not None else "frame"
        many = columns * rows > 3
        said = f"edges by {self.shown.edges_are}, nodes by {self.shown.nodes_are}"
        time.set_xlabel(f"{axis}; orange: drawn above, {said}" if many else axis)
        likely = sorted(self.probabilities.items(), key=lambda item: -item[1])[:3]
        ranked = (",   " if many else "\n").join(f"{plain(name)} {share:.2f}" for name, share in likely)
        figure.suptitle(f"predicted:   {ranked}" if many else ranked, fontsize=10)
        return figure

    def _draw_frame(self, axes: Any, t: int) -> None:
        left, right, bottom, top = self.extent
        if self.pictures is not None:
            axes.imshow(self.pictures[t].numpy(), cmap="gray", extent=self.extent, vmin=0, vmax=255)
        ends, weights = self.shown.ends, self.shown.edges
        own = self.frame == t
        inside = np.flatnonzero(own[ends].all(axis=1) & (ends[:, 0] != ends[:, 1]))
        inside = inside[np.argsort(weights[inside])]
        strong = inside[-STRONGEST:]
        faint = LineCollection(list(self.pos[ends[inside]]), linewidths=0.6, colors="#7fb2d9", alpha=0.6, zorder=2)
        axes.add_collection(faint)
        most = max(weights[inside].max(), 1e-12) if len(inside) else 1.0
        share = weights[strong] / most
        colours = mpl.colormaps["autumn"](1 - share)
        axes.add_collection(
            LineCollection(list(self.pos[ends[strong]]), linewidths=WIDEST * share, colors=colours, zorder=3)
        )
        share = self.shown.nodes[own] / max(self.shown.nodes.max(initial=0.0), 1e-12)
        axes.scatter(*self.pos[own].T, s=2 + 45 * share, c="#4c9be8", edgecolors="white", linewidths=0.4, zorder=4)
        axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
        when = f", {self.times[t]:.2f} s" if self.times is not None else ""
        axes.set_title(f"frame {self.numbers[t]}{when}", fontsize=8)


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
