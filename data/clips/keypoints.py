"""Keypoint clips from .npz files: human skeletons and whatever else has joints."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data_dirs import find, search_folders
from .clip import Clip, ClipSplits, stratified_holdout
from .keypoint_clips import KeypointReader
from .skeletons import Skeleton, skeleton_of


def load_keypoints(
    path: Path,
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    validation: float = 0.15,
    seed: int = 0,
) -> ClipSplits:
    """Load labelled keypoint clips.

    The file holds `keypoints` [frames of all clips, joints, 2 or 3] laid end to end, `lengths` [clips] and `labels`
    [clips], or each of these as `train_...` and `test_...`; optional `scores` [frames, joints], 0 or less where a joint
    is missing (so is one that is not finite), and `edges`, the bones. Without edges the skeleton is told by the number
    of joints: 15 JHMDB, 17 COCO, 25 NTU. Without a test part, a fifth of each class is held out for it.

    Args:
        path: the .npz file.
        velocity: with velocity features.
        distances: with the distances to all joints of the frame as features.
        bones: with the bone to each joint as features, its length and its direction.
        gestures: with small steps of the joints as features, told apart from large ones of the body.
        frames: read every clip at so many moments, evenly spread over it; 0 reads the frames that it has.
        validation: the share of the training clips, of each class, that is held out to choose by.
        seed: of what is held out.

    Raises:
        ValueError: the file is damaged, an array is missing or of another size, a clip has no frames, the joints don't
            match a skeleton, a test label is unseen in training, or there are fewer than two classes or too few clips
            to hold some out.
    """
    path = Path(path)
    arrays = _read(path)
    parted = "train_keypoints" in arrays
    features = dict(velocity=velocity, distances=distances, bones=bones, gestures=gestures, frames=frames)
    labels, reader = {}, None
    parts: dict[str, list[Clip]] = {}
    shapes = {name: list(arrays[name].shape) for name in ("train_keypoints", "test_keypoints") if name in arrays}
    if len({tuple(shape[1:]) for shape in shapes.values()}) > 1:
        found = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{path.name} has {found}: expected the same joints and dimensions in both")
    for part in ("train", "test") if parted else ("all",):
        prefix = "" if part == "all" else f"{part}_"
        if f"{prefix}labels" not in arrays:
            raise ValueError(f"{path.name} has no {prefix}labels")
        labels[part] = _words(arrays[f"{prefix}labels"], f"{prefix}labels", path.name)
    classes = sorted(set(labels["train" if parted else "all"]))
    for part, given in labels.items():
        unseen = sorted(set(given) - set(classes))
        if unseen:
            raise ValueError(f"{part}_labels of {path.name} hold {unseen[0]!r}, which no training clip has")
        clips, reader = _clips(arrays, "" if part == "all" else f"{part}_", path.name, features)
        if len(clips) != len(given):
            where = f" in its {part} part" if parted else ""
            raise ValueError(f"{path.name} has {len(given)} labels for {len(clips)} clips{where}")
        for clip, label in zip(clips, given, strict=True):
            clip.y = torch.tensor([classes.index(label)])
        parts[part] = clips
    if len(classes) < 2:
        raise ValueError(f"{path.name} has clips of {len(classes)} classes: expected at least 2")
    assert reader is not None
    training = parts["train" if parted else "all"]
    testing = parts.get("test")
    if testing is None:
        kept, held = stratified_holdout(torch.cat([clip.y for clip in training]), 0.2, seed)
        training, testing = [training[i] for i in kept], [training[i] for i in held]
    kept, held = stratified_holdout(torch.cat([clip.y for clip in training]), validation, seed)
    if not held or not testing:
        raise ValueError(
            f"{path.name} has {len(labels['train' if parted else 'all'])} clips of {len(classes)} classes, too few to "
            f"hold out a {'validation' if testing else 'test'} part: expected at least {2 if parted else 3} of a class"
        )
    dimensions = training[0].pos.size(1)
    bones_read = [list(bone) for bone in reader.skeleton.bones]
    settings = {**features, "joints": reader.skeleton.joints, "edges": bones_read}
    return ClipSplits(
        path.stem,
        [training[i] for i in kept],
        [training[i] for i in held],
        testing,
        classes,
        reader.timeless(dimensions),
        reader.varied,
        reader.mirror,
        settings,
    )


def load_jhmdb(
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    validation: float = 0.15,
    seed: int = 0,
) -> ClipSplits:
    """JHMDB (Jhuang et al., 2013), split 1: 15 joints of people in 609 short videos, 14 actions. See `load_keypoints`.

    Raises:
        FileNotFoundError: `jhmdb/jhmdb_split1.npz` is not among the data.
    """
    path = find("jhmdb/jhmdb_split1.npz", "jhmdb_split1.npz")
    if path is None:
        raise FileNotFoundError(
            f"jhmdb needs jhmdb/jhmdb_split1.npz below {' or '.join(str(f) for f in search_folders())}; "
            "use digits, whose clips are embedded, or a keypoint .npz of your own"
        )
    return load_keypoints(path, velocity, distances, bones, gestures, frames, validation, seed)


def read_keypoints(
    path: Path,
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    joints: int | None = None,
    edges: list[list[int]] | None = None,
) -> list[Clip]:
    """The clips of a file without labels: `keypoints`, with `lengths` where there is more than one clip.

    The options are those that `load_keypoints` leaves in `settings`: what is read is then what a model was trained on.

    Args:
        path: the .npz file.
        velocity, distances, bones, gestures: which features.
        frames: moments of every clip, or 0.
        joints: how many joints there must be.
        edges: the bones, in place of the built-in skeleton; a file that brings its own must bring the same.

    Raises:
        ValueError: as `load_keypoints`, and other joints or bones than those expected.
    """
    arrays = _read(Path(path))
    found = arrays["keypoints"].shape[1] if "keypoints" in arrays and arrays["keypoints"].ndim == 3 else joints
    if joints is not None and found != joints:
        raise ValueError(f"{Path(path).name} has {found} joints, but the skeleton has {joints}")
    features = dict(velocity=velocity, distances=distances, bones=bones, gestures=gestures, frames=frames)
    expected = None if edges is None or found is None else reader_of(found, edges).skeleton
    clips, reader = _clips(arrays, "", Path(path).name, features, expected)
    if expected not in (None, reader.skeleton):
        raise ValueError(f"{Path(path).name} has other edges between the joints than the skeleton")
    return clips


def reader_of(joints: int, edges: list[list[int]], **features: Any) -> KeypointReader:
    """The reader that the `settings` of `load_keypoints` describe."""
    # [2, bones], which two bones cannot be taken for the other form of
    return KeypointReader(skeleton_of(joints, torch.tensor(edges, dtype=torch.long).view(-1, 2).t()), **features)


def _read(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as handle:
        try:
            with np.load(handle, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except Exception as error:  # a damaged archive fails in any way
            raise ValueError(f"{path.name} is not a readable .npz of plain arrays: {error}") from error


def _clips(
    arrays: dict[str, np.ndarray], prefix: str, file: str, features: dict[str, Any], skeleton: Skeleton | None = None
) -> tuple[list[Clip], KeypointReader]:
    """The clips of a file, and what read them; `skeleton` is for a file without `edges`."""
    name = f"{prefix}keypoints"
    if name not in arrays:
        raise ValueError(f"{file} has no {name}: it holds {', '.join(arrays) or 'nothing'}")
    keypoints = _floats(arrays[name], name, file)
    if keypoints.dim() != 3 or keypoints.size(2) not in (2, 3):
        raise ValueError(f"{name} of {file} must be [frames, joints, 2 or 3], got {list(keypoints.shape)}")
    lengths = arrays.get(f"{prefix}lengths", np.array([len(keypoints)]))
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or int(lengths.sum()) != len(keypoints):
        raise ValueError(f"{prefix}lengths of {file} must sum to the {len(keypoints)} frames of {name}")
    if len(lengths) == 0:
        raise ValueError(f"{prefix}lengths of {file} is empty: expected at least one clip")
    if (lengths < 1).any():
        raise ValueError(f"clip {int(lengths.argmin())} of {file} has no frames: a clip needs at least one")
    scores = _floats(arrays[f"{prefix}scores"], f"{prefix}scores", file) if f"{prefix}scores" in arrays else None
    if scores is not None and scores.shape != keypoints.shape[:2]:
        raise ValueError(f"{prefix}scores of {file} must be {list(keypoints.shape[:2])}, got {list(scores.shape)}")
    if "edges" in arrays or skeleton is None:
        edges = _joints(arrays["edges"], file) if "edges" in arrays else None
        skeleton = skeleton_of(keypoints.size(1), edges, file)
    reader = KeypointReader(skeleton, **features)
    sizes = lengths.tolist()
    each = scores.split(sizes) if scores is not None else [None] * len(sizes)
    clips = []
    for number, (places, score) in enumerate(zip(keypoints.split(sizes), each, strict=True)):
        try:
            clips.append(reader.clip(places, None, score))
        except ValueError as error:
            raise ValueError(f"{name} of {file}, clip {number}: {error}") from None
    return clips, reader


def _words(array: np.ndarray, name: str, file: str) -> list[str]:
    if array.ndim != 1:
        raise ValueError(f"{name} of {file} must be [clips], got {list(array.shape)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} of {file} hold a number that is NaN or infinite: expected a label for every clip")
    array = np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
    return [str(label) for label in array.tolist()]


def _joints(edges: np.ndarray, file: str) -> Tensor:
    whole = edges.dtype.kind in "iu" or (edges.dtype.kind == "f" and bool((edges == np.round(edges)).all()))
    if not whole:
        raise ValueError(f"edges of {file} must be numbers of joints, whole ones, got {edges.dtype}")
    return torch.from_numpy(edges.astype(np.int64))


def _floats(array: np.ndarray, name: str, file: str) -> Tensor:
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} of {file} must be numbers, got {array.dtype}")
    return torch.from_numpy(array.astype(np.float32))
