"""COCO's keypoint JSON, and its results as detectors write them (AlphaPose, MMPose, Detectron2)."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from .recording import Recording, Seen


def recognises(content: Any) -> bool:
    """Annotations with `keypoints`, in a dictionary as COCO's or in a list as of results."""
    found = content.get("annotations") if isinstance(content, dict) else content
    return isinstance(found, list) and bool(found) and isinstance(found[0], dict) and "keypoints" in found[0]


def read(content: Any, path: Path) -> Recording:
    """One clip: an annotation is a person, `keypoints` [3 * joints] are x, y and score (of COCO 0, 1 or 2).

    Frames are the images in the order of `frame_id`, else of their names; without images, of `image_id`. Who somebody
    is says `track_id`, `person_id` or `idx`. Joints that are not COCO's 17 have `skeleton` and `keypoints`, their
    names, in the category: left_ and right_ are pairs.
    """
    dictionary = content if isinstance(content, dict) else {"annotations": content}
    images = dictionary.get("images") or []
    order = [image["id"] for image in sorted(images, key=_place)]
    if not order:
        order = sorted({one["image_id"] for one in dictionary["annotations"]}, key=lambda name: _numbers(str(name)))
    place = {image: t for t, image in enumerate(order)}
    frames: list[list[Seen]] = [[] for _ in order]
    for one in dictionary["annotations"]:
        who = next((one[key] for key in ("track_id", "person_id", "idx") if one.get(key) is not None), None)
        frames[place[one["image_id"]]].append(Seen.of(np.array(one["keypoints"], dtype=np.float64), who))
    joints = len(next(seen[0] for seen in frames if seen).joints)
    if joints == 17:
        return Recording(frames, skeleton="COCO-17")
    categories: list[dict[str, Any]] = dictionary.get("categories") or []
    named = next((one for one in categories if one.get("keypoints")), {})
    bones = [(a - 1, b - 1) for a, b in named.get("skeleton") or []] or None
    return Recording(frames, edges=bones, pairs=pairs_of(named.get("keypoints") or []) or None)


def pairs_of(names: list[str]) -> list[tuple[int, int]]:
    """Joints that a mirror swaps, by names with left and right (or l_ and r_) in them."""
    found = []
    for number, name in enumerate(names):
        other = (
            re.sub(r"left", "right", name.lower())
            if "left" in name.lower()
            else re.sub(r"^l(?=[_ ])", "r", name.lower())
        )
        lower = [one.lower() for one in names]
        if other != name.lower() and other in lower:
            found.append((number, lower.index(other)))
    return found


def _place(image: dict[str, Any]) -> Any:
    return (0, [image["frame_id"]]) if "frame_id" in image else (1, _numbers(str(image.get("file_name", image["id"]))))


def _numbers(name: str) -> list[Any]:
    """A name by which frame_10 comes after frame_9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
