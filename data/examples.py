"""A small valid file or folder of each kind of data, to be copied and filled with one's own."""

import math
import random
from collections.abc import Callable
from pathlib import Path

_DAY = 24


def write_example(kind: str, path: Path) -> list[Path]:
    """Write an example of a kind of data (one of `EXAMPLES`) to a path that is not there yet; return its files.

    Raises:
        ValueError: an unknown kind, or the path is taken or has another suffix than the kind.
    """
    if kind not in EXAMPLES:
        raise ValueError(f"KIND expects one of {', '.join(EXAMPLES)}, got {kind!r}")
    suffix, write = EXAMPLES[kind]
    path = Path(path)
    if path.exists():
        raise ValueError(f"{path} is there already: an example goes to a new place")
    if path.suffix.lower() != suffix:
        raise ValueError(f"an example of {kind} goes to a {suffix or 'folder'}, got {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path)


def _write_graph(path: Path) -> list[Path]:
    """A folder of nodes.csv (id, label, split, features) and edges.csv (source, target, weight)."""
    draw = random.Random(0)
    path.mkdir()
    nodes = ["id,label,split,age"]
    edges = ["source,target,weight"]
    for number in range(60):
        part = ("train", "train", "train", "val", "test")[number // 2 % 5]
        nodes.append(f"person {number},{'chess' if number % 2 else 'rowing'},{part},{20 + draw.randrange(50)}")
        for _ in range(3):
            friend = (number + 2 * draw.randrange(1, 30) + (draw.random() < 0.1)) % 60
            edges.append(f"person {number},person {friend},{draw.randrange(1, 9)}")
    return [_write(path / "nodes.csv", nodes), _write(path / "edges.csv", edges)]


def _write_graphs(path: Path) -> list[Path]:
    """Their number; per graph `nodes label`, then per node `tag degree neighbours`: rings are 1, paths 0."""
    lines = ["40"]
    for number in range(40):
        size, ring = 4 + number // 2 % 6, number % 2
        lines.append(f"{size} {ring}")
        for node in range(size):
            ends = (
                [(node - 1) % size, (node + 1) % size] if ring else [n for n in (node - 1, node + 1) if 0 <= n < size]
            )
            lines.append(f"{node % 2} {len(ends)} {' '.join(map(str, ends))}")
    return [_write(path, lines)]


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


# kind -> suffix of its path ("" is a folder), and what writes it
EXAMPLES: dict[str, tuple[str, Callable[[Path], list[Path]]]] = {
    "graph": ("", _write_graph),
    "graphs": (".txt", _write_graphs),
    "series": (".csv", _write_series),
    "clips": (".npz", _write_clips),
    "text": (".txt", _write_text),
}
