"""Attention over graph and time as a page: a clip's frames, their graphs, and the weights of frames and nodes."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor
from torch_geometric.data import Data

from graphreel.gnn import AttentionPage

from .attention_numbers import weigh_clip
from .models.clip_classifier import ClipClassifier


def clip_attention_page(
    classify: ClipClassifier,
    clip: Data,
    classes: Sequence[str] | None = None,
    pictures: Tensor | None = None,
    title: str = "Attention",
    shares: Tensor | None = None,
) -> AttentionPage:
    """A clip as its model saw it, to walk through: every frame with its graph, all layers and heads, and time.

    Args:
        clip: one clip; without `pos` its nodes lie where their edges pull them.
        classes, shares: as for `clip_attention`.
        pictures: the frames themselves, uint8 [frames, height, width] or with 3 colours.

    Raises:
        ValueError: as `clip_attention`, or another number of pictures than of frames.
    """
    numbers, layers = weigh_clip(classify, clip, classes, shares)
    frames, likely = int(clip.num_frames), sorted(numbers["probabilities"].items(), key=lambda item: -item[1])[:3]
    if pictures is not None and len(pictures) != frames:
        raise ValueError(f"pictures has {len(pictures)} frames, but the clip has {frames}")
    note = "Predicted: " + ", ".join(f"{name} {share:.2f}" for name, share in likely) + "."
    if not numbers["attention"]:
        note += " No layer attends: edges weigh 1 / in-degree."
    frame = clip.frame.tolist()
    track = clip.get("track")
    place = [i - frame.index(frame[i]) for i in range(len(frame))] if track is None else track.tolist()
    shown = [{"title": f"frame {t}", "weight": numbers["frames"][t]} for t in range(frames)]
    entries: dict[str, Any] = {"frame": frame, "place": place, "node_weight": numbers["nodes"], "frames": shown}
    if clip.get("pos") is not None:
        entries |= _on_canvas(clip)
    if pictures is not None and "canvas" in entries:
        for entry, picture in zip(shown, pictures, strict=True):
            entry["picture"] = _data_uri(picture)
    return AttentionPage(title, note, [str(one) for one in place], layers, entries)


def _on_canvas(clip: Data) -> dict[str, Any]:
    """Places of nodes in a canvas [width, height] that begins at 0, 0 and is seen whole."""
    pos = clip.pos[:, :2].detach().cpu().float()
    if clip.get("canvas") is not None:
        height, width = clip.canvas.view(-1).tolist()
    else:
        low, high = pos.amin(0), pos.amax(0)
        edge = 0.08 * float((high - low).max().clamp(min=1e-6))
        pos = pos - low + edge
        width, height = (high - low + 2 * edge).tolist()
    return {"pos": pos.tolist(), "canvas": [width, height]}


def _data_uri(picture: Tensor) -> str:
    file = io.BytesIO()
    Image.fromarray(picture.numpy()).convert("RGB").save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
