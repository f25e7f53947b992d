"""A small valid file or folder of each kind of data, to be copied and filled with one's own."""

import math
import random
from collections.abc import Callable
from pathlib import Path

from .graphs.graph_examples import GRAPH_EXAMPLES
from .sequences.sequence_examples import SEQUENCE_EXAMPLES

_DAY = 24


def write_example(kind: str, path: Path) -> list[Path]:
    """Write an example of a kind of data (one of `EXAMPLES`) to a path that is not there yet; return its files.

    Raises:
        ValueError: an unknown kind, or the path is taken or has another suffix than the kind.
    """
    if kind not in EXAMPLES:
        raise ValueError(f"KIND expects one of {', '.join(EXAMPLES)}, got {kind!r}")
    writers, path = EXAMPLES[kind], Path(path)
    if path.exists():
        raise ValueError(f"{path} is there already: an example goes to a new place")
    if path.suffix.lower() not in writers:
        places = " or ".join(suffix or "folder" for suffix in writers)
        raise ValueError(f"an example of {kind} goes to a {places}, got {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return writers[path.suffix.lower()](path)


def _write_series(path: Path) -> list[Path]:
    """Hours and three sensors, a few values missing; NAME_adj.csv: weights from the row to the column."""
    draw = random.Random(0)
    lines = ["time,north,middle,south"]
    for hour in range(20 * _DAY):
        wave = [50 + 10 * math.sin(2 * math.pi * (hour - delay) / _DAY) + draw.gauss(0, 1) for delay in (0, 1, 2)]
        fields = ["" if draw.random() < 0.01 else f"{value:.2f}" for value in wave]
        lines.append(f"2024-01-{1 + hour // _DAY:02}T{hour % _DAY:02}:00,{','.join(fields)}")
    adjacency = [",north,middle,south", "north,0,1,0", "middle,1,0,0.5", "south,0,0.5,0"]
    return [_write(path, lines), _write(path.with_name(f"{path.stem}_adj.csv"), adjacency)]


def _write_clips(path: Path) -> list[Path]:
    """keypoints [frames of all clips, joints, 2], lengths and labels [clips], edges: joints that rise or turn."""
    import numpy as np

    rng = np.random.default_rng(0)
    steps = np.linspace(0, 1, 12)
    clips = []
    for number in range(40):
        angle = steps * math.pi * (number % 2) + rng.uniform(0, 2 * math.pi)
        arm = np.stack([np.cos(angle), np.sin(angle)])  # [2, frames]
        joints = np.stack([part * arm for part in (0, 1, 2)], axis=1)  # [2, joints, frames]
        joints[1] += (1 - number % 2) * steps
        clips.append((joints + rng.normal(0, 0.02, joints.shape)).transpose(2, 1, 0))
    labels = np.arange(40) % 2
    np.savez_compressed(
        path, keypoints=np.concatenate(clips), lengths=np.full(40, 12), labels=labels, edges=np.array([[0, 1], [1, 2]])
    )
    return [path]


def _write_videos(folder: Path) -> list[Path]:
    """CLASS/NUMBER.mp4: a ball that goes round, round a square, or to and fro, at its own place, size and speed."""
    import numpy as np

    from .clips.optical_flow import require_opencv

    cv2 = require_opencv()
    rng, (width, height), frames = np.random.default_rng(0), (64, 48), 24
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    written = []
    for name in ("circle", "square", "diagonal"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            turns = rng.uniform(0, 1) + rng.uniform(1, 1.5) * np.arange(frames) / frames
            if name == "circle":
                way = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
            elif name == "square":
                way = np.stack([np.interp(4 * (turns % 1), range(5), side) for side in square.T], axis=1)
            else:
                way = np.repeat(4 * np.abs(turns % 1 - 0.5)[:, None] - 1, 2, axis=1)
            centre = (width / 2, height / 2) + rng.uniform(-6, 6, 2) + rng.uniform(9, 14) * way
            written.append(folder / name / f"{number:02}.mp4")
            video = cv2.VideoWriter(str(written[-1]), cv2.VideoWriter.fourcc(*"mp4v"), 12, (width, height))
            size, colour = int(rng.integers(3, 6)), rng.uniform(128, 255, 3).tolist()
            for x, y in centre:
                picture = rng.integers(20, 40, (height, width, 3), dtype=np.uint8)
                video.write(cv2.circle(picture, (round(x), round(y)), size, colour, -1))
            video.release()
    return written


def _write_text(path: Path) -> list[Path]:
    """A text in UTF-8."""
    draw = random.Random(0)
    who, what = ("the fox", "the crow", "a king", "a miller"), ("saw", "heard", "followed", "forgot")
    return [_write(path, [f"{draw.choice(who)} {draw.choice(what)} {draw.choice(who)}." for _ in range(400)])]


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# kind -> suffix of its path ("" is a folder) -> what writes it
EXAMPLES: dict[str, dict[str, Callable[[Path], list[Path]]]] = {
    **GRAPH_EXAMPLES,
    "series": {".csv": _write_series},
    "clips": {".npz": _write_clips},
    "videos": {"": _write_videos},
    "text": {".txt": _write_text},
    "sequences": SEQUENCE_EXAMPLES,
}
