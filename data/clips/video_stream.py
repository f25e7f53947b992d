"""Frames out of video files and into them, one by one, by PyAV; without torch, as whatever reads poses."""

import contextlib
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

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


Frame = tuple[int, float, np.ndarray]  # its number, when it is shown, in seconds, uint8 [height, width, 3]


def stream_video(path: Path, most: int, height: int, every: float = 0.0) -> Iterator[Frame]:
    """Read a video at moments that are evenly spread over its time, however unevenly its frames are.

    Frames are decoded one by one, only the one at hand is kept: (number, time in seconds, uint8 [height, width, 3]).
    They are turned as the file says, pixels that are not square are made so, what is transparent is black, and all get
    the size of the first.

    Args:
        path: a file that PyAV can read.
        most: at most so many frames.
        height: pictures higher than this are made smaller, with the width in proportion.
        every: seconds from one moment to the next; 0 spreads `most` of them over the video.

    Raises:
        ValueError: the file cannot be read or holds no frames; PyAV is not installed.
        FileNotFoundError: there is no such file.
    """
    path, size = Path(path), None
    times, aspect = frame_times(path)
    for number, time, frame in _chosen_frames(path, times, chosen_numbers(times, most, every)):
        turns = round(frame.rotation / 90) % 4
        size = size or _size(frame, turns, height, aspect)
        yield number, time, np.ascontiguousarray(_picture(frame, turns, *size))
    if size is None:
        raise ValueError(f"{path.name} holds no frames")


def frame_times(path: Path) -> tuple[list[float], float]:
    """When the frames of a video are shown, in seconds, in order, without decoding them; and how wide a pixel is.

    A file that does not say when gets its frames' numbers.
    """
    times: list[float] = []
    with _opened(path) as container:
        stream = container.streams.video[0]
        aspect = float(stream.sample_aspect_ratio or 1)
        for packet in container.demux(stream):
            if packet.size:
                time = packet.pts if packet.pts is not None else packet.dts
                times.append(float(time * packet.time_base) if time is not None else math.nan)
    timed = all(map(math.isfinite, times))
    return sorted(times) if timed else [float(number) for number in range(len(times))], aspect or 1.0


def chosen_numbers(times: list[float], most: int, every: float = 0.0) -> list[int]:
    """The frames next to the moments of `stream_video`, of frames at these times."""
    if not times or (len(times) <= most and not every):
        return list(range(len(times)))
    moments = np.arange(times[0], times[-1] + every / 2, every) if every else np.linspace(times[0], times[-1], most)
    shown = np.asarray(times)
    after = np.searchsorted(shown, moments).clip(min(1, len(times) - 1), len(times) - 1)
    before = np.maximum(after - 1, 0)
    chosen = np.where(moments - shown[before] <= shown[after] - moments, before, after)
    return sorted(set(chosen.tolist()))


def _chosen_frames(path: Path, times: list[float], numbers: list[int]) -> Iterator[tuple[int, float, Any]]:
    wanted = set(numbers)
    with _opened(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                yield number, times[number], frame


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A container with pictures; whatever is wrong with it becomes one sentence."""
    av = require_av()
    if not path.is_file():
        raise FileNotFoundError(f"there is no video {path}")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise ValueError(f"{path.name} is not a readable video: it has no stream of pictures")
            container.streams.video[0].thread_type = "AUTO"
            yield container
    except av.error.FFmpegError as error:
        raise ValueError(f"{path.name} is not a readable video: {error.strerror}") from error


def _size(frame: Any, turns: int, height: int, aspect: float) -> tuple[int, int]:
    """Width and height before turning, so that the turned picture is at most `height` high and has square pixels."""
    width, tall = frame.width * aspect, float(frame.height)
    scale = min(1.0, height / (width if turns % 2 else tall))
    return max(1, round(width * scale)), max(1, round(tall * scale))


def _picture(frame: Any, turns: int, width: int, height: int) -> np.ndarray:
    if any(component.is_alpha for component in frame.format.components):
        rgba = frame.to_ndarray(format="rgba", width=width, height=height)
        picture = (rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255).astype(np.uint8)
    else:
        picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    return np.rot90(picture, turns)


def encoder_of(path: Path) -> str:
    """The encoder of a video file that is to be written.

    Raises:
        ValueError: an unknown suffix, or one that PyAV cannot write or is not there to.
    """
    av = require_av()
    if path.suffix not in _ENCODERS:
        raise ValueError(f"{path.name} must end in one of {', '.join(_ENCODERS)}")
    encoder = next((name for name in _ENCODERS[path.suffix] if name in av.codecs_available), None)
    if encoder is None:
        raise ValueError(f"this PyAV cannot write {path.suffix}: it has none of {', '.join(_ENCODERS[path.suffix])}")
    return encoder


def write_pictures(pictures: Iterable[np.ndarray], path: Path, rate: float = 8) -> None:
    """Write pictures uint8 [height, width, 1 or 3], as they come, as a video of constant rate.

    The suffix of the path chooses the format: .mp4, .avi, .gif, .webm or .mkv. The file is written beside and renamed.

    Raises:
        ValueError: see `encoder_of`.
    """
    av, path = require_av(), Path(path)
    encoder = encoder_of(path)

    def write(beside: Path) -> None:
        with av.open(str(beside), mode="w") as container:
            stream = container.add_stream(encoder, rate=Fraction(rate).limit_denominator(1000))
            stream.pix_fmt = "rgb8" if encoder == "gif" else "yuv420p"
            if encoder != "gif":
                stream.bit_rate = 2_000_000
            for picture in pictures:
                if not stream.width:
                    stream.height, stream.width = picture.shape[:2]
                shaped = np.broadcast_to(picture, (*picture.shape[:2], 3))
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shaped), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    write_whole(path, write)
