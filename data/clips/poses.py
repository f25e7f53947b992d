"""Keypoint clips out of video files: the people in each, followed through time."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cache, partial
from pathlib import Path
from threading import get_ident

import numpy as np

from graphreel.core.atomic_files import write_whole

from ..disk_cache import cached_arrays, content_key
from .each_file import each_in_process
from .optical_flow import require_opencv
from .pose_model import pose_model, require_litert
from .pose_networks import PoseNetworks
from .pose_tracking import follow_people
from .video_stream import require_av, stream_video

Arrays = dict[str, np.ndarray]
_FORMAT = "poses-2"  # part of the cache's key: another when the same video gives other poses


@dataclass(frozen=True)
class PoseReader:
    """Reads the people in video files.

    Attributes:
        people: at most so many, those seen longest, from left to right.
        most: frames at most, spread evenly over the time.
        height: higher pictures are made smaller.
    """

    people: int = 2
    most: int = 32
    height: int = 480

    def __post_init__(self) -> None:
        for name in ("people", "most", "height"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def read(self, path: Path, model: str | Path | None = None) -> Arrays:
        """Joints [frames, people, 17, 2] in pixels, NaN where a person is missing, scores, times in seconds, size.

        The result is kept in the cache by the content of the file.

        Raises:
            ValueError, FileNotFoundError: the file cannot be read, or the extra or the model is missing.
        """

        def build() -> Arrays:
            times: list[float] = []
            size: list[int] = []

            def pictures() -> Iterator[np.ndarray]:
                for _, time, picture in stream_video(path, self.most, self.height):
                    times.append(time)
                    size[:] = picture.shape[:2]
                    yield picture

            joints, scores = follow_people(pictures(), _networks(model, get_ident()), self.people)
            return {"joints": joints, "scores": scores, "times": np.array(times), "size": np.array(size)}

        return cached_arrays("poses", content_key(path, _FORMAT, *astuple(self)), build)


@cache
def _networks(model: str | Path | None, thread: int) -> PoseNetworks:
    """The networks of a thread: an interpreter serves one at a time."""
    return PoseNetworks(model)


def check_poses(model: str | Path | None = None) -> None:
    """See that all is there that poses need.

    Raises:
        ValueError, FileNotFoundError: in one sentence, with the command that brings it.
    """
    require_av()
    require_opencv()
    require_litert()
    pose_model(model)


def pose_arrays(
    files: Sequence[Path],
    labels: Sequence[str] | None,
    reader: PoseReader,
    model: str | Path | None = None,
    skip_damaged: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    names: Sequence[str] | None = None,
) -> Arrays:
    """The arrays of a keypoint file, out of videos: keypoints, scores, lengths, labels, files, skeleton.

    Videos in which nobody is seen are left out and named as damaged ones are.

    Args:
        skip_damaged: what is left out is added to it; None lets a damaged file end it all.
        progress: called with the number of videos read and of all.
        names: what each is called in `files`.

    Raises:
        ValueError: a video cannot be read, or nobody is seen in any.
    """
    check_poses(model)
    found = each_in_process(files, partial(reader.read, model=model), skip_damaged, progress)
    kept = [i for i, arrays in enumerate(found) if arrays is not None and np.isfinite(arrays["joints"]).any()]
    left = [str(files[i]) for i, arrays in enumerate(found) if arrays is not None and i not in set(kept)]
    if not kept:
        raise ValueError(f"nobody is seen in {files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}")
    if left and skip_damaged is None:
        raise ValueError(f"nobody is seen in {left[0]}: leave such videos out with --skip-damaged")
    if left and skip_damaged is not None:
        skip_damaged += [f"{name}: nobody is seen" for name in left]
    made = [found[i] for i in kept]
    arrays = {
        "keypoints": np.concatenate([one["joints"] for one in made if one is not None]),
        "scores": np.concatenate([one["scores"] for one in made if one is not None]),
        "times": np.concatenate([one["times"] for one in made if one is not None]),
        "lengths": np.array([len(one["joints"]) for one in made if one is not None]),
        "files": np.array([(names or [file.name for file in files])[i] for i in kept]),
        "skeleton": np.array("COCO-17"),
    }
    if labels is not None:
        arrays["labels"] = np.array([labels[i] for i in kept])
    return arrays


def write_arrays(arrays: Arrays, out: Path) -> Path:
    """Write the arrays of a keypoint file as an .npz, whole or not at all."""
    memory = io.BytesIO()
    np.savez_compressed(memory, **arrays)  # type: ignore[arg-type]
    return write_whole(out, lambda beside: beside.write_bytes(memory.getvalue()))


def sees_people(files: Sequence[Path], model: str | Path | None = None) -> bool:
    """Whether somebody is seen in half of the frames looked at, a few of each video."""
    networks, seen = PoseNetworks(model), []
    for file in files:
        for _, _, picture in stream_video(file, 3, 480):
            found = networks.detect(picture, least=0.6)
            seen.append(any(networks.pose(picture, region).presence > 0.6 for _, region in found[:2]))
    return sum(seen) >= len(seen) / 2
