"""The arrays of a keypoint file, in whichever of the usual layouts, brought to one."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..npy_files import read_npz
from .skeletons import Skeleton, skeleton_of

Arrays = dict[str, np.ndarray]
_ARRAYS = ("keypoints", "scores", "lengths", "labels", "groups", "files", "edges", "pairs", "skeleton")
THIRD = ("auto", "depth", "score")


@dataclass(frozen=True)
class KeypointPart:
    """Clips of one file, or of its training or test part.

    Attributes:
        places: of each clip [frames, people * joints, 2 or 3], float64.
        scores: of each clip [frames, people * joints], or None.
        labels, groups: of each clip, as text, or None; a group is the recording or the person.
        skeleton: with the people.
    """

    places: list[Tensor]
    scores: list[Tensor] | list[None]
    labels: list[str] | None
    groups: list[str] | None
    files: list[str] | None
    skeleton: Skeleton


def read_arrays(path: Path) -> Arrays:
    """The arrays of an .npz that clips are made of. Others stay unread.

    Raises:
        ValueError: as `read_npy`, or there are no keypoints.
    """

    def known(members: list[str]) -> list[str]:
        if not {"keypoints", "train_keypoints"} & set(members):
            raise ValueError(f"it has no keypoints: it holds {', '.join(members[:9]) or 'nothing'}")
        return [name for name in members if name.removeprefix("train_").removeprefix("test_") in _ARRAYS]

    return read_npz(path, known)


def read_part(
    arrays: Arrays, prefix: str, file: str, notes: list[str], third: str = "auto", skeleton: Skeleton | None = None
) -> KeypointPart:
    """One part of a file.

    `keypoints` are [frames of all clips, joints, 2 or 3] laid end to end with `lengths` [clips], or with people
    [frames, people, joints, 2 or 3]; or clip by clip, [clips, frames, joints, 2 or 3] or [clips, frames, people,
    joints, 2 or 3], where `lengths` say how many frames of each are real. A third column is depth, or a score.

    Args:
        prefix: of the names of the arrays: "", "train_" or "test_".
        notes: what is guessed is added to them.
        third: what a third column is: auto, depth or score.
        skeleton: for a file that names none and has no `edges`.

    Raises:
        ValueError: an array is missing, of another size, or could be read in two ways.
    """
    name = f"{prefix}keypoints"
    if name not in arrays:
        raise ValueError(f"{file} has no {name}: it holds {', '.join(arrays) or 'nothing'}")
    keypoints = _floats(arrays[name], name, file)
    labels, groups, files = (
        _words(arrays[f"{prefix}{key}"], f"{prefix}{key}", file) if f"{prefix}{key}" in arrays else None
        for key in ("labels", "groups", "files")
    )
    if keypoints.dim() not in (3, 4, 5) or keypoints.size(-1) not in (2, 3):
        raise ValueError(f"{name} of {file} must be [frames, joints, 2 or 3], got {list(keypoints.shape)}")
    scores = _floats(arrays[f"{prefix}scores"], f"{prefix}scores", file) if f"{prefix}scores" in arrays else None
    if scores is not None and scores.shape != keypoints.shape[:-1]:
        raise ValueError(f"{prefix}scores of {file} must be {list(keypoints.shape[:-1])}, got {list(scores.shape)}")
    if keypoints.size(-1) == 3 and (third == "score" or (third == "auto" and _are_scores(keypoints, name, file))):
        if scores is not None:
            raise ValueError(f"{file} has {prefix}scores, and a third column of {name} that is none of depth")
        notes.append(f"{file}: the third column of {name} is read as a score (all of it lies from 0 to 1)")
        keypoints, scores = keypoints[..., :2], keypoints[..., 2]
    elif keypoints.size(-1) == 3 and third == "auto":
        notes.append(f"{file}: the third column of {name} is read as depth (it is not all from 0 to 1): see --third")
    lengths = arrays.get(f"{prefix}lengths")
    if lengths is not None and (lengths.ndim != 1 or lengths.dtype.kind not in "iu"):
        raise ValueError(f"{prefix}lengths of {file} must be whole numbers [clips], got {lengths.dtype}")
    by_clip = keypoints.dim() == 5 or (keypoints.dim() == 4 and _is_by_clip(keypoints, lengths, labels))
    if by_clip:
        if keypoints.dim() == 4:
            notes.append(f"{file}: {name} {list(keypoints.shape)} are read as [clips, frames, joints, coordinates]")
        places, each = _clip_by_clip(keypoints, scores, lengths, prefix, file)
    else:
        places, each = _end_to_end(keypoints, scores, lengths, prefix, file)
    people = places[0].size(1) if places[0].dim() == 4 else 1
    joints = places[0].size(-2)
    if skeleton is None or any(key in arrays for key in ("edges", "skeleton")):
        edges, pairs = (_joints(arrays[key], key, file) if key in arrays else None for key in ("edges", "pairs"))
        known = str(arrays["skeleton"]) if "skeleton" in arrays else None
        skeleton = skeleton_of(joints, edges, file, pairs, known)
    skeleton = replace(skeleton, people=people)
    for key, words in (("labels", labels), ("groups", groups), ("files", files)):
        if words is not None and len(words) != len(places):
            where = f" in its {prefix[:-1]} part" if prefix else ""
            raise ValueError(f"{file} has {len(words)} {key} for {len(places)} clips{where}")
    flat = [clip.flatten(1, 2) if clip.dim() == 4 else clip for clip in places]
    seen = [score.flatten(1) if score is not None else None for score in each]
    return KeypointPart(flat, seen, labels, groups, files, skeleton)  # type: ignore[arg-type]


def _is_by_clip(keypoints: Tensor, lengths: np.ndarray | None, labels: list[str] | None) -> bool:
    """Whether the first dimension of four counts clips, not frames."""
    if lengths is not None:
        return int(lengths.sum()) != len(keypoints) and len(lengths) == len(keypoints)
    return labels is not None and len(labels) == len(keypoints)


def _are_scores(keypoints: Tensor, name: str, file: str) -> bool:
    places, third = keypoints[..., :2], keypoints[..., 2]
    third, known = third[third.isfinite()], places[places.isfinite()]
    if len(third) == 0 or float(third.min()) < 0 or float(third.max()) > 1:
        return False
    if float(known.min()) >= 0 and float(known.max()) <= 1 and float(third.max() - third.min()) > 0:
        raise ValueError(
            f"the third column of {name} of {file} lies from 0 to 1 like the places: say --third score or --third depth"
        )
    return True


def _clip_by_clip(
    keypoints: Tensor, scores: Tensor | None, lengths: np.ndarray | None, prefix: str, file: str
) -> tuple[list[Tensor], list[Tensor | None]]:
    sizes = [keypoints.size(1)] * len(keypoints) if lengths is None else lengths.tolist()
    if len(sizes) != len(keypoints) or any(not 1 <= size <= keypoints.size(1) for size in sizes):
        raise ValueError(
            f"{prefix}lengths of {file} must be [{len(keypoints)}], each from 1 to {keypoints.size(1)} frames"
        )
    each: list[Tensor | None] = [None] * len(sizes)
    if scores is not None:
        each = [own[:size] for own, size in zip(scores, sizes, strict=True)]
    return [own[:size] for own, size in zip(keypoints, sizes, strict=True)], each


def _end_to_end(
    keypoints: Tensor, scores: Tensor | None, lengths: np.ndarray | None, prefix: str, file: str
) -> tuple[list[Tensor], list[Tensor | None]]:
    lengths = np.array([len(keypoints)]) if lengths is None else lengths
    if int(lengths.sum()) != len(keypoints):
        raise ValueError(f"{prefix}lengths of {file} must sum to the {len(keypoints)} frames of {prefix}keypoints")
    if len(lengths) == 0:
        raise ValueError(f"{prefix}lengths of {file} is empty: expected at least one clip")
    if (lengths < 1).any():
        raise ValueError(f"clip {int(lengths.argmin())} of {file} has no frames: a clip needs at least one")
    sizes = lengths.tolist()
    each: list[Tensor | None] = [None] * len(sizes)
    if scores is not None:
        each = list(scores.split(sizes))
    return list(keypoints.split(sizes)), each


def _words(array: np.ndarray, name: str, file: str) -> list[str]:
    if array.ndim != 1:
        raise ValueError(f"{name} of {file} must be [clips], got {list(array.shape)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} of {file} hold a number that is NaN or infinite: expected a label for every clip")
    array = np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
    return [str(label) for label in array.tolist()]


def _joints(pairs: np.ndarray, name: str, file: str) -> Tensor:
    whole = pairs.dtype.kind in "iu" or (pairs.dtype.kind == "f" and bool((pairs == np.round(pairs)).all()))
    if not whole:
        raise ValueError(f"{name} of {file} must be numbers of joints, whole ones, got {pairs.dtype}")
    return torch.from_numpy(pairs.astype(np.int64))


def _floats(array: np.ndarray, name: str, file: str) -> Tensor:
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} of {file} must be numbers, got {array.dtype}")
    return torch.from_numpy(array.astype(np.float64))
