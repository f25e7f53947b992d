"""Keypoint clips from .npz files: human skeletons and whatever else has joints."""

from pathlib import Path
from typing import Any

import torch

from ..data_dirs import find, search_folders
from .clip import Clip
from .keypoint_clips import KeypointReader
from .keypoint_files import THIRD, Arrays, KeypointPart, read_arrays, read_part
from .skeletons import skeleton_of
from .splits import ClipSplits, Split, recordings, shared_recording


def load_keypoints(
    path: Path,
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    validation: float = 0.15,
    seed: int = 0,
    third: str = "auto",
    split_by: str = "",
    folds: int = 0,
) -> ClipSplits:
    """Load labelled keypoint clips.

    The file holds `keypoints`, `lengths` and `labels` [clips], in one of the layouts of `read_part`, or each of these
    as `train_...` and `test_...`; optional `scores`, 0 or less where a joint is missing (so is one that is not finite),
    `edges`, the bones, `pairs`, joints that a mirror swaps, `skeleton`, the name of a known one, and `groups` [clips],
    the recording or person, by which clips are then split. Without edges the skeleton is told by the number of joints.
    Without a test part, a fifth of each class, or of the groups, is held out for it.

    Args:
        velocity: with velocity features.
        distances: with the distances to all joints of the frame as features.
        bones: with the bone to each joint as features, its length and its direction.
        gestures: with small steps of the joints as features, told apart from large ones of the body.
        frames: read every clip at so many moments, evenly spread over it; 0 reads the frames that it has.
        validation: the share of the training clips, of each class, that is held out to choose by.
        seed: of what is held out.
        third: what a third coordinate is: depth, score, or auto where that is clear.
        split_by, folds: see `Split`; the pattern is searched in `files` [clips], which `combined extract` writes.

    Raises:
        ValueError: the file is damaged, an array is missing or of another size, a clip has no frames, the joints don't
            match a skeleton, a test label is unseen in training, or there are fewer than two classes or too few clips
            to hold some out.
    """
    path = Path(path)
    features = dict(velocity=velocity, distances=distances, bones=bones, gestures=gestures, frames=frames)
    split = Split(validation=validation, folds=folds, split_by=split_by, seed=seed)
    return splits_of(read_arrays(path), path.name, features, split, third)


def splits_of(
    arrays: Arrays,
    file: str,
    features: dict[str, Any],
    split: Split,
    third: str = "auto",
    notes: list[str] | None = None,
    tested: list[int] | None = None,
) -> ClipSplits:
    """The clips of the arrays of a file, split: see `load_keypoints`; `tested` are the test part where it has none."""
    if third not in THIRD:
        raise ValueError(f"third must be one of {', '.join(THIRD)}, got {third!r}")
    notes = [] if notes is None else notes
    prefixes = ("train_", "test_") if "train_keypoints" in arrays else ("",)
    shapes = {name: list(arrays[name].shape) for name in ("train_keypoints", "test_keypoints") if name in arrays}
    if len({tuple(shape[1:]) for shape in shapes.values()}) > 1 and all(len(s) == 3 for s in shapes.values()):
        found = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{file} has {found}: expected the same joints and dimensions in both")
    for prefix in prefixes:
        if f"{prefix}labels" not in arrays:
            raise ValueError(f"{file} has no {prefix}labels")
    parts = [read_part(arrays, prefix, file, notes, third) for prefix in prefixes]
    classes = sorted(set(parts[0].labels or []))
    for prefix, part in zip(prefixes, parts, strict=True):
        unseen = sorted(set(part.labels or []) - set(classes))
        if unseen:
            raise ValueError(f"{prefix}labels of {file} hold {unseen[0]!r}, which no training clip has")
    if len(classes) < 2:
        raise ValueError(f"{file} has clips of {len(classes)} classes: expected at least 2")
    reader = KeypointReader(parts[0].skeleton, **features)
    clips = [
        clip
        for part, prefix in zip(parts, prefixes, strict=True)
        for clip in _clips(part, reader, prefix, file, classes)
    ]
    first = len(parts[0].places)
    tested = list(range(first, len(clips))) if len(parts) == 2 else tested
    groups = _groups(parts, [int(clip.y) for clip in clips], split, file, notes)
    skeleton = reader.skeleton
    if not skeleton.pairs:
        notes.append(f"{file}: nothing says which joints are left and right, so clips are not mirrored; add `pairs`")
    settings = {**features, "joints": skeleton.joints, "edges": [list(bone) for bone in skeleton.bones]}
    settings |= {"pairs": [list(pair) for pair in skeleton.pairs], "people": skeleton.people, "third": third}
    made = ClipSplits(
        Path(file).stem, [], [], [], classes, reader.timeless(clips[0].pos.size(1)), reader.varied, reader.mirror,
        settings, notes,
    )  # fmt: skip
    return split.of(made, clips, file, groups, tested)


def load_jhmdb(
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    validation: float = 0.15,
    seed: int = 0,
    folds: int = 0,
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
    return load_keypoints(path, velocity, distances, bones, gestures, frames, validation, seed, folds=folds)


def read_keypoints(path: Path, **settings: Any) -> list[Clip]:
    """The clips of a file without labels, see `keypoint_clips`."""
    return keypoint_clips(read_arrays(Path(path)), Path(path).name, **settings)


def keypoint_clips(
    arrays: Arrays,
    file: str,
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    joints: int | None = None,
    edges: list[list[int]] | None = None,
    pairs: list[list[int]] | None = None,
    people: int = 1,
    third: str = "auto",
) -> list[Clip]:
    """The clips of arrays without labels: `keypoints`, with `lengths` where there is more than one clip.

    The options are those that `load_keypoints` leaves in `settings`: what is read is then what a model was trained on.

    Args:
        arrays, file: of the file, and its name.
        velocity, distances, bones, gestures: which features.
        frames: moments of every clip, or 0.
        joints: how many joints there must be.
        edges: the bones, in place of the built-in skeleton; a file that brings its own must bring the same.
        pairs: joints that a mirror swaps; None: those of the built-in skeleton.
        people: how many there must be.
        third: what a third coordinate is.

    Raises:
        ValueError: as `load_keypoints`, and other joints or bones than those expected.
    """
    given = arrays.get("keypoints")
    found = joints if given is None or given.ndim < 2 else given.shape[-2]
    if joints is not None and found != joints:
        raise ValueError(f"{file} has {found} joints, but the skeleton has {joints}")
    features: dict[str, Any] = dict(velocity=velocity, distances=distances, bones=bones, gestures=gestures)
    expected = None
    if edges is not None and joints is not None:
        expected = reader_of(joints, edges, pairs=pairs, people=people).skeleton
    part = read_part(arrays, "", file, [], third, expected)
    if expected is not None and part.skeleton.people != people:
        raise ValueError(f"{file} has {part.skeleton.people} people in a frame, but the training clips had {people}")
    if expected is not None and sorted(part.skeleton.bones) != sorted(expected.bones):
        raise ValueError(f"{file} has other edges between the joints than the skeleton")
    return _clips(part, KeypointReader(expected or part.skeleton, **features, frames=frames), "", file, None)


def reader_of(
    joints: int,
    edges: list[list[int]],
    pairs: list[list[int]] | None = None,
    people: int = 1,
    third: str = "auto",
    poses: Any = None,
    **features: Any,
) -> KeypointReader:
    """The reader that the `settings` of `load_keypoints` describe."""
    # [2, bones], which two bones cannot be taken for the other form of
    bones = torch.tensor(edges, dtype=torch.long).view(-1, 2).t()
    swapped = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t() if pairs is not None else None
    return KeypointReader(skeleton_of(joints, bones, pairs=swapped, people=people), **features)


def _clips(part: KeypointPart, reader: KeypointReader, prefix: str, file: str, classes: list[str] | None) -> list[Clip]:
    clips = []
    for number, (places, score) in enumerate(zip(part.places, part.scores, strict=True)):
        label = classes.index(part.labels[number]) if classes is not None and part.labels is not None else None
        try:
            clip = reader.clip(places, label, score)
        except ValueError as error:
            raise ValueError(f"{prefix}keypoints of {file}, clip {number}: {error}") from None
        if part.files is not None:
            clip.file = part.files[number]
        clips.append(clip)
    return clips


def _groups(
    parts: list[KeypointPart], labels: list[int], split: Split, file: str, notes: list[str]
) -> list[str] | None:
    """The recording of every clip, where it is known; where it only seems to be, a note."""
    files = [name for part in parts for name in part.files or []]
    groups = [group for part in parts for group in part.groups or []]
    if len(groups) == len(labels):
        return groups
    if split.split_by:
        if len(files) != len(labels):
            raise ValueError(f"--split-by looks at the `files` of the clips, and {file} has none")
        return recordings(files, split.split_by)
    warning = shared_recording(files, labels) if len(files) == len(labels) else None
    if warning:
        notes.append(warning)
    return None
