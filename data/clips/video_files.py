"""Videos as tensors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .video_stream import stream_video, write_pictures


@dataclass(frozen=True)
class Video:
    """Pictures of a video: uint8 [frames, height, width, 3], when each is shown, in seconds, and its number."""

    pictures: Tensor
    times: list[float]
    numbers: list[int]


def read_video(path: Path, most: int = 32, height: int = 96) -> Video:
    """The pictures of `stream_video`, all at once."""
    pictures, times, numbers = [], [], []
    for number, time, picture in stream_video(path, most, height):
        pictures.append(picture)
        times.append(time)
        numbers.append(number)
    return Video(torch.from_numpy(np.stack(pictures)), times, numbers)


def read_frames(path: Path, most: int = 32, height: int = 96) -> Tensor:
    """The pictures of `read_video`."""
    return read_video(path, most, height).pictures


def write_video(frames: Tensor, path: Path, rate: int = 8) -> None:
    """Write grey [frames, height, width] or coloured [frames, height, width, 3] pictures, uint8, as a video.

    Raises:
        ValueError: no frames, another shape or type, an unknown suffix; PyAV is not installed.
    """
    if frames.dtype != torch.uint8 or frames.dim() not in (3, 4) or len(frames) == 0:
        raise ValueError(f"frames must be uint8 [frames, height, width(, 3)], got {frames.dtype} {list(frames.shape)}")
    write_pictures((picture if picture.ndim == 3 else picture[..., None] for picture in frames.numpy()), path, rate)
