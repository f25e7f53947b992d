"""A video with what its classifier saw drawn into it: skeletons or regions, what weighed, and the class."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from graphreel.combined import clip_attention, shown_weights
from graphreel.experiments.clips import visible_to_model
from graphreel.inspect.classify import Classifier
from graphreel.training.progress import Progress

LEAST, MOST = 240, 720  # height of the picture that is drawn into
_RATE = 30.0
_EDGES = 24  # of a frame: as many are drawn strongly
_PEOPLE = ((0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167))  # Okabe and Ito's palette
_STRONG = (213, 94, 0)


@dataclass(frozen=True)
class Scene:
    """What is drawn of a window.

    Attributes:
        times: of the clip's frames, in seconds.
        places: of nodes [frames, nodes, 2], in shares of the picture's width and height; NaN where there is none.
        nodes, frames: weights [frames, nodes] and [frames], the largest 1.
        edges: of each frame [edges, 2], and their weights, the largest 1.
        person: of every node, whose it is; None where nodes are regions.
        told: the class and its probability.
    """

    times: np.ndarray
    places: np.ndarray
    nodes: np.ndarray
    frames: np.ndarray
    edges: list[tuple[np.ndarray, np.ndarray]]
    person: np.ndarray | None
    told: str
    regions: Any = None

    @classmethod
    def of(cls, classifier: Classifier, clip: Any, times: Sequence[float]) -> "Scene":
        """The scene of a clip whose frames are spread over such times; of none, where nobody is seen."""
        if clip is None:
            none = np.zeros((1, 0))
            return cls(np.array([times[0]]), none[..., None].repeat(2, 2), none, np.zeros(1),
                       [(np.zeros((0, 2), int), np.zeros(0))], None, "nobody is seen")  # fmt: skip
        seen = visible_to_model(clip, classifier.settings, classifier.saved.get("timeless"))
        shares = classifier.shares(clip)
        shown = shown_weights(clip_attention(classifier.model, seen, classifier.classes, shares), clip.frame)
        best = int(shares.argmax())
        frames, frame = int(clip.num_frames), clip.frame.numpy()
        if clip.get("track") is not None:
            node = clip.track.numpy()
        else:
            node = np.arange(len(frame)) - np.searchsorted(frame, frame)
        height, width = clip.canvas[0].tolist()
        places = np.full((frames, int(node.max()) + 1, 2), np.nan, dtype=np.float32)
        weights = np.zeros(places.shape[:2], dtype=np.float32)
        places[frame, node] = clip.pos[:, :2].numpy() / (width, height)
        weights[frame, node] = shown.nodes / max(shown.nodes.max(), 1e-9)
        source, target = shown.ends.T
        within = (frame[source] == frame[target]) & (source < target)
        strongest = max(shown.edges[within].max(initial=0), 1e-9)
        edges = []
        for t in range(frames):
            own = np.flatnonzero(within & (frame[source] == t))
            own = own[np.argsort(shown.edges[own])]
            edges.append((np.stack([node[source[own]], node[target[own]]], 1), shown.edges[own] / strongest))
        joints = classifier.reader.get("joints")
        return cls(
            np.linspace(times[0], times[-1], frames), places, weights, shown.frames / max(shown.frames.max(), 1e-9),
            edges, np.arange(places.shape[1]) // joints if joints else None,
            f"{classifier.classes[best]}  {shares[best]:.2f}", None if joints else _Regions(classifier.reader),
        )  # fmt: skip

    @property
    def middle(self) -> float:
        """The time in its middle."""
        return float(self.times[0] + self.times[-1]) / 2

    def draw(self, picture: np.ndarray, time: float) -> np.ndarray:
        """The picture uint8 [height, width, 3] with what was seen at that time drawn into it."""
        larger = -(-LEAST // len(picture))
        picture = picture.repeat(larger, 0).repeat(larger, 1)
        height, width = picture.shape[:2]
        t = int(np.abs(self.times - time).argmin())
        if self.regions is not None:
            known = np.isfinite(self.places[t, :, 0])
            picture = self.regions.tinted(picture, self.places[t, known], self.nodes[t, known])
        image = Image.fromarray(picture)
        draw = ImageDraw.Draw(image, "RGBA")
        places = self._places_at(time) * (width, height)
        thick = height / 240
        self._draw_graph(draw, t, places, thick)
        for number, share in enumerate(self.frames):  # what weighs when, with the moment at hand
            left, right = (width * (number + side) / len(self.frames) for side in (0.0, 0.9))
            top = height - 1 - 0.1 * height * share
            draw.rectangle((left, top, right, height - 1), fill=(*_STRONG, 230 if number == t else 110))
        font = _font(max(12, height // 14))
        box = draw.textbbox((4, 2), self.told, font=font)
        draw.rectangle((0, 0, box[2] + 6, box[3] + 4), fill=(0, 0, 0, 170))
        draw.text((4, 2), self.told, font=font, fill=(255, 255, 255))
        return np.asarray(image)

    def _draw_graph(self, draw: Any, t: int, places: np.ndarray, thick: float) -> None:
        ends, weights = self.edges[t]
        first = len(ends) - _EDGES
        for number, ((source, target), weight) in enumerate(zip(ends, weights, strict=True)):
            line = (*places[source], *places[target])
            if not np.isfinite(line).all():
                continue
            if self.person is not None and self.person[source] == self.person[target]:  # a bone
                draw.line(line, fill=(*_PEOPLE[self.person[source] % len(_PEOPLE)], 200), width=max(1, round(thick)))
            if number >= first and weight > 0.1:
                draw.line(line, fill=(*_STRONG, round(60 + 180 * weight)), width=max(1, round(3 * thick * weight)))
        if self.person is None:
            return
        for (x, y), weight, person in zip(places, self.nodes[t], self.person, strict=True):
            if np.isfinite(x):
                size = thick * (1.2 + 4 * weight)
                draw.ellipse((x - size, y - size, x + size, y + size), fill=(*_PEOPLE[person % len(_PEOPLE)], 230))

    def _places_at(self, time: float) -> np.ndarray:
        """The places of nodes between two frames, where these are tracked; else those of the nearest one."""
        after = int(np.searchsorted(self.times, time).clip(1, max(1, len(self.times) - 1)))
        if self.person is None or len(self.times) == 1:
            return self.places[int(np.abs(self.times - time).argmin())]
        before = after - 1
        span = max(self.times[after] - self.times[before], 1e-9)
        share = float(np.clip((time - self.times[before]) / span, 0, 1))
        mixed = (1 - share) * self.places[before] + share * self.places[after]
        nearest = self.places[after if share > 0.5 else before]
        return np.where(np.isfinite(mixed), mixed, nearest)


class _Regions:
    """The regions of a picture, tinted by what weighed."""

    def __init__(self, reader: dict[str, Any]) -> None:
        from graphreel.data.clips.video_clips import VideoReader

        self.reader = VideoReader(**reader)

    def tinted(self, picture: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Every region in orange, the more the node weighs that is nearest to its middle; its border a thin line.

        Shapes: picture uint8 [height, width, 3]; places [nodes, 2] in shares of the picture; weights [nodes].
        """
        from scipy.spatial import cKDTree

        height, width = picture.shape[:2]
        scale = min(1.0, self.reader.height / height)
        small = Image.fromarray(picture).resize((max(1, round(width * scale)), max(1, round(height * scale))))
        regions = self.reader.regions_of(np.asarray(small, dtype=np.float32) / 255)
        down, along = np.indices(regions.shape)
        area = np.bincount(regions.ravel())
        middles = np.stack([np.bincount(regions.ravel(), v.ravel() + 0.5) / area / n
                            for v, n in ((along, regions.shape[1]), (down, regions.shape[0]))], axis=1)  # fmt: skip
        nearest = cKDTree(places).query(middles)[1]
        tall, wide = (np.arange(n) * m // n for n, m in zip((height, width), regions.shape, strict=True))
        large = regions[tall[:, None], wide]
        alpha = (0.65 * weights[nearest])[large][..., None]
        border = np.zeros(large.shape, dtype=bool)
        border[1:] |= large[1:] != large[:-1]
        border[:, 1:] |= large[:, 1:] != large[:, :-1]
        mixed = picture * (1 - alpha) + np.array(_STRONG) * alpha
        mixed[border] = 0.75 * mixed[border] + 0.25 * 255
        return mixed.round().astype(np.uint8)


def write_overlay(file: Path, scenes: Sequence[Scene], out: Path, quiet: bool = False) -> Path:
    """Write a video as it is, with the scenes drawn into it, each around its middle.

    Raises:
        ValueError: the video cannot be read, or none of this suffix written.
    """
    from graphreel.data.clips.video_stream import encoder_of, frame_times, stream_video, write_pictures

    encoder_of(out)
    times, _ = frame_times(file)
    middles = np.array([scene.middle for scene in scenes])
    rate = min(_RATE, (len(times) - 1) / max(times[-1] - times[0], 1e-6)) if len(times) > 1 else _RATE

    def drawn(bar: Any) -> Iterator[tuple[float, np.ndarray]]:
        for number, time, picture in stream_video(file, len(times), MOST):
            yield time, scenes[int(np.abs(middles - time).argmin())].draw(even_size(picture), time)
            bar.reach(number + 1, f"{number + 1} of {len(times)} frames drawn")

    with Progress(quiet).over(len(times)) as bar:
        write_pictures(at_rate(drawn(bar), rate), out, rate)
    return out


def even_size(picture: np.ndarray) -> np.ndarray:
    """A picture without its last row or column where it has an odd number, as encoders want it."""
    height, width = picture.shape[:2]
    return picture[: height - height % 2 or None, : width - width % 2 or None]


def at_rate(frames: Iterable[tuple[float, np.ndarray]], rate: float) -> Iterator[np.ndarray]:
    """Pictures with their times, in seconds, at a constant rate: repeated or left out as it needs."""
    start, ticks = None, 0
    for time, picture in frames:
        start = time if start is None else start
        while start + ticks / rate <= time + 0.5 / rate:
            yield picture
            ticks += 1


@cache
def _font(size: int) -> Any:
    from matplotlib.font_manager import findfont

    return ImageFont.truetype(findfont("DejaVu Sans"), size)
