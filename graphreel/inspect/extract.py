"""`graphreel combined extract`: the people in videos as a keypoint .npz."""

from pathlib import Path

import numpy as np

from graphreel.data.clips.poses import PoseReader, pose_arrays, write_arrays
from graphreel.data.clips.video_folder import VideoFolder
from graphreel.data.clips.video_stream import SUFFIXES
from graphreel.training.progress import Progress


def extract(
    videos: Path,
    out: Path,
    people: int,
    frames: int,
    height: int,
    model: Path | None,
    skip_damaged: bool,
    quiet: bool,
) -> str:
    """Write the keypoints of a video, or of a folder's, by class where it has a subfolder for each; what was written.

    Raises:
        ValueError, OSError: there is no video, one cannot be read, or what reads poses is missing.
    """
    files, labels = _videos(videos)
    skipped: list[str] | None = [] if skip_damaged else None
    with Progress(quiet).over(len(files)) as bar:
        arrays = pose_arrays(
            files, labels, PoseReader(people, frames, height), model, skipped,
            lambda done, total: bar.reach(done, f"{done} of {total} videos"),
        )  # fmt: skip
    write_arrays(arrays, out)
    seen = np.isfinite(arrays["keypoints"][:, :, 0, 0])
    lines = [f"  left out: {reason}" for reason in skipped or []]
    lines += [
        f"  videos         {len(arrays['lengths'])}" + (f" of {len(set(labels))} classes" if labels else ""),
        f"  frames         {len(seen)}, somebody in {100 * seen.any(1).mean():.0f} % of them",
        f"  people         {', '.join(f'{100 * share:.0f} %' for share in seen.mean(0))} of the frames, left to right",
        f"  in             {out}",
    ]
    return "\n".join(lines)


def _videos(place: Path) -> tuple[list[Path], list[str] | None]:
    if place.is_file():
        return [place], None
    files = [
        file for file in sorted(place.iterdir()) if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    if files:
        return files, None
    folder = VideoFolder.of(place, least=1)
    return folder.files, [folder.classes[label] for label in folder.labels]
