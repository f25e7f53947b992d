"""Folders of clips as other programs write keypoints: by class in subfolders, or with a table of file and label."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..text_files import read_text
from .each_file import each_file
from .importers.formats import NAMES, clip_arrays, recognises
from .keypoint_files import Arrays
from .keypoints import splits_of
from .splits import ClipSplits, Split

_LABELS = "labels.csv"


def load_keypoint_folder(
    path: Path,
    people: int = 2,
    velocity: bool = True,
    distances: bool = False,
    bones: bool = False,
    gestures: bool = False,
    frames: int = 0,
    validation: float = 0.15,
    seed: int = 0,
    split_by: str = "",
    folds: int = 0,
    skip_damaged: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ClipSplits:
    """Load clips, each a file in one of the formats of importers/, or a folder of OpenPose's.

    Labels come from the subfolder that a clip lies in, which may be inside train/ and test/, or from labels.csv, rows
    of file and label.

    Args:
        path: the folder.
        people: at most so many, those seen longest.
        skip_damaged: leave out what cannot be read, and say so in `notes`.
        progress: called with the number of clips read and of all.
        velocity, distances, bones, gestures, frames, validation, seed, split_by, folds: see `load_keypoints`.

    Raises:
        ValueError: a clip cannot be read, clips have different joints or bones, or as `load_keypoints`.
    """
    path = Path(path)
    rows = _listed(path) if (path / _LABELS).is_file() else _by_class(path)
    if not rows:
        raise ValueError(f"{path} holds no clips: expected {NAMES}, in a subfolder for each class or with {_LABELS}")
    skipped: list[str] | None = [] if skip_damaged else None
    found = each_file([file for file, _, _ in rows], lambda file: clip_arrays(file, people), skipped, progress)
    clips = [(row, arrays) for row, arrays in zip(rows, found, strict=True) if arrays is not None]
    if not clips:
        raise ValueError(f"{path} holds no clip that can be read: {(skipped or [''])[0]}")
    arrays = _joined([one for _, one in clips], [file.name for (file, _, _), _ in clips])
    arrays["labels"] = np.array([label for (_, label, _), _ in clips])
    arrays["files"] = np.array([file.name for (file, _, _), _ in clips])
    notes = sorted({note for _, one in clips for note in one["notes"].tolist()})
    notes += [f"left out: {reason}" for reason in skipped or []]
    features = dict(velocity=velocity, distances=distances, bones=bones, gestures=gestures, frames=frames)
    split = Split(validation=validation, folds=folds, split_by=split_by, seed=seed)
    tested = [i for i, ((_, _, part), _) in enumerate(clips) if part == "test"] or None
    made = splits_of(arrays, str(path), features, split, "depth", notes, tested)
    for one in (made, *made.folds):
        one.name = path.name
    return made


def _joined(clips: list[Arrays], names: list[str]) -> Arrays:
    """Clips laid end to end, with as many people as the fullest has."""
    first = clips[0]
    for one, name in zip(clips, names, strict=True):
        same = all(np.array_equal(one.get(key, 0), first.get(key, 0)) for key in ("skeleton", "edges", "pairs"))
        if one["keypoints"].shape[2:] != first["keypoints"].shape[2:] or not same:
            raise ValueError(f"{name} has other joints, dimensions or bones than {names[0]}: expected the same in all")
    most = max(int((one["scores"] > 0).any((0, 2)).sum()) for one in clips)
    joined: Arrays = {key: np.concatenate([one[key][:, :most] for one in clips]) for key in ("keypoints", "scores")}
    if most == 1:
        joined = {key: value[:, 0] for key, value in joined.items()}
    joined |= {key: value for key, value in first.items() if key in ("skeleton", "edges", "pairs")}
    return {**joined, "lengths": np.array([len(one["keypoints"]) for one in clips])}


def _by_class(path: Path) -> list[tuple[Path, str, str]]:
    parts = ("train", "test") if (path / "train").is_dir() and (path / "test").is_dir() else ("",)
    folders = [(folder, part) for part in parts for folder in sorted((path / part).iterdir()) if folder.is_dir()]
    return [(file, folder.name, part) for folder, part in folders for file in _clips(folder)]


def _listed(path: Path) -> list[tuple[Path, str, str]]:
    text = read_text(path / _LABELS)[0]
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    rows = rows[1:] if rows and rows[0][0].lower() == "file" else rows
    short = next((row for row in rows if len(row) < 2), None)
    if short is not None:
        raise ValueError(f"{path / _LABELS} must hold rows of file and label, got {','.join(short)!r}")
    lacking = next((row[0] for row in rows if not (path / row[0]).exists()), None)
    if lacking is not None:
        raise ValueError(f"{path / _LABELS} names {lacking}, which is not there")
    return [(path / row[0], row[1], "") for row in rows]


def _clips(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if not file.name.startswith(".") and recognises(file)]
