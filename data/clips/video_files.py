"""Frames out of video files and into them, by PyAV."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphreel.core.atomic_files import write_whole

SUFFIXES = (".mp4", ".avi", ".gif", ".webm", ".mkv", ".mov", ".mpg", ".mpeg")
_ENCODERS = {
    ".mp4": ("libx264", "mpeg4"),
    ".avi": ("mpeg4",),
    ".gif": ("gif",),
    ".webm": ("libvpx-vp9", "libvpx"),
    ".mkv": ("libx264", "mpeg4"),
}


def require_av() -> Any:
    """PyAV, or one sentence that says how to get it."""
    try:
        import av
    except ImportError:
        raise ValueError("videos need the extra `video` (PyAV, scikit-image): pip install 'graphreel[video]'") from None
    return av


def read_frames(path: Path, most: int = 32, height: int = 96) -> Tensor:
    """Read a video as uint8 [frames, height, width, 3].

    Args:
        path: a file that PyAV can read.
        most: at most so many frames, spread evenly.
        height: pictures higher than this are made smaller, with the width in proportion.

    Raises:
        ValueError: the file cannot be read or holds no frames; PyAV is not installed.
        FileNotFoundError: there is no such file.
    """
    av = require_av()
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no video {path}")
    pictures = []
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise ValueError(f"{path.name} is not a readable video: it has no stream of pictures")
            for frame in container.decode(video=0):
                scale = min(1.0, height / frame.height)
                size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
                pictures.append(frame.to_ndarray(format="rgb24", width=size[0], height=size[1]))
    except av.error.FFmpegError as error:
        raise ValueError(f"{path.name} is not a readable video: {error.strerror}") from error
    if not pictures:
        raise ValueError(f"{path.name} holds no frames")
    chosen = np.linspace(0, len(pictures) - 1, min(most, len(pictures))).round().astype(int)
    return torch.from_numpy(np.stack([pictures[i] for i in chosen]))


def write_video(frames: Tensor, path: Path, rate: int = 8) -> None:
    """Write grey [frames, height, width] or coloured [frames, height, width, 3] pictures, uint8, as a video.

    The suffix of the path chooses the format: .mp4, .avi, .gif, .webm or .mkv. The file is written beside and renamed.

    Raises:
        ValueError: no frames, another shape or type, an unknown suffix; PyAV is not installed.
    """
    av = require_av()
    path = Path(path)
    if frames.dtype != torch.uint8 or frames.dim() not in (3, 4) or len(frames) == 0:
        raise ValueError(f"frames must be uint8 [frames, height, width(, 3)], got {frames.dtype} {list(frames.shape)}")
    if path.suffix not in _ENCODERS:
        raise ValueError(f"{path.name} must end in one of {', '.join(_ENCODERS)}")
    encoder = next((name for name in _ENCODERS[path.suffix] if name in av.codecs_available), None)
    if encoder is None:
        raise ValueError(f"this PyAV cannot write {path.suffix}: it has none of {', '.join(_ENCODERS[path.suffix])}")

    def write(beside: Path) -> None:
        with av.open(str(beside), mode="w") as container:
            stream = container.add_stream(encoder, rate=rate)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "rgb8" if encoder == "gif" else "yuv420p"
            if encoder != "gif":
                stream.bit_rate = 2_000_000
            for picture in frames.numpy():
                shaped = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shaped), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    write_whole(path, write)
