"""How pixels move from one picture to the next: dense optical flow (DIS; Kroeger et al., 2016), by OpenCV."""

from typing import Any

import numpy as np


def require_opencv() -> Any:
    """OpenCV, or one sentence that says how to get it."""
    try:
        import cv2
    except ImportError:
        raise ValueError("videos need the extra `video` (PyAV, OpenCV): pip install 'graphreel[video]'") from None
    return cv2


def motion(pictures: np.ndarray) -> np.ndarray:
    """What moves in every picture since the one before, [frames, height, width, 3], of pictures uint8 [..., 3].

    The optical flow in x and y, in pixels, and the difference of grey, 0 .. 1. The first picture, which has none before
    it, gets the motion to the second; a single one has none.
    """
    cv2 = require_opencv()
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in np.ascontiguousarray(pictures)]
    found = np.zeros((*pictures.shape[:3], 3), dtype=np.float32)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST) if min(grey[0].shape) >= 12 else None
    for t in range(1, len(grey)):
        if flow is not None:  # it looks at blocks that smaller pictures do not hold
            found[t, ..., :2] = flow.calc(grey[t - 1], grey[t], None)
        found[t, ..., 2] = np.abs(grey[t].astype(np.float32) - grey[t - 1]) / 255
    found[:1] = found[1:2] if len(grey) > 1 else 0
    return found
