"""One clip of keypoints, in whichever format it is: the reader that fits, and its arrays."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..keypoint_files import Arrays
from ..skeletons import SKELETONS
from . import clip_csv, coco, mediapipe, ntu, openpose
from .recording import Recording

NAMES = (
    "COCO's or MediaPipe's JSON, a folder of OpenPose's JSON, NTU's .skeleton, or a .csv with columns as nose_x,nose_y"
)


def recognises(path: Path) -> bool:
    """Whether a path may be a clip in one of the formats, by its name or, of a .csv, its head."""
    return path.suffix.lower() in (".json", ".skeleton") or clip_csv.recognises(path) or openpose.recognises(path)


def read_recording(path: Path) -> Recording:
    """The people in a clip.

    Raises:
        ValueError: it is in none of the formats, or damaged.
    """
    if openpose.recognises(path):
        return openpose.read(path)
    if path.suffix.lower() == ".skeleton":
        return ntu.read(path)
    if clip_csv.recognises(path):
        return clip_csv.read(path)
    if path.suffix.lower() != ".json":
        raise ValueError(f"{path.name} is none of: {NAMES}")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from None
    for form in (coco, mediapipe):
        if form.recognises(content):
            try:
                return form.read(content, path)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ValueError(f"{path.name} is damaged: {error!r}") from None
    raise ValueError(f"{path.name} is none of: {NAMES}")


def clip_arrays(path: Path, people: int) -> Arrays:
    """The arrays of a keypoint file with one clip; `notes` [notes] say what was guessed.

    Raises:
        ValueError: as `read_recording`, or nobody is in any frame.
    """
    recording = read_recording(path)
    try:
        joints, scores = recording.arrays(people)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    arrays: dict[str, Any] = {"keypoints": joints, "scores": scores, "lengths": np.array([len(joints)])}
    if recording.skeleton:
        arrays["skeleton"] = np.array(recording.skeleton)
    for name in ("edges", "pairs"):
        if getattr(recording, name) is not None:
            arrays[name] = np.array(getattr(recording, name))
    known = SKELETONS.get(joints.shape[2])
    if "edges" not in arrays and "skeleton" not in arrays and known is not None:
        arrays["skeleton"] = np.array(known.name)
    arrays["notes"] = np.array(recording.notes, dtype=str)
    return arrays
