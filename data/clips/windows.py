"""A stream of pictures, of a long video or a camera, read as clips that overlap in time."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from .clip import Clip
from .keypoints import keypoint_clips
from .pose_networks import PoseNetworks
from .pose_tracking import PeopleFollower
from .poses import PoseReader
from .video_clips import VideoReader
from .video_stream import Frame


@dataclass(frozen=True)
class Window:
    """A part of a video.

    Attributes:
        clip: what is seen in it; None where that is nobody.
        times: when its frames are shown, in seconds.
        numbers: which frames of the video these are.
    """

    clip: Clip | None
    times: list[float]
    numbers: list[int]

    @property
    def middle(self) -> float:
        """The time in its middle, in seconds."""
        return (self.times[0] + self.times[-1]) / 2


class _Maker(Protocol):
    """Makes clips of the last pictures that it was given."""

    def add(self, picture: np.ndarray) -> None: ...

    def clip(self, last: int) -> Clip | None: ...


class _Regions:
    def __init__(self, reader: VideoReader) -> None:
        self.reader = reader
        self.pictures: deque[np.ndarray] = deque(maxlen=reader.most)

    def add(self, picture: np.ndarray) -> None:
        self.pictures.append(picture)

    def clip(self, last: int) -> Clip:
        return self.reader.clip(torch.from_numpy(np.stack(list(self.pictures)[-last:])))


class _People:
    def __init__(self, reader: PoseReader, features: dict[str, Any], model: str | Path | None) -> None:
        self.follower = PeopleFollower(PoseNetworks(model), reader.people)
        self.features = features
        self.size = (0, 0)

    def add(self, picture: np.ndarray) -> None:
        self.follower.add(picture)
        self.size = picture.shape[:2]

    def clip(self, last: int) -> Clip | None:
        joints, scores = self.follower.people_since(self.follower.count - last)
        return pose_clip({"joints": joints, "scores": scores, "size": np.array(self.size)}, "the video", self.features)


def pose_clip(found: dict[str, np.ndarray], file: str, features: dict[str, Any]) -> Clip | None:
    """The clip of what `PoseReader.read` found, with the picture's size; None where nobody is seen."""
    if not np.isfinite(found["joints"]).any():
        return None
    clip = keypoint_clips({"keypoints": found["joints"], "scores": found["scores"]}, file, **features)[0]
    clip.canvas = torch.from_numpy(found["size"])[None]
    return clip


def sizes_of(reader: dict[str, Any]) -> tuple[int, int]:
    """How many frames at most, and how high, the `settings` of `ClipSplits` read."""
    sizes = reader.get("poses", reader)
    return sizes["most"], sizes["height"]


def interval(reader: dict[str, Any], seconds: float) -> float:
    """The time from one frame of such a window to the next, in seconds."""
    return seconds / max(1, sizes_of(reader)[0] - 1)


def windows(
    frames: Iterable[Frame], reader: dict[str, Any], seconds: float, pose_model: str | Path | None = None
) -> Iterator[Window]:
    """Clips of so many seconds, each starting half of them after the one before; the last one ends with the stream.

    Args:
        frames: one each `interval`, or fewer.
        reader: the `settings` of the `ClipSplits` that were trained on.
        seconds: how long a window is.
        pose_model: see `pose_model`.
    """
    most, _ = sizes_of(reader)
    slack = interval(reader, seconds) / 2
    if "poses" in reader:
        features = {name: value for name, value in reader.items() if name != "poses"}
        maker: _Maker = _People(PoseReader(**reader["poses"]), features, pose_model)
    else:
        maker = _Regions(VideoReader(**reader).ready())
    shown: deque[tuple[int, float]] = deque(maxlen=most)
    given = -np.inf  # when the last window ended
    for number, time, picture in frames:
        maker.add(picture)
        shown.append((number, time))
        while shown[0][1] < time - seconds - slack:
            shown.popleft()
        if time - shown[0][1] >= seconds - slack and time - given >= seconds / 2 - slack:
            yield _window(maker, shown)
            given = time
    if shown and shown[-1][1] > given:
        yield _window(maker, shown)


def _window(maker: _Maker, shown: deque[tuple[int, float]]) -> Window:
    return Window(maker.clip(len(shown)), [time for _, time in shown], [number for number, _ in shown])
