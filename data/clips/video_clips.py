"""From pictures to clips: frames cut into regions, nodes beside their neighbours, and what moves in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from .clip import Clip
from .optical_flow import motion, require_opencv
from .regions import overlaps, patches, superpixels, touching
from .video_files import read_video
from .video_stream import require_av

KINDS = ("superpixels", "patches")
DETAIL = 8  # grey values along each side of the picture detail that a node carries without motion
_APPEARANCE = 6  # features of a node that say nothing of time, where it has motion
_SHORTEST = 0.6  # share of a clip's time that a variation of it keeps at least


@dataclass(frozen=True)
class VideoReader:
    """Makes clips of videos.

    A node is a region of a frame, a superpixel or a patch. With motion its features are the place of its middle (2, -1
    .. 1), its share of the picture times `regions`, its mean colour (3, 0 .. 1), and the square roots of what moves in
    it on average since the frame before: the flow to the right, down, left and up, in hundredths of the picture's
    height, the difference of grey and that difference squared. Roots bring small motion near to large; most regions
    stand still, so the rest must be brought to one scale by the model (`standardize`). Without motion, as in runs made
    before there was any: place, share, mean and deviation of colour (3 + 3), and 8 x 8 grey values around the middle.

    Edges: regions that touch, in both directions, and regions of which at least a quarter of the smaller one lies over
    the other in the next frame; edge_weight is 1 within a frame and the intersection over the union across frames.
    Patches stay where they are, so they are tracked.

    Attributes:
        kind: "superpixels" or "patches".
        regions: about how many per frame; patches with motion are 3 rows to 4 columns of them in any picture.
        most: frames at most, spread evenly over the time.
        height: higher pictures are made smaller.
        motion: whether nodes carry motion.
    """

    kind: str = "superpixels"
    regions: int = 100
    most: int = 32
    height: int = 96
    motion: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be superpixels or patches, got {self.kind!r}")
        for name in ("regions", "most", "height"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def ready(self) -> "VideoReader":
        """The reader itself, once what it needs is installed."""
        require_av()
        if self.motion:
            require_opencv()
        if self.kind == "superpixels":
            try:
                import skimage.segmentation  # noqa: F401
            except ImportError:
                raise ValueError(
                    "superpixels need the extra `video` (PyAV, scikit-image): pip install 'graphreel[video]'"
                ) from None
        return self

    def read(self, path: Path, label: int | None = None) -> Clip:
        """Make a clip of a video file; how long it is, in `seconds`, goes with it."""
        video = read_video(path, self.most, self.height)
        clip = self.clip(video.pictures, label)
        clip.seconds = video.times[-1] - video.times[0]
        return clip

    def clip(self, frames: Tensor, label: int | None = None) -> Clip:
        """Make a clip of pictures uint8 [frames, height, width, 3]."""
        pictures = frames.numpy().astype(np.float32) / 255
        maps = [self.regions_of(picture) for picture in pictures]
        counts = np.array([int(each.max()) + 1 for each in maps])
        starts = counts.cumsum() - counts
        moving = motion(frames.numpy()) if self.motion else [None] * len(maps)
        features = [self._features(*each) for each in zip(pictures, maps, moving, strict=True)]
        within = [touching(each) + start for each, start in zip(maps, starts, strict=True)]
        across, shares = [np.zeros((2, 0), dtype=np.int64)], [np.zeros(0)]
        for t in range(len(maps) - 1):
            pairs, share = overlaps(maps[t], maps[t + 1])
            across.append(pairs + starts[t : t + 2, None])
            shares.append(share)
        inside, onward = np.concatenate(within, axis=1), np.concatenate(across, axis=1)
        size = torch.tensor([frames.shape[1:3]])
        x = torch.from_numpy(np.concatenate(features)).float()
        clip = Clip(
            x=x,
            edge_index=torch.from_numpy(np.concatenate([inside, onward], axis=1)),
            edge_attr=torch.cat([torch.zeros(inside.shape[1], 1), torch.ones(onward.shape[1], 1)]),
            edge_weight=torch.cat([torch.ones(inside.shape[1]), torch.from_numpy(np.concatenate(shares)).float()]),
            frame=torch.repeat_interleave(torch.arange(len(maps)), torch.from_numpy(counts)),
            num_frames=len(maps),
            pos=(x[:, :2] + 1) / 2 * size.flip(1),
            canvas=size,
        )
        if self.kind == "patches":
            clip.track = torch.cat([torch.arange(int(count)) for count in counts])
            clip.num_tracks = int(counts.max())
        if label is not None:
            clip.y = torch.tensor([label])
        return clip.checked()

    @property
    def timeless(self) -> Tensor | None:
        """Which features say nothing of time; None for all."""
        return torch.arange(_APPEARANCE) if self.motion else None

    @property
    def augment(self) -> Callable[..., Clip] | None:
        """`varied`, or None without motion."""
        return self.varied if self.motion else None

    @property
    def mirror(self) -> Callable[[Sequence[Clip]], Clip] | None:
        """`mirrored`, or None without motion."""
        return self.mirrored if self.motion else None

    def mirrored(self, clips: Sequence[Clip]) -> Clip:
        """The mirror images of clips, joined to one batch: places, flow and patches swap left and right."""
        return Batch.from_data_list([self._mirrored(clip) for clip in clips])  # type: ignore[return-value]

    def varied(self, clips: Sequence[Clip], generator: torch.Generator, kept: slice = slice(None)) -> Clip:
        """Variations of training clips, joined to one batch: half of them mirrored, each a part of its time.

        Of those that are kept alone, which vary as among all.
        """
        chosen = []
        drawn = [torch.rand(3, generator=generator).tolist() for _ in clips]
        for clip, (mirror, length, start) in list(zip(clips, drawn, strict=True))[kept]:
            frames = int(clip.num_frames)
            span = max(1, round(frames * (_SHORTEST + (1 - _SHORTEST) * length)))
            first = int(start * (frames - span + 1))
            part = clip.between(first, first + span)
            chosen.append(self._mirrored(part) if mirror < 0.5 else part)
        return Batch.from_data_list(chosen)  # type: ignore[return-value]

    def _mirrored(self, clip: Clip) -> Clip:
        flipped = clip.clone()
        flipped.x[:, 0] *= -1
        right, left = _APPEARANCE, _APPEARANCE + 2
        flipped.x[:, [right, left]] = clip.x[:, [left, right]]
        flipped.pos[:, 0] = float(clip.canvas[0, 1]) - clip.pos[:, 0]
        if self.kind == "patches":
            columns = self._grid(*clip.canvas[0].tolist())[1]
            flipped.track = clip.track + columns - 1 - 2 * (clip.track % columns)
        return flipped

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        aspect = 3 / 4 if self.motion else height / width
        rows = max(1, min(height, round((self.regions * aspect) ** 0.5)))
        columns = max(1, min(width, round(self.regions / rows))) if self.motion else max(1, round(self.regions / rows))
        return rows, columns

    def regions_of(self, picture: np.ndarray) -> np.ndarray:
        """Number the regions of a picture [height, width, 3], 0 .. 1, from 0 without gaps: int [height, width]."""
        height, width = picture.shape[:2]
        if self.kind == "patches":
            return patches(height, width, *self._grid(height, width))
        return superpixels(picture, self.regions)

    def _features(self, picture: np.ndarray, regions: np.ndarray, moving: np.ndarray | None) -> np.ndarray:
        height, width = regions.shape
        flat = regions.ravel()
        area = np.bincount(flat).astype(np.float64)

        def mean(values: np.ndarray) -> np.ndarray:
            return np.bincount(flat, weights=values.ravel()) / area

        down, along = np.mgrid[:height, :width]
        y, x = mean(down + 0.5), mean(along + 0.5)
        colour = np.stack([mean(picture[..., c]) for c in range(3)], axis=1)
        place = np.stack([2 * x / width - 1, 2 * y / height - 1, area / flat.size * self.regions], axis=1)
        if moving is not None:
            flow, difference = 100 / height * moving[..., :2], moving[..., 2]
            parts = (*flow.clip(min=0).transpose(2, 0, 1), *(-flow).clip(min=0).transpose(2, 0, 1))
            moved = np.stack([mean(part) for part in (*parts, difference, difference**2)], axis=1)
            return np.concatenate([place, colour, np.sqrt(moved)], axis=1)
        square = np.stack([mean(picture[..., c] ** 2) for c in range(3)], axis=1)
        spread = np.sqrt(np.maximum(square - colour**2, 0))
        reach = np.sqrt(height * width / self.regions) * (np.arange(DETAIL) + 0.5 - DETAIL / 2) / DETAIL
        rows = np.clip(np.floor(y[:, None] + reach), 0, height - 1).astype(int)
        columns = np.clip(np.floor(x[:, None] + reach), 0, width - 1).astype(int)
        detail = picture.mean(axis=2)[rows[:, :, None], columns[:, None, :]].reshape(len(area), -1)
        return np.concatenate([place, colour, spread, detail], axis=1)
