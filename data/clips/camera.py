"""Pictures of a camera, by OpenCV."""

import time
from collections.abc import Iterator

import numpy as np

from .optical_flow import require_opencv
from .video_stream import Frame


def camera_frames(source: str, every: float, height: int) -> Iterator[Frame]:
    """Pictures of a camera, one for each `every` seconds at most, until it ends.

    Args:
        source: the number of a camera, or whatever else OpenCV opens: a file, or an address of a stream.
        every: seconds from one picture to the next.
        height: higher pictures are made smaller.

    Raises:
        ValueError: OpenCV is not installed, or cannot open the source.
    """
    cv2 = require_opencv()
    live = source.isdecimal() or "://" in source
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    try:
        if not capture.isOpened():
            raise ValueError(f"OpenCV cannot open the camera {source}")
        start, number, due = time.monotonic(), -1, 0.0
        while True:
            there, picture = capture.read()
            if not there:
                if number < 0:
                    raise ValueError(f"the camera {source} gives no pictures")
                return
            number += 1
            now = time.monotonic() - start if live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if now >= due:
                due = max(due + every, now - every)  # one that is too slow does not catch up
                yield number, now, shrunk(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), height)
    finally:
        capture.release()


def shrunk(picture: np.ndarray, height: int) -> np.ndarray:
    """A picture uint8 [height, width, 3] that is at most so high."""
    scale = height / picture.shape[0]
    if scale >= 1:
        return picture
    cv2 = require_opencv()
    return cv2.resize(picture, (max(1, round(picture.shape[1] * scale)), height), interpolation=cv2.INTER_AREA)
