"""MediaPipe's landmarks of a body (33) or of hands (21), as JSON of the frames of a clip."""

from pathlib import Path
from typing import Any

import numpy as np

from .recording import Recording, Seen

_KEYS = ("pose_landmarks", "poseLandmarks", "hand_landmarks", "multi_hand_landmarks", "landmarks", "landmark")
_SKELETONS = {33: "BlazePose-33", 21: "hand-21"}


def recognises(content: Any) -> bool:
    """A list of frames, or `frames` in a dictionary, in one of which there are landmarks with x and y."""
    return any(_people(frame) for frame in _frames(content))


def read(content: Any, path: Path) -> Recording:
    """One clip: a frame is a list of landmarks {x, y, z, visibility}, or of people with these, or null for nobody.

    Under whichever of MediaPipe's names they stand in it: `pose_landmarks`, `hand_landmarks`, `landmark` ... Places are
    shares of the picture, so a dictionary should say `width` and `height` beside `frames`. z, which is not in their
    units, is left out; visibility is the score, 1 where there is none.
    """
    size = np.array([content.get("width") or 1, content.get("height") or 1] if isinstance(content, dict) else [1, 1])
    frames = []
    for frame in _frames(content):
        seen = []
        for landmarks in _people(frame):
            places = np.array([(one["x"], one["y"]) for one in landmarks], dtype=np.float64) * size
            scores = [one.get("visibility", one.get("presence")) for one in landmarks]
            seen.append(Seen(places, np.array([1.0 if s is None else max(float(s), 1e-3) for s in scores], np.float64)))
        frames.append(seen)
    notes = (
        [] if size.max() > 1 else ["places are shares of the picture, whose width and height are not said: taken alike"]
    )
    joints = next((len(seen[0].joints) for seen in frames if seen), 0)
    return Recording(frames, skeleton=_SKELETONS.get(joints), notes=notes)


def _frames(content: Any) -> list[Any]:
    if isinstance(content, dict):
        content = content.get("frames")
    return content if isinstance(content, list) else []


def _people(frame: Any) -> list[list[dict[str, Any]]]:
    """The landmarks of everybody in a frame."""
    if isinstance(frame, dict):
        return next((_people(frame[key]) for key in _KEYS if frame.get(key)), [])
    if not isinstance(frame, list) or not frame:
        return []
    if isinstance(frame[0], dict) and "x" in frame[0]:
        return [frame]
    return [landmarks for one in frame for landmarks in _people(one)]
