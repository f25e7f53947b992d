"""OpenPose's folders: a JSON for every frame of a clip."""

import json
from pathlib import Path

import numpy as np

from .recording import Recording, Seen

_ENDING = "_keypoints.json"
_SKELETONS = {18: "OpenPose-18", 25: "OpenPose-25"}


def recognises(path: Path) -> bool:
    """A folder with files NAME_000000000000_keypoints.json."""
    return path.is_dir() and next(path.glob(f"*{_ENDING}"), None) is not None


def read(path: Path) -> Recording:
    """One clip: frames in the order of the files' names; `people` have `pose_keypoints_2d` [3 * joints]: x, y, score.

    Raises:
        ValueError: a file is no JSON of OpenPose's.
    """
    frames = []
    for file in sorted(one for one in path.glob(f"*{_ENDING}") if not one.name.startswith(".")):
        try:
            people = json.loads(file.read_text(encoding="utf-8"))["people"]
            given = [np.array(one["pose_keypoints_2d"], dtype=np.float64).reshape(-1, 3) for one in people]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}/{file.name} is not a frame of OpenPose's: {error!r}") from None
        frames.append([Seen.of(rows) for rows in given if len(rows)])
    joints = next((len(seen[0].joints) for seen in frames if seen), 0)
    return Recording(frames, skeleton=_SKELETONS.get(joints))
