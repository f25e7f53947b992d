"""A new file read as the clips of a training were."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .clip import Clip
from .keypoint_files import read_arrays
from .keypoints import keypoint_clips
from .poses import PoseReader
from .video_clips import VideoReader
from .video_files import SUFFIXES, read_frames


def read_clips(file: Path, reader: dict[str, Any], pose_model: str | Path | None = None) -> list[Clip]:
    """The clips of a file.

    Args:
        file: a video, or an .npz of keypoints.
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
    if "poses" not in reader or suffix == ".npz":
        if suffix != ".npz":
            also = ": make one with `graphreel combined extract`" if suffix in SUFFIXES else ""
            raise ValueError(f"the run was trained on keypoints and expects an .npz, got {file.name}{also}")
        return keypoint_clips(read_arrays(file), file.name, **features)
    if suffix not in SUFFIXES:
        raise ValueError(f"the run was trained on videos and expects one of {', '.join(SUFFIXES)}, got {file.name}")
    found = PoseReader(**reader["poses"]).read(file, pose_model)
    if not np.isfinite(found["joints"]).any():
        raise ValueError(f"nobody is seen in {file.name}")
    arrays = {"keypoints": found["joints"], "scores": found["scores"]}
    clips = keypoint_clips(arrays, file.name, **features)
    clips[0].canvas = torch.from_numpy(found["size"])[None]
    return clips


def pictures_of(file: Path, reader: dict[str, Any], frames: int) -> Tensor:
    """The pictures of a video at the moments of its clip, uint8 [frames, height, width, 3]."""
    sizes = reader.get("poses", reader)
    pictures = read_frames(file, sizes["most"], sizes["height"])
    return pictures[torch.linspace(0, len(pictures) - 1, frames).round().long()]
