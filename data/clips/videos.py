"""Folders of videos as clips: superpixels or patches with what moves in them, or the poses of people."""

import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ..disk_cache import cached, content_key
from .clip import Clip
from .each_file import each_file
from .keypoints import splits_of
from .poses import PoseReader, check_poses, pose_arrays, sees_people
from .splits import ClipSplits, Split, recordings, shared_recording
from .video_clips import VideoReader
from .video_folder import VideoFolder

GRAPHS = ("auto", "patches", "superpixels", "poses")
_FORMAT = "clips-2"  # part of the cache's key: another when the same video gives another clip


def load_videos(
    path: Path,
    graph: str = "auto",
    regions: int = 48,
    frames: int = 32,
    height: int = 0,
    test: float = 0.2,
    validation: float = 0.15,
    seed: int = 0,
    split_by: str = "",
    folds: int = 0,
    people: int = 2,
    pose_model: str = "",
    skip_damaged: bool = False,
    motion: bool = True,
    progress: Callable[[int, int], None] | None = None,
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    kind: str = "",
    most: int = 0,
) -> ClipSplits:
    """Load a folder of videos with one subfolder per class, or with train/ and test/ that have these.

    What is read of a video is kept in the cache, by the video's content.

    Args:
        path: the folder; a class is called like its subfolder.
        graph: what nodes are: patches or superpixels (see `VideoReader`), poses (see `PoseReader`), or auto: poses
            where LiteRT and its model are there and people are seen, else patches.
        regions: about how many of a picture.
        frames: at most so many, spread evenly over the time.
        height: higher pictures are made smaller; 0 is 96, and 480 for poses.
        test, validation: the shares of each class that are held out, the second of what the first leaves.
        seed: of what is held out.
        split_by, folds: see `Split`.
        people: at most so many are followed.
        pose_model: the folder or wheel of the pose model, where it is not in the cache.
        skip_damaged: leave files out that cannot be read, and say so in `notes`.
        motion: whether regions know what moves in them.
        progress: called with the number of videos read and of all.
        velocity, distances, bones, gestures: features of poses, see `KeypointReader`.
        kind, most: former names of graph and frames.

    Raises:
        ValueError: a setting out of range, fewer than two classes, a class with fewer than three videos, an unreadable
            video; what reads them is not installed.
        FileNotFoundError: the pose model is not there.
    """
    if kind or most:
        warnings.warn("kind and most of a folder of videos are called graph and frames", FutureWarning, stacklevel=2)
        graph, frames = kind or graph, most or frames
    if graph not in GRAPHS:
        raise ValueError(f"graph must be one of {', '.join(GRAPHS)}, got {graph!r}")
    path = Path(path)
    split = Split(test, validation, folds, split_by, seed)
    folder = VideoFolder.of(path)
    notes: list[str] = []
    if graph == "auto":
        graph = _chosen(folder, pose_model or None, notes)
    groups = recordings([file.name for file in folder.files], split_by) if split_by else None
    if groups is None and "train" not in folder.parts:
        warning = shared_recording([file.name for file in folder.files], folder.labels)
        notes += [warning] if warning else []
    skipped: list[str] | None = [] if skip_damaged else None
    if graph == "poses":
        poses = PoseReader(people, frames, height or 480)
        features = dict(velocity=velocity, distances=distances, bones=bones, gestures=gestures, frames=frames)
        found = _pose_splits(folder, path, poses, features, split, groups, pose_model or None, skipped, progress)
        return _noted(found, notes, skipped)
    reader = VideoReader(graph, regions, frames, height or 96, motion).ready()
    clips = each_file(folder.files, lambda file: _cached_clip(file, reader), skipped, progress)
    left_out = [i for i, clip in enumerate(clips) if clip is None]
    if left_out:
        groups = [group for i, group in enumerate(groups) if clips[i] is not None] if groups else None
        folder = folder.without(left_out)
    read = [clip for clip in clips if clip is not None]
    for clip, label, file in zip(read, folder.labels, folder.files, strict=True):
        clip.y, clip.file = torch.tensor([label]), str(file)
    made = ClipSplits(
        path.name, [], [], [], folder.classes, reader.timeless, reader.augment, reader.mirror, asdict(reader),
        seconds=median(clip.seconds for clip in read),
    )  # fmt: skip
    tested = [i for i, part in enumerate(folder.parts) if part == "test"] or None
    return _noted(split.of(made, read, str(path), groups, tested), notes, skipped)


def _pose_splits(
    folder: VideoFolder, path: Path, reader: PoseReader, features: dict[str, Any], split: Split,
    groups: list[str] | None, model: str | None, skipped: list[str] | None,
    progress: Callable[[int, int], None] | None,
) -> ClipSplits:  # fmt: skip
    places = {str(file): place for place, file in enumerate(folder.files)}
    labels = [folder.classes[label] for label in folder.labels]
    arrays = pose_arrays(folder.files, labels, reader, model, skipped, progress, list(places))
    kept = [places[name] for name in arrays["files"].tolist()]
    tested = [place for place, i in enumerate(kept) if folder.parts[i] == "test"] or None
    if groups is not None:
        arrays["groups"] = np.array([groups[i] for i in kept])
    made = splits_of(arrays, str(path), features, split, tested=tested)
    settings = {**made.settings, "poses": asdict(reader)}
    ends = arrays["lengths"].cumsum()
    seconds = float(np.median(arrays["times"][ends - 1] - arrays["times"][ends - arrays["lengths"]]))
    for one in (made, *made.folds):
        one.name, one.settings, one.seconds = path.name, settings, seconds
    return made


def _noted(splits: ClipSplits, notes: list[str], skipped: list[str] | None) -> ClipSplits:
    said = [*notes, *(f"left out: {reason}" for reason in skipped or [])]
    for one in {id(one): one for one in (splits, *splits.folds)}.values():
        one.notes = list(dict.fromkeys([*one.notes, *said]))
    return splits


def _chosen(folder: VideoFolder, model: str | None, notes: list[str]) -> str:
    """Poses where they can be read and the first video of each class shows people, else patches."""
    try:
        check_poses(model)
    except (ValueError, FileNotFoundError) as error:
        notes.append(f"patches are read, not poses: {error}")
        return "patches"
    first = [folder.files[folder.labels.index(label)] for label in sorted(set(folder.labels))]
    chosen = "poses" if sees_people(first[:6], model) else "patches"
    notes.append("people are seen, so poses are read" if chosen == "poses" else "nobody is seen, so patches are read")
    return chosen


def _cached_clip(file: Path, reader: VideoReader) -> Clip:
    key = content_key(file, _FORMAT, reader)
    return Clip(**cached("videos", key, lambda: dict(reader.read(file).to_dict())))
