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
    "text": {".txt": _write_text},
    "sequences": SEQUENCE_EXAMPLES,
}
