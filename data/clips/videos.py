"""Folders of videos as clips: superpixels or patches with what moves in them, or the poses of people."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ..disk_cache import cached, content_key
from .clip import Clip
from .keypoints import splits_of
from .poses import PoseReader, check_poses, each_file, pose_arrays, sees_people
from .splits import ClipSplits, Split, recordings, shared_recording
from .video_clips import VideoReader
from .video_files import SUFFIXES

GRAPHS = ("auto", "patches", "superpixels", "poses")
_FORMAT = "clips-2"  # part of the cache's key: another when the same video gives another clip


@dataclass(frozen=True)
class VideoFolder:
    """The videos of a folder with one subfolder per class, or with these in train/ and test/.

    Attributes:
        classes: their names, sorted.
        files, labels, parts: of every video its path, its class and "train", "test" or "".
    """

    classes: list[str]
    files: list[Path]
    labels: list[int]
    parts: list[str]

    @classmethod
    def of(cls, path: Path, least: int = 3) -> "VideoFolder":
        """The videos of a folder; hidden files, and those that macOS puts beside (._NAME), are none.

        Raises:
            ValueError: fewer than two classes, or a class with fewer than `least` videos.
        """
        inside = {folder.name for folder in _folders(path)}
        parted = {"train", "test"} <= inside and any(_folders(path / "train"))
        found: dict[str, list[tuple[Path, str]]] = {}
        for part in ("train", "test") if parted else ("",):
            for folder in _folders(path / part):
                for file in sorted(folder.iterdir()):
                    if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file():
                        found.setdefault(folder.name, []).append((file, part))
        if len(found) < 2:
            raise ValueError(
                f"{path} has videos in {len(found)} subfolders: expected one subfolder for each of 2 classes"
            )
        for name, videos in found.items():
            if len(videos) < least:
                raise ValueError(
                    f"class {name} of {path} has {len(videos)} videos: expected at least {least}, one for each part"
                )
        rows = [(file, label, part) for label, name in enumerate(sorted(found)) for file, part in found[name]]
        return cls(sorted(found), [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    def without(self, left_out: Sequence[int]) -> "VideoFolder":
        """The folder without some of its videos."""
        kept = [i for i in range(len(self.files)) if i not in set(left_out)]
        rows = ([values[i] for i in kept] for values in (self.files, self.labels, self.parts))
        return VideoFolder(self.classes, *rows)  # type: ignore[arg-type]


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
    for clip, label in zip(read, folder.labels, strict=True):
        clip.y = torch.tensor([label])
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
    names = [str(i) for i in range(len(folder.files))]  # to know again which are left
    labels = [folder.classes[label] for label in folder.labels]
    arrays = pose_arrays(folder.files, labels, reader, model, skipped, progress, names)
    kept = [int(name) for name in arrays.pop("files").tolist()]
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
        one.notes = [*one.notes, *said]
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


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
