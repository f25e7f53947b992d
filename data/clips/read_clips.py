"""A new file read as the clips of a training were."""

from pathlib import Path
from typing import Any

import torch

from .clip import Clip
from .importers.formats import clip_arrays, recognises
from .keypoint_files import Arrays, read_arrays
from .keypoints import keypoint_clips
from .poses import PoseReader
from .video_clips import VideoReader
from .video_files import Video, read_video
from .video_stream import SUFFIXES
from .windows import pose_clip, sizes_of


def read_clips(file: Path, reader: dict[str, Any], pose_model: str | Path | None = None) -> list[Clip]:
    """The clips of a file.

    Args:
        file: a video, an .npz of keypoints, or a clip in a format of importers/.
        reader: the `settings` of the `ClipSplits` that were trained on.
        pose_model: see `pose_model`, for a video whose people are read.

    Raises:
        ValueError: the file is of another kind than the training's, damaged, or does not fit.
        FileNotFoundError: the pose model is not there.
    """
    file = Path(file)
    suffix = file.suffix.lower()
    if "joints" not in reader:
        if suffix not in SUFFIXES:
            raise ValueError(f"the run was trained on videos and expects one of {', '.join(SUFFIXES)}, got {file.name}")
        return [VideoReader(**reader).read(file)]
    features = {name: value for name, value in reader.items() if name != "poses"}
    if "poses" not in reader and recognises(file):
        return keypoint_clips(
            _with_people(clip_arrays(file, features["people"]), features["people"]), file.name, **features
        )
    if "poses" not in reader or suffix == ".npz":
        if suffix != ".npz":
            also = ": make one with `graphreel combined extract`" if suffix in SUFFIXES else ""
            raise ValueError(f"the run was trained on keypoints and expects an .npz, got {file.name}{also}")
        return keypoint_clips(read_arrays(file), file.name, **features)
    if suffix not in SUFFIXES:
        raise ValueError(f"the run was trained on videos and expects one of {', '.join(SUFFIXES)}, got {file.name}")
    clip = pose_clip(PoseReader(**reader["poses"]).read(file, pose_model), file.name, features)
    if clip is None:
        raise ValueError(f"nobody is seen in {file.name}")
    return [clip]


def _with_people(arrays: Arrays, people: int) -> Arrays:
    """The arrays of a clip as those of the training, which have no dimension of people where there is one."""
    return arrays if people > 1 else {**arrays, **{name: arrays[name][:, 0] for name in ("keypoints", "scores")}}


def video_of(file: Path, reader: dict[str, Any], frames: int) -> Video:
    """A video at the moments of its clip's frames."""
    video = read_video(file, *sizes_of(reader))
    shown = torch.linspace(0, len(video.times) - 1, frames).round().long()
    return Video(video.pictures[shown], [video.times[i] for i in shown], [video.numbers[i] for i in shown])
